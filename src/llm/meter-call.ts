import type { AttemptOutcome, ModelUsage } from '../core/model.ts';
import type { CallPiece } from './call-model.ts';
import { estimateOutput, type PromptSize } from './estimate-tokens.ts';

/** What a call is settled with. */
export interface Metered {
  /** `null`: nobody charges for it. */
  readonly usage: ModelUsage | null;
  readonly isEstimated: boolean;
}

const nothing: Metered = { usage: null, isEstimated: false };

/**
 * What a call used: as the provider says, or counted by us, cautiously, where it did not say: the stream was cut, the
 * call was cancelled, the answer carries no figures. An answer with an error status costs nothing.
 */
export function meterCall(
  piece: Exclude<CallPiece, { kind: 'text' }>,
  call: {
    readonly isFree: boolean;
    readonly size: PromptSize;
    readonly receivedBytes: number;
    readonly silentMs: number;
    /** Whether the provider was told what to cache, and may charge for writing it. */
    readonly marksCache: boolean;
    readonly maxOutputTokens: number;
  },
): Metered {
  if (call.isFree) return nothing;
  const reported =
    piece.kind === 'answer' ? piece.answer.usage : piece.kind === 'failure' ? piece.usage : null;
  if (reported === null && piece.kind === 'failure' && costsNothing(piece.failure)) return nothing;
  const isEstimated = reported === null || reported.inputTokens === null || reported.outputTokens === null;
  if (!isEstimated) return { usage: reported, isEstimated };
  const inputTokens = reported?.inputTokens ?? call.size.maxTokens;
  return {
    usage: {
      inputTokens,
      outputTokens: reported?.outputTokens ?? estimateOutput(call),
      cachedInputTokens: reported?.cachedInputTokens ?? null,
      cacheWriteTokens: reported?.cacheWriteTokens ?? (call.marksCache ? inputTokens : null),
      reasoningTokens: reported?.reasoningTokens ?? null,
    },
    isEstimated,
  };
}

function costsNothing(failure: {
  readonly outcome: AttemptOutcome;
  readonly status: number | null;
  readonly neverSent?: boolean;
}): boolean {
  if (failure.status !== null) return failure.status >= 300;
  if (failure.neverSent === true) return true;
  return failure.outcome === 'rejected'; // our own fault, before anything was sent
}

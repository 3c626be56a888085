import type { PlannedCall, SettledCall } from '../../core/budget.ts';

/** Tokens of a call as the ledger has them: what decides the price is known. */
export interface ReckonedUsage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cachedInputTokens: number;
  readonly cacheWriteTokens: number;
  readonly reasoningTokens: number | null;
}

/**
 * What a call used. What nobody reported counts as the most that it can have been, which makes the whole an estimate;
 * a call that reached no model used nothing.
 */
export function reckon(
  { maxInputTokens, maxOutputTokens }: Pick<PlannedCall, 'maxInputTokens' | 'maxOutputTokens'>,
  { usage, isEstimated }: SettledCall,
): { readonly usage: ReckonedUsage; readonly isEstimated: boolean } {
  if (usage === null) {
    const none = { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, cacheWriteTokens: 0 };
    return { usage: { ...none, reasoningTokens: null }, isEstimated };
  }
  return {
    usage: {
      inputTokens: whole(usage.inputTokens ?? maxInputTokens),
      outputTokens: whole(usage.outputTokens ?? maxOutputTokens),
      cachedInputTokens: whole(usage.cachedInputTokens ?? 0),
      cacheWriteTokens: whole(usage.cacheWriteTokens ?? 0),
      reasoningTokens: usage.reasoningTokens === null ? null : whole(usage.reasoningTokens),
    },
    isEstimated: isEstimated || usage.inputTokens === null || usage.outputTokens === null,
  };
}

/** A provider may report anything. */
function whole(tokens: number): number {
  return Number.isFinite(tokens) ? Math.max(0, Math.ceil(tokens)) : 0;
}

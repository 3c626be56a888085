import type { LanguageModelV4GenerateResult, LanguageModelV4Prompt } from '@ai-sdk/provider';
import type { Clock } from '../core/clock.ts';
import type { ModelRequest, ModelUsage } from '../core/model.ts';
import { storable } from '../core/storable.ts';
import { type AttemptFailure, classifyFailure } from './classify-failure.ts';
import type { CallableModel, Provider } from './provider.ts';

interface Answer {
  readonly text: string;
  readonly finish: 'stop' | 'length' | 'refused';
  readonly usage: ModelUsage;
}

export type CallOutcome =
  | { readonly kind: 'answer'; readonly answer: Answer }
  | { readonly kind: 'failure'; readonly failure: AttemptFailure }
  /** The request's own signal ended it. */
  | { readonly kind: 'aborted' };

export interface CallOptions {
  readonly model: CallableModel;
  readonly provider: Provider;
  readonly prompt: LanguageModelV4Prompt;
  readonly maxOutputTokens: number;
  /** The deadline of this one call, in ms from now. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/**
 * One call to one model with a deadline. Never throws: every way it can end is an outcome. At the deadline or an abort
 * the outcome is there at once and the socket is closed, even if the provider's code does not react.
 */
export async function callModel(options: CallOptions): Promise<CallOutcome> {
  const { model, provider, prompt, maxOutputTokens, timeoutMs, signal, clock } = options;
  if (signal.aborted) return { kind: 'aborted' };
  const controller = new AbortController();
  const stopped = Promise.withResolvers<CallOutcome>();
  const stop = (outcome: CallOutcome) => {
    stopped.resolve(outcome);
    controller.abort();
  };
  const onAbort = () => stop({ kind: 'aborted' });
  const timer = setTimeout(() => stop({ kind: 'failure', failure: timedOut }), Math.max(0, timeoutMs));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const called = Promise.resolve(
      model.doGenerate({
        prompt,
        maxOutputTokens,
        abortSignal: controller.signal,
        ...(provider.callOptions ? { providerOptions: provider.callOptions } : {}),
      }),
    );
    return await Promise.race([called.then(readAnswer), stopped.promise]);
  } catch (error) {
    if (controller.signal.aborted) return await stopped.promise;
    return { kind: 'failure', failure: classifyFailure(error, clock()) };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

/** The prompt in the AI SDK's form; made once per request and used for all its calls. */
export function toPrompt(request: ModelRequest): LanguageModelV4Prompt {
  const turns = request.messages.map(({ role, content }) => ({
    role,
    content: [{ type: 'text' as const, text: content }],
  }));
  return request.system === '' ? turns : [{ role: 'system', content: request.system }, ...turns];
}

const timedOut: AttemptFailure = {
  outcome: 'timeout',
  status: null,
  errorType: null,
  transient: true,
  retryAfterMs: null,
};

function readAnswer(result: LanguageModelV4GenerateResult): CallOutcome {
  const text = storable(result.content.map((part) => (part.type === 'text' ? part.text : '')).join(''));
  const { unified } = result.finishReason;
  const finish = unified === 'content-filter' ? 'refused' : unified === 'length' ? 'length' : 'stop';
  if (finish !== 'refused' && text.trim() === '') return { kind: 'failure', failure: empty(finish) };
  return { kind: 'answer', answer: { text, finish, usage: readUsage(result.usage) } };
}

/** An empty answer may be a hiccup; one that is empty because the limit was reached will be empty again. */
function empty(finish: 'stop' | 'length'): AttemptFailure {
  return {
    outcome: 'malformed',
    status: null,
    errorType: finish === 'length' ? 'empty_at_output_limit' : 'empty_answer',
    transient: finish === 'stop',
    retryAfterMs: null,
  };
}

function readUsage({ inputTokens, outputTokens }: LanguageModelV4GenerateResult['usage']): ModelUsage {
  return {
    inputTokens: inputTokens.total ?? null,
    outputTokens: outputTokens.total ?? null,
    cachedInputTokens: inputTokens.cacheRead ?? null,
    reasoningTokens: outputTokens.reasoning ?? null,
  };
}

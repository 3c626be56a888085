import type {
  LanguageModelV4CallOptions,
  LanguageModelV4GenerateResult,
  LanguageModelV4Message,
  LanguageModelV4Prompt,
  LanguageModelV4ToolCall,
} from '@ai-sdk/provider';
import type { Clock } from '../core/clock.ts';
import type { ModelMessage, ModelRequest, ModelUsage, ToolCall } from '../core/model.ts';
import { storable } from '../core/storable.ts';
import { type AttemptFailure, classifyFailure } from './classify-failure.ts';
import type { CallableModel, Provider } from './provider.ts';

interface Answer {
  readonly text: string;
  readonly finish: 'stop' | 'tool_calls' | 'length' | 'refused';
  readonly toolCalls: readonly ToolCall[];
  readonly object: null;
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
  readonly tools: Pick<LanguageModelV4CallOptions, 'tools' | 'toolChoice'>;
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
  const { model, provider, prompt, tools, maxOutputTokens, timeoutMs, signal, clock } = options;
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
        ...tools,
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
  const messages = request.messages.map(toMessage);
  return request.system === '' ? messages : [{ role: 'system', content: request.system }, ...messages];
}

/** What may be called, in the AI SDK's form. */
export function toTools({ tools = [], toolChoice = 'auto' }: ModelRequest): CallOptions['tools'] {
  if (tools.length === 0) return {};
  return {
    tools: tools.map(({ name, description, inputSchema }) => ({
      type: 'function',
      name,
      description,
      inputSchema,
    })),
    toolChoice: { type: toolChoice },
  };
}

function toMessage(message: ModelMessage): LanguageModelV4Message {
  switch (message.role) {
    case 'user':
      return { role: 'user', content: [{ type: 'text', text: message.content }] };
    case 'assistant': {
      const text = message.content === '' ? [] : [{ type: 'text' as const, text: message.content }];
      const calls = (message.toolCalls ?? []).map(({ id, name, input }) => ({
        type: 'tool-call' as const,
        toolCallId: id,
        toolName: name,
        input: input ?? {},
      }));
      return { role: 'assistant', content: [...text, ...calls] };
    }
    case 'tool':
      return {
        role: 'tool',
        content: message.results.map(({ callId, name, output, isError }) => ({
          type: 'tool-result',
          toolCallId: callId,
          toolName: name,
          output: { type: isError ? 'error-text' : 'text', value: output },
        })),
      };
    default:
      return message satisfies never;
  }
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
  const toolCalls = result.content.flatMap((part) => (part.type === 'tool-call' ? [readToolCall(part)] : []));
  const { unified } = result.finishReason;
  const finish =
    unified === 'content-filter'
      ? 'refused'
      : toolCalls.length > 0
        ? 'tool_calls'
        : unified === 'length'
          ? 'length'
          : 'stop';
  if ((finish === 'stop' || finish === 'length') && text.trim() === '') {
    return { kind: 'failure', failure: empty(finish) };
  }
  return {
    kind: 'answer',
    answer: { text, finish, toolCalls, object: null, usage: readUsage(result.usage) },
  };
}

function readToolCall({ toolCallId, toolName, input }: LanguageModelV4ToolCall): ToolCall {
  return { id: toolCallId, name: toolName, input: readObject(input), rawInput: storable(input) };
}

function readObject(json: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = json.trim() === '' ? {} : JSON.parse(json);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Readonly<Record<string, unknown>>)
      : null;
  } catch {
    return null;
  }
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
    cacheWriteTokens: inputTokens.cacheWrite ?? null,
    reasoningTokens: outputTokens.reasoning ?? null,
  };
}

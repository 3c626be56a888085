import { createHash } from 'node:crypto';
import type {
  LanguageModelV4CallOptions,
  LanguageModelV4Message,
  LanguageModelV4Prompt,
  SharedV4ProviderOptions,
} from '@ai-sdk/provider';
import type {
  FileKind,
  ModelMessage,
  ModelRequest,
  PromptFile,
  ToolCall,
  ToolResult,
} from '../core/model.ts';
import type { ModelAccess, PromptStyle } from './provider.ts';
import { unreadable } from './without-files.ts';

export type CallSettings = Omit<LanguageModelV4CallOptions, 'abortSignal' | 'maxOutputTokens'>;

/** A request in the AI SDK's form, as the model's provider takes it. */
export function toCallSettings(
  request: ModelRequest,
  { provider, model, accepts }: ModelAccess,
): CallSettings {
  const { tools, output, toolChoice = 'auto' } = request;
  const cacheKey = request.cacheKey === undefined ? null : cacheName(request.tenantId, request.cacheKey);
  const providerOptions = provider.callOptions?.({ cacheKey });
  const style = provider.promptStyle?.(model) ?? {};
  return {
    prompt: toPrompt(request, style, accepts),
    ...(tools === undefined || tools.length === 0
      ? {}
      : {
          tools: tools.map(({ name, description, inputSchema }) => ({
            type: 'function' as const,
            name,
            description,
            inputSchema,
          })),
          toolChoice: { type: toolChoice === 'none' && style.cannotForbidTools ? 'auto' : toolChoice },
        }),
    ...(output === undefined
      ? {}
      : { responseFormat: { type: 'json' as const, name: output.name, schema: output.schema } }),
    ...(providerOptions ? { providerOptions } : {}),
  };
}

/**
 * The stable part first, then what changes, then the conversation. Where a provider wants to be told what to cache, the
 * stable part (tools stand before it) and, for requests that share their beginning, the last message carry the mark.
 */
function toPrompt(
  request: ModelRequest,
  style: PromptStyle,
  accepts: readonly FileKind[],
): LanguageModelV4Prompt {
  const { system, context = '' } = request;
  const mark = style.cacheMark ? { providerOptions: style.cacheMark } : {};
  const parts = style.oneSystemMessage
    ? [[system, context].filter((part) => part !== '').join('\n\n')]
    : [system, context];
  const instructions = parts.flatMap((content, index): LanguageModelV4Message[] =>
    content === '' ? [] : [{ role: 'system', content, ...(index === 0 ? mark : {}) }],
  );
  const last = request.cacheKey === undefined ? -1 : request.messages.length - 1;
  return [
    ...instructions,
    ...request.messages.flatMap((message, index) => {
      const isBridged =
        style.bridgesTools && message.role === 'user' && request.messages[index - 1]?.role === 'tool';
      return [...(isBridged ? [bridge] : []), toMessage(message, style, accepts, index === last ? mark : {})];
    }),
  ];
}

/** What the model is made to say between the results of tools and what a person says. */
const bridge: LanguageModelV4Message = { role: 'assistant', content: [{ type: 'text', text: 'I see.' }] };

function toMessage(
  message: ModelMessage,
  style: PromptStyle,
  accepts: readonly FileKind[],
  mark: { readonly providerOptions?: SharedV4ProviderOptions },
): LanguageModelV4Message {
  const callId = style.toolCallId ?? safeCallId;
  switch (message.role) {
    case 'user':
      return {
        role: 'user',
        content: [{ type: 'text', text: message.content }, ...(message.files ?? []).flatMap(toFileParts)],
        ...mark,
      };
    case 'assistant': {
      const said = message.content === '' ? [] : [{ type: 'text' as const, text: message.content }];
      const calls = (message.toolCalls ?? []).map((call) => toCallPart(call, callId));
      return { role: 'assistant', content: [...said, ...calls], ...mark };
    }
    case 'tool':
      return {
        role: 'tool',
        content: message.results.map((result) => toResultPart(result, callId)),
        ...mark,
      };
    default:
      return message satisfies never;
  }

  /** A file under its name, so that several can be told apart; what the model does not take it is told of. */
  function toFileParts({ name, mediaType, kind, content }: PromptFile) {
    if (!accepts.includes(kind)) return [{ type: 'text' as const, text: unreadable(name) }];
    const data = { type: 'data' as const, data: content };
    return [
      { type: 'text' as const, text: `[${name}:]` },
      { type: 'file' as const, mediaType, data, ...(kind === 'pdf' ? { filename: name } : {}) },
    ];
  }
}

function toCallPart({ id, name, input, signature }: ToolCall, callId: (id: string) => string) {
  return {
    type: 'tool-call' as const,
    toolCallId: callId(id),
    toolName: name,
    // What was no JSON was answered with an error; providers want an object here all the same.
    input: input ?? {},
    ...(signature === undefined ? {} : { providerOptions: { google: { thoughtSignature: signature } } }),
  };
}

function toResultPart({ callId: id, name, output, isError }: ToolResult, callId: (id: string) => string) {
  return {
    type: 'tool-result' as const,
    toolCallId: callId(id),
    toolName: name,
    output: { type: isError ? ('error-text' as const) : ('text' as const), value: output },
  };
}

const SAFE_CALL_ID = /^[A-Za-z0-9_-]{1,64}$/;

/** A conversation may go on with another provider than the one that made the ids; this much all of them accept. */
function safeCallId(id: string): string {
  return SAFE_CALL_ID.test(id) ? id : hashed(id, 32);
}

/** Mistral takes nine letters and digits: https://docs.mistral.ai/api/ */
export function shortCallId(id: string): string {
  return /^[A-Za-z0-9]{9}$/.test(id) ? id : hashed(id, 9);
}

/** Keys of tenants never meet, and the provider learns none of our ids. */
function cacheName(tenantId: string, cacheKey: string): string {
  return hashed(`${tenantId}:${cacheKey}`, 32);
}

function hashed(text: string, characters: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, characters);
}

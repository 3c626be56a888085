import type { ModelRequest } from '../core/model.ts';

/** How long a request is, counted without any provider's tokenizer. */
export interface PromptSize {
  /** Never fewer than any provider counts: no tokenizer makes more tokens than a text has bytes. */
  readonly maxTokens: number;
  /** What it probably is, rather too many: 3 bytes to a token. */
  readonly likelyTokens: number;
}

/** Around a message providers put a few tokens of their own, around tools a page of instructions (Anthropic: 346). */
const TOKENS_PER_MESSAGE = 16;
const TOKENS_FOR_TOOLS = 600;
const BYTES_PER_TOKEN = 3;

/** No provider writes faster than this (Cerebras says 3,000 of itself); bounds what a call that told nothing can have cost. */
const MAX_TOKENS_PER_MS = 3;

/** Counts instructions, messages, tools and the wanted schema. */
export function estimatePrompt(request: ModelRequest): PromptSize {
  let bytes = Buffer.byteLength(request.system) + Buffer.byteLength(request.context ?? '');
  for (const message of request.messages) {
    if (message.role === 'tool') {
      for (const { output, callId, name } of message.results) {
        bytes += Buffer.byteLength(output) + callId.length + name.length;
      }
      continue;
    }
    bytes += Buffer.byteLength(message.content);
    if (message.role === 'assistant') {
      for (const call of message.toolCalls ?? []) {
        const { rawInput, id, name, signature = '' } = call;
        bytes += Buffer.byteLength(rawInput) + id.length + name.length + Buffer.byteLength(signature);
      }
    }
  }
  const hasTools = request.tools !== undefined && request.tools.length > 0;
  if (hasTools) bytes += Buffer.byteLength(JSON.stringify(request.tools));
  if (request.output !== undefined) bytes += Buffer.byteLength(JSON.stringify(request.output.schema));
  const around =
    (request.messages.length + 2) * TOKENS_PER_MESSAGE +
    (hasTools || request.output !== undefined ? TOKENS_FOR_TOOLS : 0);
  return { maxTokens: bytes + around, likelyTokens: Math.ceil(bytes / BYTES_PER_TOKEN) + around };
}

/**
 * The most that a call may have generated for which no figures came: what was seen of it, no tokenizer making more tokens
 * than a text has bytes, and as much as the fastest model writes in the time in which nothing was seen, where a model may
 * have been reasoning or writing what comes as a whole. In tokens.
 */
export function estimateOutput(call: {
  readonly receivedBytes: number;
  readonly silentMs: number;
  readonly maxOutputTokens: number;
}): number {
  const most = call.receivedBytes + 1 + Math.ceil(call.silentMs * MAX_TOKENS_PER_MS);
  return Math.min(call.maxOutputTokens, most);
}

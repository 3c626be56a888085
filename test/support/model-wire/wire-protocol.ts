import type { IncomingHttpHeaders } from 'node:http';
import { filePart } from './file-part.ts';

/** A model's answer, whatever the protocol. */
export interface ModelAnswer {
  readonly text: string;
  /** `refused`: Anthropic `refusal`, OpenAI a refusal part, Gemini `SAFETY`, chat completions `content_filter`. */
  readonly finish?: 'stop' | 'length' | 'refused';
  /** Tools it wants called; the finish is then that. */
  readonly toolCalls?: readonly WireToolCall[];
  /** `null`: the answer carries no usage, as some compatible servers do. */
  readonly usage?: AnswerUsage | null;
  /** The provider's own object for `usage`, sent as it stands. */
  readonly rawUsage?: Json;
}

/** A tool call on the wire; `input` as text is sent as it stands, whether it is JSON or not. */
export interface WireToolCall {
  readonly id: string;
  readonly name: string;
  readonly input: Readonly<Record<string, unknown>> | string;
}

export interface AnswerUsage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cachedInputTokens?: number;
  readonly cacheWriteTokens?: number;
  readonly reasoningTokens?: number;
}

/** What a request asks for, read from the protocol's own shape. */
export interface PromptOnTheWire {
  readonly model: string;
  readonly system: string;
  readonly messages: readonly MessageOnTheWire[];
  readonly maxOutputTokens: number | null;
  /** Names of the tools that may be called. */
  readonly tools: readonly string[];
}

export interface MessageOnTheWire {
  /** `tool`: the result of one call. */
  readonly role: 'user' | 'assistant' | 'tool';
  readonly content: string;
  readonly toolCalls?: readonly WireToolCall[];
  readonly toolCallId?: string;
}

export type Json = Readonly<Record<string, unknown>>;

/** How one provider's API looks on the wire: paths, key, request, answer, stream, error. */
export interface WireProtocol {
  /** Path of its base URL on the stand-in. */
  readonly basePath: string;
  /** Path of a generation below the base; captures `model` where the path names it, `stream` where it asks for one. */
  readonly generatePath: RegExp;
  readonly keyRequired: boolean;
  /** How a wrong key is refused; absent: 401 `authentication_error`. */
  readonly keyRefusal?: { readonly status: number; readonly type: string; readonly details: readonly Json[] };
  readonly streamType: string;
  /** The key as sent; `null` when there is none. */
  key(headers: IncomingHttpHeaders): string | null;
  /** @throws Error in plain words when the provider would answer 400 */
  read(body: Json, pathModel: string | null, headers: IncomingHttpHeaders): PromptOnTheWire;
  answer(answer: ModelAnswer, model: string): Json;
  /** The same as a stream: what comes before the text, each piece of it, and what comes after. */
  stream(answer: ModelAnswer, model: string, body: Json): WireStream;
  error(status: number, type: string, message: string, details?: readonly Json[]): Json;
  errorHeaders?(type: string): Readonly<Record<string, string>>;
  /** The answer of `GET /models`. */
  list(models: readonly string[]): Json;
}

type Chunk = string | Buffer;

export interface WireStream {
  readonly head: readonly Chunk[];
  text(piece: string): Chunk;
  readonly tail: readonly Chunk[];
  /** How this provider tells of an error in the middle of a stream. */
  error(type: string): Chunk;
}

export const defaultUsage: AnswerUsage = { inputTokens: 12, outputTokens: 5 };

/** A server-sent event. */
export function sse(data: unknown, event?: string): string {
  const body = typeof data === 'string' ? data : JSON.stringify(data);
  return `${event === undefined ? '' : `event: ${event}\n`}data: ${body}\n\n`;
}

export function inputText({ input }: WireToolCall): string {
  return typeof input === 'string' ? input : JSON.stringify(input);
}

export function inputObject({ input }: WireToolCall): unknown {
  return typeof input === 'string' ? JSON.parse(input) : input;
}

export function dataList(models: readonly string[]): Json {
  return { object: 'list', data: models.map((id) => ({ id, object: 'model' })) };
}

export function bearer(headers: IncomingHttpHeaders): string | null {
  return /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1] ?? null;
}

export function headerText(value: string | readonly string[] | undefined): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

export function turn(role: unknown, content: unknown): MessageOnTheWire {
  demand(role === 'user' || role === 'assistant', `messages: unexpected role ${String(role)}`);
  const turnText = partsText(content, 'messages');
  demand(turnText.trim() !== '', 'messages: text content blocks must be non-empty');
  return { role: role === 'user' ? 'user' : 'assistant', content: turnText };
}

/** Every call is answered and every answer was asked for, as all providers demand. */
export function matched(messages: readonly MessageOnTheWire[]): readonly MessageOnTheWire[] {
  const asked = messages.flatMap(({ toolCalls }) => (toolCalls ?? []).map(({ id }) => id));
  const answered = messages.flatMap(({ toolCallId }) => (toolCallId === undefined ? [] : [toolCallId]));
  for (const id of asked)
    demand(answered.includes(id), `tool calls must be followed by results: ${id} was not`);
  for (const id of answered) demand(asked.includes(id), `tool result ${id} was not asked for`);
  return messages;
}

export function partsText(content: unknown, field: string): string {
  if (typeof content === 'string') return content;
  return list(content, field)
    .map((part) => filePart(part) ?? text(part.text, field))
    .join('\n');
}

export function list(value: unknown, field: string): readonly Json[] {
  demand(Array.isArray(value) && value.length > 0, `${field}: at least one element is required`);
  return value as readonly Json[];
}

export function optionalList(value: unknown): readonly Json[] {
  return Array.isArray(value) ? (value as readonly Json[]) : [];
}

export function text(value: unknown, field: string): string {
  demand(typeof value === 'string' && value !== '', `${field}: a string is required`);
  return value as string;
}

export function demand(condition: boolean, problem: string): void {
  if (!condition) throw new Error(problem);
}

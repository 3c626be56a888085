import type {
  LanguageModelV4Content,
  LanguageModelV4FinishReason,
  LanguageModelV4Usage,
} from '@ai-sdk/provider';
import { z } from 'zod';
import type { JsonSchema, ModelRequest, ModelResult, ModelUsage, ToolCall } from '../core/model.ts';
import { storable } from '../core/storable.ts';
import type { AttemptFailure } from './classify-failure.ts';
import { readUsage } from './read-usage.ts';

/** What a model said, in one form for all providers. */
export type Answer = Pick<ModelResult, 'text' | 'finish' | 'toolCalls' | 'object' | 'usage'>;

export type ReadAnswer =
  | { readonly kind: 'answer'; readonly answer: Answer }
  | { readonly kind: 'failure'; readonly failure: AttemptFailure; readonly usage: ModelUsage };

type ToolCallPart = Extract<LanguageModelV4Content, { type: 'tool-call' }>;

/** Turns what came of a call into an answer, or says why it is none. */
export function readAnswer(
  came: {
    readonly text: string;
    readonly calls: readonly ToolCallPart[];
    readonly finishReason: LanguageModelV4FinishReason;
    readonly usage: LanguageModelV4Usage;
  },
  wanted: ModelRequest['output'],
): ReadAnswer {
  const text = storable(came.text);
  const toolCalls = came.calls.map(readToolCall);
  const finish = readFinish(came.finishReason.unified, toolCalls.length > 0);
  const isSilent = text.trim() === '' && toolCalls.length === 0;
  const usage = readUsage(came.usage, { isSilent, isRefused: finish === 'refused' });
  const fail = (errorType: string, transient: boolean): ReadAnswer => ({
    kind: 'failure',
    failure: { outcome: 'malformed', status: 200, errorType, transient, retryAfterMs: null },
    usage,
  });
  // An empty answer may be a hiccup; one that is empty because the limit was reached will be empty again.
  if (isSilent && finish === 'length') return fail('empty_at_output_limit', false);
  if (isSilent && finish !== 'refused') return fail('empty_answer', true);
  let object: unknown = null;
  if (wanted !== undefined && toolCalls.length === 0 && finish !== 'refused') {
    object = parseObject(text, wanted.schema);
    if (object === undefined) return fail('output_not_of_schema', finish !== 'length');
  }
  return { kind: 'answer', answer: { text, finish, toolCalls, object, usage } };
}

function readFinish(
  unified: LanguageModelV4FinishReason['unified'],
  hasCalls: boolean,
): ModelResult['finish'] {
  if (unified === 'content-filter') return 'refused';
  if (unified === 'length') return 'length';
  return hasCalls ? 'tool_calls' : 'stop'; // Gemini says STOP with its calls
}

function readToolCall({ toolCallId, toolName, input, providerMetadata }: ToolCallPart): ToolCall {
  const rawInput = storable(input);
  const signature = providerMetadata?.google?.thoughtSignature;
  return {
    id: toolCallId,
    name: toolName,
    input: readInput(rawInput),
    rawInput,
    ...(typeof signature === 'string' ? { signature } : {}),
  };
}

/** A tool without arguments is often called with an empty text. */
function readInput(rawInput: string): ToolCall['input'] {
  if (rawInput.trim() === '') return {};
  try {
    const value: unknown = JSON.parse(rawInput);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Readonly<Record<string, unknown>>) : null;
  } catch {
    return null;
  }
}

/** One of them per schema object: callers ask with the same one again and again. */
const checkers = new WeakMap<JsonSchema, z.ZodType>();

/** `undefined`: no JSON, or not of the schema. Not every server keeps to the schema it was given. */
function parseObject(text: string, schema: JsonSchema): unknown {
  try {
    const value: unknown = JSON.parse(text.replace(/^\s*```(?:json)?\s*\n([\s\S]*?)\n\s*```\s*$/, '$1'));
    let checker = checkers.get(schema);
    if (checker === undefined) {
      checker = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);
      checkers.set(schema, checker);
    }
    return checker.safeParse(value).success ? value : undefined;
  } catch {
    return undefined;
  }
}

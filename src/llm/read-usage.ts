import type { LanguageModelV4Usage } from '@ai-sdk/provider';
import type { ModelUsage } from '../core/model.ts';

/** What came with the figures, which tells whether a 0 can be meant. */
export interface Reported {
  /** Neither text nor a tool call came. */
  readonly isSilent: boolean;
  /** A filter stopped the answer, perhaps before the model saw the prompt: then nobody charges for it. */
  readonly isRefused: boolean;
}

/** Beyond every window there is; the figures of a whole step still fit into a database's integer when they are added up. */
const MAX_TOKENS = 100_000_000;

/** What the providers call their totals: OpenAI and Anthropic, chat completions, Gemini, Bedrock. */
const INPUT_NAMES = ['input_tokens', 'prompt_tokens', 'promptTokenCount', 'inputTokens'];
const OUTPUT_NAMES = ['output_tokens', 'completion_tokens', 'candidatesTokenCount', 'outputTokens'];

/**
 * A provider may report anything, and the SDK makes a 0 of what it does not report. What comes out of here are whole
 * numbers that can be true, or `null`: not reported. A prompt is never empty, and neither is an answer in which something
 * came, so their 0 is none, unless a filter stopped it.
 */
export function readUsage(
  { inputTokens, outputTokens, raw }: LanguageModelV4Usage,
  came: Reported,
): ModelUsage {
  const said: Readonly<Record<string, unknown>> = raw ?? {};
  const saysInput = INPUT_NAMES.some((name) => readCount(said[name]) !== null);
  // Gemini leaves out what is 0.
  const saysOutput =
    OUTPUT_NAMES.some((name) => readCount(said[name]) !== null) || 'promptTokenCount' in said;
  const input = readTotal(inputTokens.total, saysInput && came.isRefused);
  const output = readTotal(outputTokens.total, saysOutput && (came.isRefused || came.isSilent));
  const cached = readCount(inputTokens.cacheRead);
  const written = readCount(inputTokens.cacheWrite);
  return {
    inputTokens: input,
    outputTokens: withReasoning(input, output, said.total_tokens),
    // What does not fit into the prompt is not believed; without it the whole prompt is at the full price.
    cachedInputTokens: (cached ?? 0) + (written ?? 0) > (input ?? 0) ? null : cached,
    cacheWriteTokens: written === null || input === null ? null : Math.min(written, input),
    reasoningTokens: readCount(outputTokens.reasoning),
  };
}

/** Gateways before Gemini and xAI's API leave reasoning out of `completion_tokens`; their `total_tokens` has it. */
function withReasoning(input: number | null, output: number | null, total: unknown): number | null {
  const all = readCount(total);
  return input === null || output === null || all === null ? output : Math.max(output, all - input);
}

function readTotal(value: unknown, mayBeNothing: boolean): number | null {
  const count = readCount(value);
  return count === 0 && !mayBeNothing ? null : count;
}

function readCount(value: unknown): number | null {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_TOKENS
    ? value
    : null;
}

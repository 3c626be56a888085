import { isKonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { PromptFile } from '../core/model.ts';
import { storable } from '../core/storable.ts';
import type { Tool, ToolContext, ToolFile } from '../core/tool.ts';

/** What came of a tool call: the model reads `output`, the log names `outcome`. */
export interface ToolOutcome {
  readonly outcome: 'ok' | 'error' | 'timeout' | 'invalid_input' | 'unknown_tool' | 'limit' | 'unknown';
  readonly output: string;
  readonly isError: boolean;
  readonly files: readonly ToolFile[];
  readonly shows: readonly PromptFile[];
}

/** What a model reads of one call, in characters. */
const MAX_OUTPUT_CHARACTERS = 30_000;

/**
 * Makes one call, with a deadline. Whatever the tool does comes back as an outcome; only the end of the turn's own signal
 * (the worker stops, the lease is lost) is thrown, as the signal's reason. A tool that does not react to its signal is
 * not waited for.
 *
 * @param context its signal is the turn's
 */
export async function runTool(
  tool: Tool,
  input: Readonly<Record<string, unknown>>,
  context: ToolContext,
  deadlineMs: number,
): Promise<ToolOutcome> {
  context.signal.throwIfAborted();
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), Math.max(0, deadlineMs));
  const signal = AbortSignal.any([context.signal, deadline.signal]);
  const stopped = Promise.withResolvers<never>();
  const onAbort = () => stopped.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const work = (async () => {
      const given = await tool.run(input, { ...context, signal });
      return typeof given === 'string' ? { text: given } : given;
    })();
    const { text, files = [], shows = [] } = await Promise.race([work, stopped.promise]);
    return { outcome: 'ok', output: bounded(text), isError: false, files, shows };
  } catch (error) {
    context.signal.throwIfAborted();
    if (deadline.signal.aborted) {
      context.log.warn('tool.timeout', { tool: tool.name, deadlineMs });
      return failed('timeout', timedOut(deadlineMs));
    }
    return describeError(tool, error, context.log);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

export function failed(outcome: ToolOutcome['outcome'], output: string): ToolOutcome {
  return { outcome, output: bounded(output), isError: true, files: [], shows: [] };
}

function timedOut(deadlineMs: number): string {
  return `The tool had not ended after ${Math.ceil(deadlineMs / 1000)} s and was cancelled. Whether it had an effect is unknown.`;
}

/** Its message is for the model alone: the log gets the code, because the message may hold anything. */
function describeError(tool: Tool, error: unknown, log: Log): ToolOutcome {
  const name = error instanceof Error ? error.name : typeof error;
  log.warn('tool.failed', { tool: tool.name, code: isKonstructError(error) ? error.code : name });
  return failed('error', `The tool failed: ${error instanceof Error ? error.message : String(error)}`);
}

function bounded(text: string): string {
  if (text.length <= MAX_OUTPUT_CHARACTERS) return storable(text) || '(no output)';
  const shown = storable(text.slice(0, MAX_OUTPUT_CHARACTERS));
  return `${shown}\n\n[Cut here: these are the first ${MAX_OUTPUT_CHARACTERS} of ${text.length} characters.]`;
}

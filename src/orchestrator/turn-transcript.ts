import type { ModelMessage, ModelResult, PromptFile, ToolCall, ToolResult } from '../core/model.ts';
import { storable } from '../core/storable.ts';
import type { AnswerFile, ClaimedTurn, LoggedStep } from '../core/turn.ts';

/** What the model wanted done in one step, and how far that has come. */
export interface ToolRound {
  readonly text: string;
  readonly calls: readonly RoundCall[];
}

export interface RoundCall {
  readonly call: ToolCall;
  /** Its place in the log of the turn, the same in every attempt. */
  readonly position: number;
  /** `started`: somebody began it, and whether it had its effect is unknown. */
  state: 'open' | 'started' | 'done';
  result: ToolResult | null;
  /** What it made for the answer. */
  files: readonly AnswerFile[];
  /** What it gave the model to look at, in this attempt. */
  shows: readonly PromptFile[];
}

/** The work of a turn so far: all that was asked of models and tools, by this worker or by those before it. */
export interface TurnTranscript {
  /** The round that is under way; `null`: it is the model's turn. */
  openRound(): ToolRound | null;
  /** Where the next model call stands in the log. */
  nextPosition(): number;
  /** Model calls that were answered. */
  modelCalls(): number;
  toolCalls(): number;
  /** Those that came to their end, in order. */
  finishedCalls(): readonly RoundCall[];
  /** How long earlier attempts worked, in ms. */
  readonly earlierMs: number;
  /** The finished rounds, and what joined the turn, as the model reads them behind the conversation. */
  messages(): readonly ModelMessage[];
  /** Begins a round with what the model wants. */
  open(result: ModelResult): ToolRound;
  /** Adds what joins the turn between two steps. */
  join(messages: readonly ModelMessage[]): void;
}

/** Arguments longer than this, in characters, are not kept: the model is told, and the tool is not run. */
export const MAX_INPUT_CHARACTERS = 100_000;
/**
 * What the results of all tools may take of a prompt, in characters; about a third of a usual context. The newest stay
 * whole. The log keeps all of it.
 */
const MAX_RESULT_CHARACTERS = 240_000;
const KEPT_OF_OLD_RESULT = 1_000;
/** Enough of them to recognise them by. */
const KEPT_OF_LONG_INPUT = 500;
const NAME_ON_THE_WIRE = /^[A-Za-z0-9_-]{1,64}$/;

/** Picks a turn up where its log ends. A round's calls stand right behind the model call that wanted them. */
export function readTranscript(turn: Pick<ClaimedTurn, 'steps' | 'loggedSteps'>): TurnTranscript {
  const rounds: ToolRound[] = [];
  const entries: (ToolRound | ModelMessage)[] = [];
  const byPosition = new Map(turn.loggedSteps.map((step) => [step.position, step]));
  let nextPosition = turn.steps;
  for (const step of turn.loggedSteps) {
    if (step.kind !== 'model' || step.outcome !== 'tool_calls') continue;
    const calls = step.detail.toolCalls as readonly ToolCall[];
    keep({
      text: String(step.detail.text ?? ''),
      calls: calls.map((call, index) => {
        const position = step.position + 1 + index;
        return { call, position, shows: [], ...stateOf(call, byPosition.get(position)) };
      }),
    });
  }

  function keep(round: ToolRound): void {
    rounds.push(round);
    entries.push(round);
    nextPosition = Math.max(nextPosition, ...round.calls.map(({ position }) => position + 1));
  }

  return {
    openRound() {
      const last = rounds.at(-1);
      return last?.calls.some(({ state }) => state !== 'done') ? last : null;
    },
    nextPosition: () => nextPosition,
    modelCalls: () => rounds.length,
    toolCalls: () => rounds.reduce((sum, { calls }) => sum + calls.length, 0),
    finishedCalls: () => rounds.flatMap(({ calls }) => calls.filter(({ state }) => state === 'done')),
    earlierMs: earlierMs(turn.loggedSteps),
    messages: () => shortened(entries.flatMap((entry) => ('role' in entry ? [entry] : toMessages(entry)))),
    open(result) {
      const position = nextPosition;
      const round: ToolRound = {
        text: storable(result.text),
        calls: result.toolCalls.map((call, index) => ({
          call: keepable(call),
          position: position + 1 + index,
          state: 'open',
          result: null,
          files: [],
          shows: [],
        })),
      };
      keep(round);
      return round;
    },
    join(messages) {
      entries.push(...messages);
    },
  };
}

function stateOf(
  call: ToolCall,
  step: LoggedStep | undefined,
): Pick<RoundCall, 'state' | 'result' | 'files'> {
  if (step === undefined || step.kind !== 'tool') return { state: 'open', result: null, files: [] };
  if (step.outcome === 'started') return { state: 'started', result: null, files: [] };
  const { output, isError, files = [] } = step.detail;
  return {
    state: 'done',
    files: files as readonly AnswerFile[],
    result: { callId: call.id, name: call.name, output: String(output), isError: isError === true },
  };
}

/** A call as every provider takes it back, and as the log has room for it. */
function keepable(call: ToolCall): ToolCall {
  const isLong = call.rawInput.length > MAX_INPUT_CHARACTERS;
  return {
    id: storable(call.id),
    name: NAME_ON_THE_WIRE.test(call.name)
      ? call.name
      : call.name.replaceAll(/[^A-Za-z0-9_-]/g, '_').slice(0, 64) || 'unnamed',
    // Through JSON text, so that it is today what it would be after a crash.
    input: isLong || call.input === null ? null : JSON.parse(storableJson(call.input)),
    rawInput: storable(isLong ? `${call.rawInput.slice(0, KEPT_OF_LONG_INPUT)}…` : call.rawInput),
    // Without it Gemini begins its thoughts anew in every step.
    ...(call.signature === undefined ? {} : { signature: storable(call.signature) }),
  };
}

function storableJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'string' ? storable(inner) : inner,
  );
}

function toMessages({ text, calls }: ToolRound): readonly ModelMessage[] {
  const results = calls.flatMap(({ result }) => (result === null ? [] : [result]));
  const files = calls.flatMap(({ shows }) => shows);
  return [
    { role: 'assistant', content: text, toolCalls: calls.map(({ call }) => call) },
    { role: 'tool', results },
    ...(files.length === 0 ? [] : [{ role: 'user' as const, content: '[What you wanted to see:]', files }]),
  ];
}

function shortened(messages: readonly ModelMessage[]): readonly ModelMessage[] {
  let left = MAX_RESULT_CHARACTERS;
  return messages
    .toReversed()
    .map((message) => {
      if (message.role !== 'tool') return message;
      const results = message.results.map((result) => {
        left -= result.output.length;
        if (left >= 0 || result.output.length <= KEPT_OF_OLD_RESULT) return result;
        const kept = result.output.slice(0, KEPT_OF_OLD_RESULT).toWellFormed();
        return {
          ...result,
          output: `${kept}\n\n[Shortened, as there is much else to read. Call again if you need it.]`,
        };
      });
      return { ...message, results };
    })
    .toReversed();
}

/** Tools of one round count as long as the longest of them: they may have run side by side. */
function earlierMs(steps: readonly LoggedStep[]): number {
  let total = 0;
  let longestTool = 0;
  for (const { kind, durationMs } of steps) {
    if (kind === 'tool') {
      longestTool = Math.max(longestTool, durationMs);
      continue;
    }
    total += longestTool + durationMs;
    longestTool = 0;
  }
  return total + longestTool;
}

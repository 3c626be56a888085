import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import { mapConcurrently } from '../core/map-concurrently.ts';
import type { Tool, ToolContext } from '../core/tool.ts';
import type { AnswerFile, ClaimedTurn, Step } from '../core/turn.ts';
import { checkToolInput } from './check-tool-input.ts';
import { placeFiles } from './place-files.ts';
import { failed, runTool, type ToolOutcome } from './run-tool.ts';
import type { StepLog } from './step-log.ts';
import { MAX_INPUT_CHARACTERS, type RoundCall, type ToolRound } from './turn-transcript.ts';

export interface ToolRoundOptions {
  readonly turn: ClaimedTurn;
  readonly round: ToolRound;
  readonly tools: ReadonlyMap<string, Tool>;
  /** Why a call may not be made any more; `null`: it may. */
  readonly refusal: (position: number) => string | null;
  /** How long a call may take that begins now, in ms. */
  readonly deadlineMs: () => number;
  /** What finished calls of the turn have made for its answer. */
  readonly filesSoFar: () => readonly AnswerFile[];
  /** The largest file that can be sent here; `null`: none can. */
  readonly outgoingBytes: number | null;
  /** Tells people what runs; the function that is returned says that it has ended. */
  readonly show: (title: string) => () => void;
  readonly stepLog: StepLog;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly log: Log;
}

const MAX_AT_A_TIME = 8;

/**
 * Makes the calls of a round that are still open: side by side if each of them may be made twice, otherwise one after the
 * other, as the model wrote them. Each end is logged as soon as it is known.
 *
 * @throws the reason of the signal; calls that had not ended stay open
 */
export async function runToolRound(options: ToolRoundOptions): Promise<void> {
  const open = options.round.calls.filter(({ state }) => state !== 'done');
  const mayRunTogether = open.every(({ call }) => options.tools.get(call.name)?.isRepeatable ?? true);
  await mapConcurrently(open, mayRunTogether ? MAX_AT_A_TIME : 1, (call) => runCall(options, call));
}

async function runCall(options: ToolRoundOptions, roundCall: RoundCall): Promise<void> {
  const { turn, stepLog, clock } = options;
  options.signal.throwIfAborted();
  const startedAtMs = clock();
  const step = (outcome: string, detail: Step['detail'], endedAtMs: number): Step => ({
    position: roundCall.position,
    kind: 'tool',
    outcome,
    provider: null,
    model: null,
    inputTokens: null,
    outputTokens: null,
    cachedInputTokens: null,
    cacheWriteTokens: null,
    reasoningTokens: null,
    nanoUsd: null,
    detail: { callId: roundCall.call.id, name: roundCall.call.name, ...detail },
    startedAtMs,
    durationMs: Math.round(endedAtMs - startedAtMs),
  });
  const { outcome, output, isError, ...made } = await perform(options, roundCall, async () => {
    stepLog.add(step('started', {}, startedAtMs));
    // Refused when the lease was lost: whoever has the turn now decides about this call.
    await stepLog.flush();
    roundCall.state = 'started';
    options.signal.throwIfAborted();
  });
  const { id: callId, name } = roundCall.call;
  const { files, notes } = placeFiles(made.files, options.filesSoFar(), options.outgoingBytes);
  const said = [output, ...notes].join('\n');
  roundCall.result = { callId, name, output: said, isError };
  roundCall.files = files;
  roundCall.shows = made.shows;
  roundCall.state = 'done';
  const endedAtMs = clock();
  const kept = files.length === 0 ? {} : { files };
  stepLog.add(step(outcome, { output: said, isError, ...kept }, endedAtMs));
  const ms = Math.round(endedAtMs - startedAtMs);
  options.log.info('tool.called', { tenantId: turn.tenantId, turnId: turn.turnId, tool: name, outcome, ms });
}

/** @param logStart makes the start of a call durable that must not be made twice */
async function perform(
  options: ToolRoundOptions,
  { call, position, state }: RoundCall,
  logStart: () => Promise<void>,
): Promise<ToolOutcome> {
  const { turn, tools, log } = options;
  const tool = tools.get(call.name);
  if (state === 'started' && tool?.isRepeatable !== true) return failed('unknown', OUTCOME_UNKNOWN);
  const refusal = options.refusal(position);
  if (refusal !== null) return failed('limit', refusal);
  if (tool === undefined) {
    return failed(
      'unknown_tool',
      `There is no tool "${call.name}". You have: ${[...tools.keys()].join(', ')}.`,
    );
  }
  const mistake = call.input === null ? describeRawInput(call.rawInput) : checkToolInput(tool, call.input);
  if (call.input === null || mistake !== null) {
    return failed(
      'invalid_input',
      `The arguments do not fit, so nothing was done. ${mistake} Correct them and call again.`,
    );
  }
  if (!tool.isRepeatable) await logStart();
  const context: ToolContext = {
    tenantId: turn.tenantId,
    agentId: turn.agent.id,
    connectionId: turn.connection.id,
    conversationId: turn.conversationId,
    turnId: turn.turnId,
    idempotencyKey: `${turn.tenantId}:${turn.turnId}:${position}`,
    signal: options.signal,
    log,
  };
  const shown = options.show(tool.title);
  try {
    return await runTool(tool, call.input, context, options.deadlineMs());
  } finally {
    shown();
  }
}

const OUTCOME_UNKNOWN =
  'This call was begun and then interrupted. Whether it had its effect is unknown, and it was not repeated. Find out before you call it again, or say that you do not know.';

function describeRawInput(rawInput: string): string {
  return rawInput.length > 0 && rawInput.endsWith('…')
    ? `They must be a JSON object of at most ${MAX_INPUT_CHARACTERS} characters.`
    : 'They must be a JSON object.';
}

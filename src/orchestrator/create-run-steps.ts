import type { Attachment } from '../core/channel-event.ts';
import type { Clock } from '../core/clock.ts';
import type { DeliveryAbilities } from '../core/delivery.ts';
import { isKonstructError, KonstructError } from '../core/errors.ts';
import type { JourneyRecorder } from '../core/journey.ts';
import type { Log } from '../core/log.ts';
import type { ModelMessage, ModelPool, ModelRequest, ModelResult, Spender } from '../core/model.ts';
import type { ChooseModel, ModelChoice } from '../core/model-choice.ts';
import type { Tool } from '../core/tool.ts';
import type { ClaimedTurn, Step } from '../core/turn.ts';
import type { TurnControl } from '../core/turn-control.ts';
import { createAnswerPace } from './answer-pace.ts';
import { extrasOf, noExtras } from './compose-answer.ts';
import type { PreparePrompt } from './create-prepare-prompt.ts';
import { markTurn } from './mark-turn.ts';
import { runToolRound } from './run-tool-round.ts';
import type { StepLog } from './step-log.ts';
import { createTurnLimits, type TurnLimitCheck } from './turn-limits.ts';
import { attemptsOf, failedStep, interruptedStep, type ModelOutcome, modelStep } from './turn-outcome.ts';
import { readTranscript, type TurnTranscript } from './turn-transcript.ts';

export interface RunStepsOptions {
  readonly models: ModelPool;
  readonly preparePrompt: PreparePrompt;
  /** What an agent may use, by name. */
  readonly toolsOf: (turn: ClaimedTurn, threadFiles: readonly Attachment[]) => ReadonlyMap<string, Tool>;
  /** What can be sent where the turn takes place. */
  readonly abilitiesOf: (turn: ClaimedTurn) => Pick<DeliveryAbilities, 'outgoingBytes'>;
  /**
   * Whether this process may still act for the turn, by its own clock: a process that was stopped and goes on asks neither
   * a tool nor a model for what another does meanwhile.
   */
  readonly isHeld: (turn: ClaimedTurn) => boolean;
  /** Absent: every turn asks the route of its agent. */
  readonly chooseModel?: ChooseModel | undefined;
  readonly maxOutputTokens: number;
  /** How long one tool call may take, in ms. */
  readonly toolDeadlineMs: number;
  /** How much longer than its turn a model call may take, in ms: for the one that answers with what is known. */
  readonly answerGraceMs: number;
  readonly clock: Clock;
  readonly journeys: JourneyRecorder;
  readonly log: Log;
}

/** What the work on one turn needs of those around it. */
export interface TurnSurroundings {
  readonly stepLog: StepLog;
  readonly control: TurnControl;
  /** Tells people which tool runs; the function that is returned says that it has ended. */
  readonly show: (title: string) => () => void;
  /** Lets people read along: all of the text of the model call that runs; `null`: nobody can. */
  readonly write: ((text: string) => void) | null;
  readonly signal: AbortSignal;
}

/**
 * Works on a turn until there is an answer: the model, the tools that it wants, the model again. Each finished step goes
 * to the log at once; the model call that answers is left to the commit. A turn that has a log goes on at its end.
 *
 * Never throws: how it ended is the outcome, with the steps that are not logged yet.
 */
export function createRunSteps(
  options: RunStepsOptions,
): (turn: ClaimedTurn, surroundings: TurnSurroundings) => Promise<ModelOutcome> {
  const { models, clock, journeys } = options;
  const pace = createAnswerPace();

  return async (turn, surroundings) => {
    const startedAtMs = clock();
    const transcript = readTranscript(turn);
    const limits = createTurnLimits(turn.agent, transcript, clock);
    const steps: Step[] = [];
    let outcome: ModelOutcome;
    try {
      outcome = await work(turn, transcript, limits, surroundings, steps);
      markTurn(journeys, turn, 'model', clock(), clock() - startedAtMs, modelOf(outcome));
    } catch (error) {
      const isLate = limits.leftMs() === 0;
      outcome = { ok: false, error, isLate, steps: surroundings.signal.aborted ? calledOff(steps) : steps };
    }
    try {
      await surroundings.stepLog.flush(); // what follows writes behind it
    } catch (error) {
      return { ok: false, error, isLate: false, steps: [] };
    }
    return outcome;
  };

  /** @param write told all of the text so far; `null`: the whole answer at once, which costs half */
  async function ask(write: ((text: string) => void) | null, request: ModelRequest): Promise<ModelResult> {
    if (write === null) return models.generate(request);
    let text = '';
    for await (const event of models.stream(request)) {
      if (event.type === 'end') return event.result;
      // Another model begins anew: what it says takes the place of what was shown.
      text = event.type === 'restart' ? '' : text + event.text;
      if (text.trim() !== '') write(text);
    }
    throw new KonstructError('internal', 'A stream of a model ended without its end.');
  }

  function checkLease(turn: ClaimedTurn): void {
    if (!options.isHeld(turn)) throw new KonstructError('lease_lost');
  }

  /** @param unlogged where the step is put that is written with the end of the attempt, or whose calls go into the next one */
  async function work(
    turn: ClaimedTurn,
    transcript: TurnTranscript,
    limits: TurnLimitCheck,
    surroundings: TurnSurroundings,
    unlogged: Step[],
  ): Promise<ModelOutcome> {
    const { stepLog, control, signal } = surroundings;
    const { route = turn.agent.route, preferred } = choiceFor(turn, options);
    // Files may take a while to come: who says stop need not wait for them.
    const preparing = AbortSignal.any([signal, control.callSignal()]);
    const prompt = await noted(() => options.preparePrompt(turn, preparing));
    const tools = options.toolsOf(turn, prompt.threadFiles);
    for (;;) {
      const callSignal = control.callSignal();
      const turnSignal = AbortSignal.any([signal, callSignal]);
      try {
        const round = transcript.openRound();
        checkLease(turn);
        if (round !== null) {
          const before = transcript.toolCalls() - round.calls.length;
          const first = round.calls[0]?.position ?? 0;
          await runToolRound({
            turn,
            round,
            tools,
            refusal: (position) => limits.refusesCall(before + position - first),
            deadlineMs: () => Math.min(options.toolDeadlineMs, limits.leftMs()),
            filesSoFar: () => transcript.finishedCalls().flatMap(({ files }) => files),
            outgoingBytes: options.abilitiesOf(turn).outgoingBytes,
            show: surroundings.show,
            stepLog,
            signal: turnSignal,
            clock,
            log: options.log,
          });
        }
        if (transcript.modelCalls() > 0) transcript.join(await control.arrivals());
        checkLease(turn);
        const limit = limits.reached();
        const startedAtMs = clock();
        const watched = surroundings.write !== null && pace.isSlow(route);
        const result = await noted(() =>
          ask(watched ? surroundings.write : null, {
            tenantId: turn.tenantId,
            route,
            ...(preferred === undefined ? {} : { preferred }),
            spender: spenderOf(turn),
            cacheKey: `${turn.tenantId}:${turn.conversationId}`,
            system: prompt.system,
            context: prompt.context,
            messages: [...prompt.messages, ...withNote(transcript.messages(), limit)],
            // Named in the last call too: some providers refuse results of tools that they are not told of.
            ...(tools.size > 0 ? { tools: [...tools.values()].map(toSpec) } : {}),
            ...(tools.size > 0 && limit !== null ? { toolChoice: 'none' as const } : {}),
            maxOutputTokens: options.maxOutputTokens,
            withinMs: limits.leftMs() + options.answerGraceMs,
            mayStillAsk: () => options.isHeld(turn),
            signal: turnSignal,
          }),
        );
        pace.note(route, clock() - startedAtMs);
        const position = transcript.nextPosition();
        const attempts = [...unlogged.flatMap(attemptsOf), ...result.attempts];
        unlogged.length = 0;
        if (result.toolCalls.length === 0 || limit !== null) {
          // What it wants after all is not done: whatever it said is the answer.
          const finish = result.finish === 'tool_calls' ? 'stop' : result.finish;
          return {
            ok: true,
            result,
            limit,
            extras: finish === 'refused' ? noExtras : extrasOf(transcript.finishedCalls()),
            steps: [modelStep(position, startedAtMs, clock(), { ...result, attempts, finish })],
          };
        }
        const { text, calls } = transcript.open(result);
        const detail = { text, toolCalls: calls.map(({ call }) => call) };
        const asked = { ...result, attempts, finish: 'tool_calls' } as const;
        stepLog.add(modelStep(position, startedAtMs, clock(), asked, detail));
      } catch (error) {
        signal.throwIfAborted();
        if (!callSignal.aborted) throw error;
        if (!isKonstructError(callSignal.reason, 'aborted')) throw callSignal.reason;
        unlogged.push(...calledOff(unlogged.splice(0)));
      }
    }

    async function noted<T>(call: () => Promise<T>): Promise<T> {
      const startedAtMs = clock();
      try {
        return await call();
      } catch (error) {
        const earlier = unlogged.splice(0).flatMap(attemptsOf);
        unlogged.push(failedStep(transcript.nextPosition(), startedAtMs, clock(), error, earlier));
        throw error;
      }
    }
  }
}

/** A call that was called off is no failure, but what it cost is kept. */
function calledOff(steps: readonly Step[]): readonly Step[] {
  return steps.filter((step) => attemptsOf(step).length > 0).map(interruptedStep);
}

function choiceFor(
  { tenantId, turnId, agent, connection, scope, attempts, messages }: ClaimedTurn,
  { chooseModel, log }: Pick<RunStepsOptions, 'chooseModel' | 'log'>,
): ModelChoice {
  if (chooseModel === undefined) return {};
  const asked = messages.filter(({ ofTurn, direction }) => ofTurn && direction === 'in');
  const characters = asked.reduce((sum, { content }) => sum + content.length, 0);
  const { id, slug, route } = agent;
  try {
    const { channel } = connection;
    return (
      chooseModel({ tenantId, turnId, agent: { id, slug, route }, channel, scope, attempts, characters }) ??
      {}
    );
  } catch (error) {
    log.error('turn.model_choice_failed', { tenantId, turnId, error });
    return {};
  }
}

/** The agent, and the person whose message is the last of those that the turn answers. */
function spenderOf({ agent, connection, messages, turnId }: ClaimedTurn): Spender {
  const asked = messages.findLast(({ ofTurn, direction }) => ofTurn && direction === 'in');
  return {
    agentId: agent.id,
    personId: asked === undefined ? null : `${connection.id}:${asked.senderId}`,
    turnId,
  };
}

function toSpec({ name, description, inputSchema }: Tool) {
  return { name, description, inputSchema };
}

/** The last call is told why it has no tools: otherwise it may announce what it cannot do any more. */
function withNote(messages: readonly ModelMessage[], limit: string | null): readonly ModelMessage[] {
  const last = messages.at(-1);
  if (limit === null || last?.role !== 'tool') return messages;
  const note = `[You have taken the ${limit} that you may take for one answer. Answer now with what you have, and say what is missing.]`;
  const results = last.results.map((result, index) =>
    index === last.results.length - 1 ? { ...result, output: `${result.output}\n\n${note}` } : result,
  );
  return [...messages.slice(0, -1), { role: 'tool', results }];
}

function modelOf(outcome: ModelOutcome): string | undefined {
  return outcome.ok ? `${outcome.result.provider} ${outcome.result.model}` : undefined;
}

import { describe, expect, it } from 'vitest';
import { aTurn } from '../../test/support/a-turn.ts';
import { recordingTool } from '../../test/support/recording-tool.ts';
import { silentLog } from '../../test/support/silent-log.ts';
import { KonstructError } from '../core/errors.ts';
import type { ModelPool, ModelRequest, ModelResult, ToolCall } from '../core/model.ts';
import type { Agent, TurnLimits } from '../core/tenant.ts';
import type { Tool } from '../core/tool.ts';
import type { ClaimedTurn, LoggedStep, Step } from '../core/turn.ts';
import { noTurnControl, type TurnControl } from '../core/turn-control.ts';
import { createRunSteps } from './create-run-steps.ts';
import { createStepLog } from './step-log.ts';
import { replyText } from './turn-outcome.ts';

type Reply = string | readonly string[];

/** A model that goes through its replies: a text, or the names of tools that it wants. */
function modelOf(replies: readonly (Reply | ((request: ModelRequest) => Promise<Reply>))[]) {
  const requests: ModelRequest[] = [];
  const pool: Pick<ModelPool, 'generate'> = {
    async generate(request) {
      requests.push(request);
      const next = replies[requests.length - 1] ?? 'no more replies';
      return resultOf(typeof next === 'function' ? await next(request) : next);
    },
  };
  return { pool: pool as ModelPool, requests };
}

function resultOf(reply: Reply): ModelResult {
  const names = typeof reply === 'string' ? [] : reply;
  const toolCalls = names.map(
    (name, index): ToolCall => ({ id: `call-${index}`, name, input: {}, rawInput: '{}' }),
  );
  return {
    text: typeof reply === 'string' ? reply : '',
    finish: names.length > 0 ? 'tool_calls' : 'stop',
    toolCalls,
    object: null,
    usage: {
      inputTokens: 1,
      outputTokens: 1,
      cachedInputTokens: null,
      cacheWriteTokens: null,
      reasoningTokens: null,
    },
    provider: 'demo',
    model: 'm',
    attempts: [],
  };
}

async function run(input: {
  readonly replies: Parameters<typeof modelOf>[0];
  readonly tools?: readonly Tool[];
  readonly limits?: TurnLimits;
  readonly turn?: Partial<ClaimedTurn>;
  readonly control?: TurnControl;
  readonly clock?: () => number;
  /** Comes before the log has the steps; `false`: it refuses them. */
  readonly onWrite?: () => Promise<boolean>;
  readonly logged?: Step[];
  readonly isHeld?: () => boolean;
  readonly signal?: AbortSignal;
}) {
  const { pool, requests } = modelOf(input.replies);
  const { logged = [], onWrite = async () => true } = input;
  const agent: Agent = { ...aTurn.agent, ...(input.limits ? { limits: input.limits } : {}) };
  const runSteps = createRunSteps({
    models: pool,
    preparePrompt: async () => ({
      system: '',
      context: '',
      messages: [{ role: 'user', content: 'hello' }],
      threadFiles: [],
    }),
    abilitiesOf: () => ({ outgoingBytes: null }),
    toolsOf: () => new Map((input.tools ?? []).map((tool) => [tool.name, tool])),
    isHeld: input.isHeld ?? (() => true),
    maxOutputTokens: 100,
    toolDeadlineMs: 1_000,
    answerGraceMs: 30_000,
    clock: input.clock ?? (() => 0),
    journeys: { mark() {} },
    log: silentLog,
  });
  const outcome = await runSteps(
    { ...aTurn, agent, ...input.turn },
    {
      stepLog: createStepLog({
        write: async (steps) => {
          if (!(await onWrite())) return false;
          logged.push(...steps);
          return true;
        },
        onFailure: () => {},
      }),
      control: input.control ?? noTurnControl,
      write: null,
      show: () => () => {},
      signal: input.signal ?? new AbortController().signal,
    },
  );
  return { outcome, requests, logged };
}

const textOf = ({ outcome }: Awaited<ReturnType<typeof run>>) =>
  outcome.ok ? replyText(outcome.result, outcome.limit) : outcome.error;
const lastResults = (request: ModelRequest | undefined) => {
  const last = request?.messages.at(-1);
  return last?.role === 'tool' ? last.results.map(({ output }) => output) : last?.role;
};

describe('limits', () => {
  const tool = () => recordingTool('look', () => 'seen');

  it('give the last model call no tools, and tell it why', async () => {
    const look = tool();
    const replies = [['look'], ['look'], 'What I have.'];
    const ran = await run({ replies, tools: [look], limits: { maxSteps: 3 } });
    expect(textOf(ran)).toBe('What I have.');
    expect(ran.requests.map(({ toolChoice }) => toolChoice)).toEqual([undefined, undefined, 'none']);
    expect(ran.requests.at(-1)?.tools).toHaveLength(1); // still named: results of unknown tools are refused by some
    expect(lastResults(ran.requests.at(-1))).toEqual([
      expect.stringMatching(/^seen\n\n\[You have taken the 3 steps/),
    ]);
    expect(look.runs).toHaveLength(2);
  });

  it('of tool calls make the allowed ones and refuse the others', async () => {
    const look = tool();
    const ran = await run({
      replies: [['look', 'look', 'look'], 'Two.'],
      tools: [look],
      limits: { maxToolCalls: 2 },
    });
    expect(look.runs).toHaveLength(2);
    expect(ran.requests.at(-1)?.toolChoice).toBe('none');
    expect(lastResults(ran.requests.at(-1))).toEqual([
      'seen',
      'seen',
      expect.stringContaining('Not done: you may take at most 2 tool calls'),
    ]);
    expect(ran.logged.find(({ position }) => position === 3)?.outcome).toBe('limit');
  });

  it('of time refuse what is wanted too late, cut a tool short, and count what earlier attempts took', async () => {
    let nowMs = 0;
    const look = tool();
    const slow = async () => {
      nowMs = 10_000;
      return ['look'];
    };
    const ran = await run({
      replies: [slow, 'Late.'],
      tools: [look],
      limits: { maxTurnSeconds: 10 },
      clock: () => nowMs,
    });
    expect(look.runs).toHaveLength(0);
    expect(textOf(ran)).toBe('Late.');
    expect(lastResults(ran.requests.at(-1))).toEqual([expect.stringContaining('at most 10 seconds')]);

    const hanging = recordingTool('look', () => new Promise(() => {}));
    const cut = await run({
      replies: [['look'], 'Cut.'],
      tools: [hanging],
      limits: { maxTurnSeconds: 0.02 },
    });
    expect(textOf(cut)).toBe('Cut.');
    expect(cut.logged.map(({ outcome }) => outcome)).toEqual(['tool_calls', 'timeout']);

    const earlier = [logStep(0, 'tool_calls', [], 4_000), toolStep(1, 3_000), toolStep(2, 6_000)];
    const resumed = await run({
      replies: ['Resumed.'],
      tools: [look],
      limits: { maxTurnSeconds: 10 },
      turn: { steps: 3, loggedSteps: earlier },
    });
    expect(resumed.requests[0]?.toolChoice).toBe('none');
  });

  it('of time bound every model call, with a little longer for the answer, and say when they are over', async () => {
    let nowMs = 0;
    const failing = async () => {
      nowMs = 11_000;
      throw new KonstructError('model_unavailable');
    };
    const step = async () => {
      nowMs = 4_000;
      return ['look'];
    };
    const limits = { maxTurnSeconds: 10 };
    const late = await run({ replies: [step, failing], tools: [tool()], limits, clock: () => nowMs });
    expect(late.requests.map(({ withinMs }) => withinMs)).toEqual([40_000, 36_000]);
    expect(late.outcome).toMatchObject({ ok: false, isLate: true });
    const logged = [logStep(0, 'model_unavailable', [], 12_000)];
    const last = await run({ replies: ['In the end.'], limits, turn: { steps: 1, loggedSteps: logged } });
    expect(last.requests[0]?.withinMs).toBe(30_000);
  });

  it('end in an honest sentence when the model still says nothing', async () => {
    const ran = await run({ replies: [['look'], ['look']], tools: [tool()], limits: { maxSteps: 2 } });
    expect(textOf(ran)).toMatch(/^I have taken the 2 steps that I may take for one answer/);
  });

  it('allow 20 steps and 40 tool calls when the agent says nothing', async () => {
    const look = tool();
    const ran = await run({ replies: Array.from({ length: 30 }, () => ['look']), tools: [look] });
    expect(ran.requests).toHaveLength(20);
    const many = tool();
    await run({ replies: [Array.from({ length: 50 }, () => 'look'), 'Done.'], tools: [many] });
    expect(many.runs).toHaveLength(40);
  });
});

describe('a turn that has a log', () => {
  it('goes on behind it: finished calls are read and not made', async () => {
    const look = recordingTool('look', () => 'seen now');
    const calls: ToolCall[] = [
      { id: 'c1', name: 'look', input: {}, rawInput: '{}' },
      { id: 'c2', name: 'look', input: {}, rawInput: '{}' },
    ];
    const loggedSteps = [logStep(0, 'model_unavailable'), logStep(1, 'tool_calls', calls), toolStep(3)];
    const ran = await run({ replies: ['Both.'], tools: [look], turn: { steps: 4, loggedSteps } });
    expect(look.runs).toHaveLength(1);
    expect(look.runs[0]?.context.idempotencyKey).toBe('t:1:2');
    expect(lastResults(ran.requests[0])).toEqual(['seen now', 'seen before']);
    expect(ran.logged.map(({ position, kind }) => `${position} ${kind}`)).toEqual(['2 tool']);
    expect(ran.outcome.steps.map(({ position }) => position)).toEqual([4]);
  });

  it('tells the model when nobody knows whether a call had its effect', async () => {
    const book = recordingTool('book', () => 'booked', { isRepeatable: false });
    const calls: ToolCall[] = [{ id: 'c1', name: 'book', input: {}, rawInput: '{}' }];
    const loggedSteps = [logStep(0, 'tool_calls', calls), { ...toolStep(1), outcome: 'started', detail: {} }];
    const ran = await run({ replies: ['Unsure.'], tools: [book], turn: { steps: 2, loggedSteps } });
    expect(book.runs).toHaveLength(0);
    expect(lastResults(ran.requests[0])).toEqual([
      expect.stringContaining('Whether it had its effect is unknown'),
    ]);
    expect(ran.logged.map(({ position, outcome }) => `${position} ${outcome}`)).toEqual(['1 unknown']);
  });

  it('does not begin a call that must not be made twice before its start is in the log', async () => {
    const logged: Step[] = [];
    const outcomes = () => logged.map(({ position, outcome }) => `${position} ${outcome}`);
    const book = recordingTool('book', () => outcomes().join(), { isRepeatable: false });
    const onWrite = async () => {
      await new Promise(setImmediate); // a database takes a while
      return true;
    };
    const ran = await run({ replies: [['book'], 'Done.'], tools: [book], logged, onWrite });
    expect(lastResults(ran.requests.at(-1))).toEqual(['0 tool_calls,1 started']);
    expect(outcomes()).toEqual(['0 tool_calls', '1 started', '1 ok']);
  });

  it('ends without an answer when its log is refused: somebody else has it', async () => {
    const look = recordingTool('look', () => 'seen');
    const ran = await run({ replies: [['look'], 'Too late.'], tools: [look], onWrite: async () => false });
    expect(ran.outcome).toMatchObject({ ok: false, error: { code: 'lease_lost' }, steps: [] });
  });
});

describe('a worker that was stopped beyond its lease', () => {
  it('asks no model any more, although nobody has told it yet', async () => {
    let held = true;
    const look = recordingTool('look', () => {
      held = false;
      return 'seen';
    });
    const ran = await run({ replies: [['look'], 'Too late.'], tools: [look], isHeld: () => held });
    expect(ran.outcome).toMatchObject({ ok: false, error: { code: 'lease_lost' }, steps: [] });
    expect(ran.requests).toHaveLength(1);
    expect(ran.requests[0]?.mayStillAsk?.()).toBe(false); // for the pool's own repetitions
  });
});

describe('the control of a turn', () => {
  it('adds what arrives between two steps', async () => {
    const look = recordingTool('look', () => 'seen');
    const ran = await run({
      replies: [['look'], 'Both answered.'],
      tools: [look],
      control: { ...noTurnControl, arrivals: async () => [{ role: 'user', content: 'and this?' }] },
    });
    expect(ran.requests.map(({ messages }) => messages.map(({ role }) => role))).toEqual([
      ['user'],
      ['user', 'assistant', 'tool', 'user'],
    ]);
  });

  it('ends a call, and the turn goes on from its last finished step', async () => {
    const look = recordingTool('look', () => 'seen');
    const controllers: AbortController[] = [];
    const interrupted = async ({ signal }: ModelRequest) => {
      controllers.at(-1)?.abort(new KonstructError('aborted', 'News.'));
      throw new KonstructError('aborted', String(signal.aborted));
    };
    const ran = await run({
      replies: [['look'], interrupted, 'Anew.'],
      tools: [look],
      control: {
        arrivals: async () => [],
        callSignal() {
          const controller = new AbortController();
          controllers.push(controller);
          return controller.signal;
        },
      },
    });
    expect(textOf(ran)).toBe('Anew.');
    expect(look.runs).toHaveLength(1);
    expect(ran.outcome.steps.map(({ outcome }) => outcome)).toEqual(['stop']);
  });

  it('lets no call go uncounted that was ended: what it cost is in the next step, or in one of its own', async () => {
    const attempt = { provider: 'demo', model: 'm', outcome: 'aborted', cost: { nanoUsd: 7 } };
    const controllers: AbortController[] = [];
    const stopped = new AbortController();
    const ended = async () => {
      controllers.at(-1)?.abort(new KonstructError('aborted', 'News.'));
      throw new KonstructError('aborted', '', { details: { attempts: [attempt] } });
    };
    const control = {
      arrivals: async () => [],
      callSignal() {
        const controller = new AbortController();
        controllers.push(controller);
        return controller.signal;
      },
    };
    const spentIn = ({ outcome }: Awaited<ReturnType<typeof run>>) =>
      outcome.steps.map((step) => [step.outcome, step.nanoUsd]);
    expect(spentIn(await run({ replies: [ended, ended, 'Anew.'], control }))).toEqual([['stop', 14]]);
    const failing = async () => {
      throw new KonstructError('model_unavailable', '', { details: { attempts: [attempt] } });
    };
    expect(spentIn(await run({ replies: [ended, failing], control }))).toEqual([['model_unavailable', 14]]);
    const replaced = async () => {
      stopped.abort();
      throw new KonstructError('aborted', '', { details: { attempts: [attempt] } });
    };
    const { signal } = stopped;
    expect(spentIn(await run({ replies: [ended, replaced], control, signal }))).toEqual([
      ['interrupted', 14],
    ]);
  });

  it('ends the work with any other reason', async () => {
    const controller = new AbortController();
    const reason = new KonstructError('not_found', 'Nobody wants it any more.');
    const ran = await run({
      replies: [
        async () => {
          controller.abort(reason);
          throw new KonstructError('aborted');
        },
      ],
      control: { arrivals: async () => [], callSignal: () => controller.signal },
    });
    expect(ran.outcome).toMatchObject({ ok: false, error: reason });
  });
});

function logStep(
  position: number,
  outcome: string,
  toolCalls: readonly ToolCall[] = [],
  durationMs = 1,
): LoggedStep {
  return { position, kind: 'model', outcome, detail: { text: '', toolCalls }, durationMs };
}

function toolStep(position: number, durationMs = 1): LoggedStep {
  return {
    position,
    kind: 'tool',
    outcome: 'ok',
    detail: { output: 'seen before', isError: false },
    durationMs,
  };
}

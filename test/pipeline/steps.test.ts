import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { KonstructError } from '../../src/core/errors.ts';
import type { Tool } from '../../src/core/tool.ts';
import { answerTo, ask, idle, textOf, until } from '../support/conversation.ts';
import { acme } from '../support/people.ts';
import { recordingTool } from '../support/recording-tool.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';
import { callTools, lastResults } from '../support/tool-calls.ts';

let installation: Installation;
const behaviour = new Map<string, (text: string, signal: AbortSignal) => string | Promise<string>>();
const order: string[] = [];

/** A tool whose behaviour the test at hand decides. */
function scripted(name: string, overrides: Partial<Tool> = {}) {
  return recordingTool(
    name,
    async ({ input, context }) => {
      order.push(`${name} begins`);
      const output = await behaviour.get(name)?.(String(input.text), context.signal);
      order.push(`${name} ends`);
      return output ?? `${name} of ${String(input.text)}`;
    },
    overrides,
  );
}

const lookUp = scripted('look_up');
const count = scripted('count');
const book = scripted('book', { isRepeatable: false });

beforeAll(async () => {
  installation = await startInstallation({
    agent: { tools: ['look_up', 'count', 'book', 'current_time'] },
    app: { tools: [lookUp, count, book], timing: { toolDeadlineMs: 700 } },
  });
});
afterAll(() => installation.stop());
beforeEach(() => {
  behaviour.clear();
  order.length = 0;
});

const question = {
  workspaceId: acme.workspaceId,
  channelId: acme.general,
  userId: acme.mara,
  text: `<@${acme.agent}> please`,
};

async function stepsOf(sent: { readonly ts: string }) {
  await idle(installation);
  return installation.query(
    `select s.position, s.kind, s.outcome from konstruct.steps s
     join konstruct.messages m on m.turn_id = s.turn_id and m.tenant_id = s.tenant_id and m.direction = 'in'
     where m.external_id = $1 order by s.position`,
    [sent.ts],
  );
}

describe('a model that wants a tool', () => {
  it('gets its result and then answers; every step is logged, in order', async () => {
    const { model } = installation;
    const before = model.requests.length;
    model.respondNext(
      { ...callTools(['look_up', { text: 'refunds' }]), text: 'Let me see.' },
      'It is 14 days.',
    );
    const { sent, answer } = await ask(installation, question);
    expect(textOf(answer)).toBe('It is 14 days.');
    const [first, second, ...others] = model.requests.slice(before);
    expect(others).toEqual([]);
    expect(
      (first?.body.tools as { function: { name: string } }[] | undefined)?.map((tool) => tool.function.name),
    ).toEqual(['look_up', 'count', 'book', 'current_time']);
    expect(second?.messages.slice(-2)).toMatchObject([
      {
        role: 'assistant',
        content: 'Let me see.',
        toolCalls: [{ name: 'look_up', input: { text: 'refunds' } }],
      },
      { role: 'tool', content: 'look_up of refunds' },
    ]);
    expect(await stepsOf(sent)).toEqual([
      { position: 0, kind: 'model', outcome: 'tool_calls' },
      { position: 1, kind: 'tool', outcome: 'ok' },
      { position: 2, kind: 'model', outcome: 'stop' },
    ]);
  });

  it('works for its own conversation only, and each call has a key of its own', async () => {
    const [tenant] = installation.tenants;
    const before = lookUp.runs.length;
    installation.model.respondNext(
      callTools(['look_up', { text: 'a' }], ['look_up', { text: 'b' }]),
      callTools(['look_up', { text: 'c' }]),
      'Done.',
    );
    const { sent } = await ask(installation, question);
    const [row] = await installation.query(
      `select turn_id::int as "turnId", conversation_id::int as "conversationId" from konstruct.messages
       where external_id = $1`,
      [sent.ts],
    );
    const contexts = lookUp.runs.slice(before).map(({ context }) => context);
    expect(contexts).toHaveLength(3);
    for (const context of contexts) {
      expect(context).toMatchObject({
        tenantId: tenant?.tenantId,
        agentId: tenant?.agentId,
        connectionId: tenant?.connectionId,
        ...row,
      });
    }
    expect(new Set(contexts.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(3);
  });

  it('may want several: side by side when all may be repeated, otherwise one after the other', async () => {
    const bothRun = Promise.withResolvers<string>();
    behaviour.set('look_up', () => bothRun.promise);
    behaviour.set('count', () => {
      bothRun.resolve('found');
      return '7';
    });
    const read: string[][] = [];
    installation.model.respondNext(callTools(['look_up', { text: 'x' }], ['count', { text: 'y' }]));
    installation.model.respond((request) => {
      read.push(lastResults(request));
      return 'Both.';
    });
    await ask(installation, question);
    expect(read).toEqual([['found', '7']]);

    order.length = 0;
    behaviour.clear();
    behaviour.set('count', async () => {
      await sleep(20);
      return 'slow';
    });
    installation.model.respondNext(
      callTools(['count', { text: 'y' }], ['book', { text: 'x' }], ['look_up', { text: 'z' }]),
    );
    await ask(installation, question);
    expect(order).toEqual(['count', 'book', 'look_up'].flatMap((name) => [`${name} begins`, `${name} ends`]));
    expect(read[1]).toEqual(['slow', 'book of x', 'look_up of z']);
  });

  it('is told what is wrong with its arguments, and the tool does not run', async () => {
    const before = lookUp.runs.length;
    const read: string[][] = [];
    installation.model.respondNext(
      callTools(
        ['look_up', { text: 5 }],
        ['look_up', { txt: 'a' }],
        ['look_up', '{"text": "cut'],
        ['look_up', '[1]'],
      ),
    );
    installation.model.respond((request) => {
      read.push(lastResults(request));
      return 'Understood.';
    });
    const { sent, answer } = await ask(installation, question);
    expect(textOf(answer)).toBe('Understood.');
    expect(lookUp.runs.length).toBe(before);
    expect(read[0]).toEqual([
      expect.stringContaining('/text: Instance type "number" is invalid. Expected "string".'),
      expect.stringContaining('/txt: '),
      expect.stringContaining('must be a JSON object'),
      expect.stringContaining('must be a JSON object'),
    ]);
    expect((await stepsOf(sent)).map(({ outcome }) => outcome)).toEqual([
      'tool_calls',
      ...Array.from({ length: 4 }, () => 'invalid_input'),
      'stop',
    ]);
  });

  it('is told when there is no such tool, and which there are', async () => {
    const read: string[][] = [];
    installation.model.respondNext(
      callTools(['lookup', { text: 'a' }], ['read_conversation', {}], ['not a name!', {}]),
    );
    installation.model.respond((request) => {
      read.push(lastResults(request));
      return 'I see.';
    });
    expect(textOf((await ask(installation, question)).answer)).toBe('I see.');
    expect(read[0]).toEqual([
      'There is no tool "lookup". You have: look_up, count, book, current_time.',
      expect.stringContaining('no tool "read_conversation"'), // built in, but this agent does not name it
      expect.stringContaining('no tool "not_a_name_"'),
    ]);
  });

  it('is told of errors, which the person and the log are not', async () => {
    behaviour.set('look_up', () => {
      throw new Error('no customer named Zaphod');
    });
    behaviour.set('count', () => {
      throw new KonstructError('aborted', 'The far side hung up.'); // not our shutdown: an error like any other
    });
    const read: string[][] = [];
    installation.model.respondNext(callTools(['look_up', { text: 'a' }], ['count', { text: 'a' }]));
    installation.model.respond((request) => {
      read.push(lastResults(request));
      return 'I could not find that.';
    });
    const { sent, answer } = await ask(installation, question);
    expect(textOf(answer)).toBe('I could not find that.');
    expect(read[0]).toEqual([
      'The tool failed: no customer named Zaphod',
      'The tool failed: The far side hung up.',
    ]);
    expect((await stepsOf(sent)).map(({ outcome }) => outcome)).toEqual([
      'tool_calls',
      'error',
      'error',
      'stop',
    ]);
    expect(JSON.stringify(installation.log.lines)).not.toContain('Zaphod');
  });

  it('goes on without a tool that hangs, which is told that its time is over', async () => {
    let signal: AbortSignal | undefined;
    behaviour.set('book', (_text, given) => {
      signal = given;
      return new Promise(() => {});
    });
    const read: string[][] = [];
    installation.model.respondNext(callTools(['book', { text: 'a' }], ['count', { text: 'b' }]));
    installation.model.respond((request) => {
      read.push(lastResults(request));
      return 'Without it.';
    });
    const { sent, answer } = await ask(installation, question);
    expect(textOf(answer)).toBe('Without it.');
    expect(signal?.aborted).toBe(true);
    expect(read[0]).toEqual([expect.stringContaining('had not ended after 1 s'), 'count of b']);
    expect((await stepsOf(sent)).map(({ outcome }) => outcome)).toEqual([
      'tool_calls',
      'timeout',
      'ok',
      'stop',
    ]);
  });

  it('reads a bounded part of what a tool returns, and of what PostgreSQL can keep', async () => {
    behaviour.set('look_up', () => `\0${'x'.repeat(40_000)}\ud800`);
    behaviour.set('count', () => '');
    const read: string[][] = [];
    installation.model.respondNext(callTools(['look_up', { text: 'a\0b' }], ['count', {}]));
    installation.model.respond((request) => {
      read.push(lastResults(request));
      return 'Long.';
    });
    const { sent } = await ask(installation, question);
    expect(read[0]?.[0]).toMatch(
      /^x{29999}\n\n\[Cut here: these are the first 30000 of 40002 characters\.\]$/,
    );
    expect(read[0]?.[1]).toBe('(no output)');
    expect((await stepsOf(sent)).map(({ outcome }) => outcome)).toEqual(['tool_calls', 'ok', 'ok', 'stop']);
  });
});

describe('a model that never comes to an end', () => {
  it('is asked 20 times, the last time without tools, and the person is told', async () => {
    const { model } = installation;
    const before = model.requests.length;
    model.respond(() => callTools(['look_up', { text: 'more' }]));
    const { answer } = await ask(installation, question);
    expect(textOf(answer)).toMatch(/^I have taken the 20 steps that I may take for one answer/);
    const requests = model.requests.slice(before);
    expect(requests).toHaveLength(20);
    expect(requests.map(({ body }) => body.tool_choice)).toEqual([
      ...Array.from({ length: 19 }, () => 'auto'),
      'none',
    ]);
    expect(requests.at(-1)?.messages.at(-1)?.content).toContain('Answer now with what you have');
  });
});

describe('a worker that stops', () => {
  it('hands over a turn whose tool would not end, and what was finished is not done again', async () => {
    const { model, query } = installation;
    const calls = { first: 0, second: 0 };
    model.respond(({ messages }) => {
      const results = lastResults({ messages });
      if (results.length > 0) {
        calls.second += 1;
        return `After all: ${results}`;
      }
      calls.first += 1;
      return callTools(['count', { text: 'x' }], ['book', { text: 'x' }]);
    });
    const booking = Promise.withResolvers<void>();
    behaviour.set('book', (_text, signal) => {
      booking.resolve();
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new KonstructError('aborted')));
      });
    });
    const stopping = await installation.startApp({
      role: 'worker',
      tools: [lookUp, count, book],
      timing: { toolDeadlineMs: 60_000, stopDeadlineMs: 2_000 },
    });
    await installation.app?.stop();
    const gateway = await installation.startApp({ role: 'gateway' });
    const runs = { count: count.runs.length, book: book.runs.length };
    const sent = await installation.simulator.say(question);
    await booking.promise;
    const stopped = stopping.stop();
    const next = await installation.startApp({ role: 'worker', tools: [lookUp, count, book] });
    const answer = await answerTo(installation, sent, undefined, 20_000);
    await stopped;
    expect(textOf(answer)).toMatch(/^After all: count of x,.*Whether it had its effect is unknown/);
    expect(calls).toEqual({ first: 1, second: 1 });
    expect({ count: count.runs.length - runs.count, book: book.runs.length - runs.book }).toEqual({
      count: 1,
      book: 1,
    });
    expect(await query('select max(attempts)::int as attempts from konstruct.turns')).toEqual([
      { attempts: 0 },
    ]);
    await Promise.all([gateway.stop(), next.stop()]);
    await installation.startApp();
  }, 40_000);
});

describe('the person', () => {
  it('sees in the placeholder which tool runs, and then the answer', async () => {
    const { simulator, model } = installation;
    const texts: string[] = [];
    const shown = Promise.withResolvers<string>();
    const unsubscribe = simulator.subscribe((event) => {
      if (event.type !== 'message.posted' && event.type !== 'message.changed') return;
      if (!event.message.isAgent) return;
      texts.push(textOf(event.message));
      if (texts.at(-1)?.includes('·')) shown.resolve('seen');
    });
    behaviour.set('look_up', () => shown.promise);
    model.respondNext(callTools(['look_up', { text: 'a' }]), 'Found.');
    await ask(installation, question);
    unsubscribe();
    expect(texts).toEqual(['Thinking…', 'Thinking… · Using look_up', 'Found.']);
  });

  it('keeps the answer although an edit for a tool comes late', async () => {
    const { simulator, model } = installation;
    const texts: string[] = [];
    const unsubscribe = simulator.subscribe((event) => {
      if (event.type === 'message.changed' && event.message.isAgent) texts.push(textOf(event.message));
    });
    simulator.faults.add({ kind: 'api_delay', method: 'chat.update', delayMs: 900, remaining: 1 });
    behaviour.set('look_up', async () => {
      await until('the edit is on its way', () => simulator.faults.plan().faults.length === 0, 600);
      return 'found';
    });
    model.respondNext(callTools(['look_up', { text: 'a' }]), 'The answer.');
    await answerTo(installation, await simulator.say(question), (text) => text === 'The answer.');
    await idle(installation);
    unsubscribe();
    expect(texts).toEqual(['Thinking… · Using look_up', 'The answer.']);
  });

  it('gets the answer although that cannot be shown', async () => {
    const { simulator, model, log } = installation;
    simulator.faults.add({
      kind: 'api_error',
      method: 'chat.update',
      error: 'cant_update_message',
      remaining: 1,
    });
    behaviour.set('look_up', async () => {
      await until('the fault struck', () => simulator.faults.plan().faults.length === 0, 600);
      return 'found';
    });
    model.respondNext(callTools(['look_up', { text: 'a' }]), 'All the same.');
    expect(textOf((await ask(installation, question)).answer)).toBe('All the same.');
    expect(log.lines.some(({ event }) => event === 'placeholder.progress_failed')).toBe(true);
  });
});

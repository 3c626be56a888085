import type { Kysely } from 'kysely';
import { afterEach, describe, expect, it } from 'vitest';
import type { DoctorContext } from '../../src/cli/doctor/check.ts';
import { checkDeadLetters } from '../../src/cli/doctor/check-dead-letters.ts';
import { createDatabase } from '../../src/db/create-database.ts';
import { createDatabasePool } from '../../src/db/pool.ts';
import type { Database } from '../../src/db/schema.ts';
import { withTenant } from '../../src/db/with-tenant.ts';
import type { SentMessage } from '../../src/simulator/simulator.ts';
import { readDeadLetterLog } from '../../src/stores/dead-letter-log.ts';
import {
  countDeadLetters,
  type DeadLetter,
  listDeadLetterKeys,
  readDeadLetters,
} from '../../src/stores/dead-letters.ts';
import { discardDeadLetter, type Replay, replayDeadLetter } from '../../src/stores/replay-dead-letter.ts';
import { agentTexts, answerTo, ask, idle, type Utterance, until } from '../support/conversation.ts';
import { acme, globex } from '../support/people.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';

let installation: Installation;
let database: Kysely<Database>;
afterEach(async () => {
  await database.destroy();
  await installation.stop();
});

const inGeneral = { workspaceId: acme.workspaceId, channelId: acme.general, userId: acme.mara };
const inDirect = { ...inGeneral, channelId: acme.directMara };
const mention = { ...inGeneral, text: `<@${acme.agent}> hello` };
const quick = { modelRetryDelaysMs: [20], deliveryRetryDelaysMs: [20], pollEveryMs: 50 };
/** Refused for good: no attempt is worth repeating. */
const refused = () => ({ status: 400 });

async function start(): Promise<Installation> {
  installation = await startInstallation({ app: { timing: quick } });
  const { databaseUrl: url, log } = installation;
  database = createDatabase(createDatabasePool({ url, name: 'operator', size: 8, log }));
  return installation;
}

async function letters(discarded = false): Promise<readonly DeadLetter[]> {
  const keys = await listDeadLetterKeys(database, { tenantId: null, discarded, limit: 50 });
  const found = await Promise.all(
    keys.map(({ tenantId, id }) =>
      withTenant(database, tenantId, (transaction) => readDeadLetters(transaction, [id])),
    ),
  );
  return found.flat();
}

async function onlyLetter(): Promise<DeadLetter> {
  const [letter, ...more] = await letters();
  if (!letter || more.length > 0) throw new Error('There is not exactly one dead letter.');
  return letter;
}

const tenantId = () => installation.tenants[0]?.tenantId ?? '';
const replay = (id: number): Promise<Replay> =>
  withTenant(database, tenantId(), (transaction) => replayDeadLetter(transaction, id));
const discard = (id: number): Promise<string> =>
  withTenant(database, tenantId(), (transaction) => discardDeadLetter(transaction, id));

async function isAnswered(sent: SentMessage, ...texts: readonly string[]): Promise<void> {
  await until(
    texts.join(),
    () => JSON.stringify(agentTexts(installation, sent)) === JSON.stringify(texts),
    5_000,
  ).catch(() => {}); // the comparison below says more
  await idle(installation);
  expect(agentTexts(installation, sent)).toEqual(texts);
}

/** Says it while the model does not answer, and waits until its turn is given up. */
async function dieOf(utterance: Utterance, reply: () => { status: number } = refused): Promise<SentMessage> {
  installation.model.respond(reply);
  const { sent } = await ask(installation, utterance);
  await idle(installation);
  return sent;
}

describe('a turn that the model never answered', () => {
  it('is a dead letter that says why, and that its person knows', async () => {
    await start();
    const sent = await dieOf(mention, () => ({ status: 503 }));
    const letter = await onlyLetter();
    expect(letter).toMatchObject({
      tenant: acme.workspaceId.toLowerCase(),
      agent: 'ada',
      channel: 'slack',
      connection: acme.workspaceId,
      channelId: acme.general,
      threadId: sent.ts,
      status: 'dead',
      reason: 'model_unavailable',
      modelCalls: 2,
      answerStored: false,
      told: true,
    });
    expect(JSON.stringify(letter)).not.toContain('hello');
    const log = await withTenant(database, tenantId(), (transaction) =>
      readDeadLetterLog(transaction, letter.id),
    );
    expect(log.messages).toMatchObject([{ messageId: sent.ts, deleted: false }]);
    expect(log.steps.map(({ outcome }) => outcome)).toEqual(['model_unavailable', 'model_unavailable']);
    expect(log.deliveries.map(({ kind, status }) => `${kind} ${status}`)).toEqual([
      'placeholder sent',
      'answer sent',
    ]);
    expect(await countDeadLetters(database, new Date(Date.now() - 60_000))).toEqual({ total: 1, recent: 1 });
    expect(await countDeadLetters(database, new Date(Date.now() + 60_000))).toEqual({ total: 1, recent: 0 });
  });

  it('is answered by a replay in the place of the honest sentence, and the answer is part of the history', async () => {
    const { model } = await start();
    const sent = await dieOf(mention);
    expect(agentTexts(installation, sent)).toEqual([expect.stringMatching(/^I could not reach my model/)]);
    model.respond(() => 'Hello again.');
    expect(await replay((await onlyLetter()).id)).toEqual({
      state: 'ready',
      answer: 'anew',
      reason: 'model_rejected',
    });
    await isAnswered(sent, 'Hello again.');
    expect(await letters(true)).toEqual([]);
    model.respond(() => 'Next.');
    const next = await installation.simulator.say({ ...mention, text: 'and then?', threadTs: sent.ts });
    await answerTo(installation, next, (text) => text === 'Next.');
    expect(JSON.stringify(model.requests.at(-1)?.messages)).toContain('Hello again.');
    expect(JSON.stringify(model.requests.at(-1)?.messages)).not.toContain('could not reach');
  });

  it('is a dead letter again when the replay fails too, and can be replayed once more', async () => {
    const { model } = await start();
    const sent = await dieOf(mention);
    const { id } = await onlyLetter();
    await replay(id);
    await until('it is dead again', async () => (await letters()).length === 1);
    await idle(installation);
    expect((await onlyLetter()).modelCalls).toBe(2);
    expect(agentTexts(installation, sent)).toEqual([expect.stringMatching(/^I could not reach my model/)]);
    model.respond(() => 'At last.');
    await replay(id);
    await isAnswered(sent, 'At last.');
  });

  it('is answered in a new message when the sentence cannot be edited any more', async () => {
    const { model, simulator } = await start();
    const sent = await dieOf(mention);
    simulator.faults.add({ kind: 'api_error', error: 'message_not_found', method: 'chat.update' });
    model.respond(() => 'Hello again.');
    await replay((await onlyLetter()).id);
    await answerTo(installation, sent, (text) => text === 'Hello again.');
    await idle(installation);
    expect(agentTexts(installation, sent)).toHaveLength(2);
  });
});

describe('replays at the same time', () => {
  it('answer once, whoever they are, and however often', async () => {
    const { model } = await start();
    const sent = await dieOf(mention);
    const { id } = await onlyLetter();
    const before = model.requests.length;
    model.respond(() => 'Once.');
    const outcomes = await Promise.allSettled(Array.from({ length: 6 }, () => replay(id)));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'dead_letter_closed' });
    }
    await isAnswered(sent, 'Once.');
    expect(model.requests.length - before).toBe(1);
    await expect(replay(id)).rejects.toMatchObject({ code: 'dead_letter_closed' });
    await expect(replay(id)).rejects.toThrow('it was answered');
  });

  it('keep the order of one conversation, one turn at a time, each in its own thread', async () => {
    const { model } = await start();
    const sent: SentMessage[] = [];
    for (const text of ['first', 'second', 'third']) sent.push(await dieOf({ ...inDirect, text }));
    let running = 0;
    const asked: string[] = [];
    model.respond(async ({ messages }) => {
      running += 1;
      expect(running).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 60));
      running -= 1;
      asked.push(messages.at(-1)?.content.split('\n').at(-1) ?? '');
      return `Answer to ${asked.at(-1)}`;
    });
    const ids = (await letters()).map(({ id }) => id).sort((a, b) => a - b);
    const states = [];
    for (const id of ids) states.push((await replay(id)).state);
    expect(states).toEqual(['ready', 'waiting', 'waiting']);
    await expect(replay(ids[2] ?? 0)).rejects.toThrow('it is being replayed');
    for (const [index, text] of ['first', 'second', 'third'].entries()) {
      await isAnswered(sent[index] as SentMessage, `Answer to ${text}`);
    }
    expect(asked).toEqual(['first', 'second', 'third']);
  });
});

describe('a replay of a turn that somebody had told to stop', () => {
  it('answers: who replays it wants to hear the answer', async () => {
    const { model } = await start();
    const dead = await dieOf(mention);
    // Said while the last attempt was being given up.
    await installation.query(`update konstruct.turns set cancel = 'stopped'`);
    model.respond(() => 'Here it is.');
    const { id } = await onlyLetter();
    expect(await replay(id)).toMatchObject({ state: 'ready', answer: 'anew' });
    await isAnswered(dead, 'Here it is.');
  });
});

describe('a replay while another turn of the conversation runs', () => {
  it('waits for its end, and goes before what came in meanwhile', async () => {
    const { model, simulator } = await start();
    const dead = await dieOf({ ...inDirect, text: 'dead' });
    const { id } = await onlyLetter();
    const asked: string[] = [];
    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    model.respond(async ({ messages }) => {
      asked.push(messages.at(-1)?.content.split('\n').at(-1) ?? '');
      if (asked.length === 1) await held;
      return `Answer to ${asked.at(-1)}`;
    });
    const busy = await simulator.say({ ...inDirect, text: 'busy' });
    await until('the model is asked', () => asked.length === 1);
    expect(await replay(id)).toMatchObject({ state: 'waiting' });
    const later = await simulator.say({ ...inDirect, text: 'later' });
    await later.acked;
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(asked).toEqual(['busy']);
    release();
    await isAnswered(later, 'Answer to later');
    expect(asked).toEqual(['busy', 'dead', 'later']);
    expect(agentTexts(installation, dead)).toEqual(['Answer to dead']);
    expect(agentTexts(installation, busy)).toEqual(['Answer to busy']);
    expect(await installation.query('select replays_waiting from konstruct.conversations')).toEqual([
      { replays_waiting: 0 },
    ]);
  });

  it('survives a worker that is stopped in between', async () => {
    const { model, app, startApp } = await start();
    const sent = await dieOf(mention);
    await app?.stop();
    expect(await replay((await onlyLetter()).id)).toMatchObject({ state: 'ready' });
    model.respond(() => 'From the next worker.');
    await startApp();
    await isAnswered(sent, 'From the next worker.');
  });
});

describe('an answer that could not be delivered', () => {
  it.each([
    ['in the place of the apology', 1, true],
    ['in the place of the placeholder, where not even the apology could be said', null, false],
  ])('is delivered by a replay without asking the model again: %s', async (_name, failures, told) => {
    const { model, simulator } = await start();
    model.respond(() => 'Expensive answer.');
    const fault = simulator.faults.add({
      kind: 'api_error',
      error: 'is_archived',
      method: 'chat.update',
      ...(failures === null ? {} : { remaining: failures }),
    });
    const sent = await simulator.say(mention);
    await until('it is dead', async () => (await letters()).length === 1);
    await idle(installation);
    expect(await onlyLetter()).toMatchObject({ reason: 'platform_rejected', answerStored: true, told });
    expect(agentTexts(installation, sent)).toEqual([
      told ? expect.stringMatching(/^I have an answer, but/) : 'Thinking…',
    ]);
    simulator.faults.remove(fault.id);
    const before = model.requests.length;
    expect(await replay((await onlyLetter()).id)).toMatchObject({ state: 'ready', answer: 'stored' });
    await isAnswered(sent, 'Expensive answer.');
    expect(model.requests.length).toBe(before);
    expect(await installation.query('select status, error_code from konstruct.turns')).toEqual([
      { status: 'answered', error_code: null },
    ]);
  });
});

describe('konstruct doctor', () => {
  it('warns of what died within a day', async () => {
    await start();
    await dieOf(mention);
    const check = (clock: () => number) => checkDeadLetters.run({ database, clock } as DoctorContext);
    expect(await check(Date.now)).toEqual([
      {
        level: 'warning',
        text: 'One turn was given up in the last 24 hours.',
        remedy: expect.stringContaining('konstruct dead-letters list'),
      },
    ]);
    expect(await check(() => Date.now() + 25 * 60 * 60_000)).toMatchObject([
      { level: 'ok', text: 'None in the last 24 hours; 1 older.' },
    ]);
  });
});

describe('a replay that cannot be', () => {
  it('changes nothing when the connection is disabled', async () => {
    await start();
    await dieOf(mention);
    const { id } = await onlyLetter();
    await installation.query(`update konstruct.connections set status = 'disabled'`);
    const before = await installation.query('select * from konstruct.turns');
    await expect(replay(id)).rejects.toMatchObject({ code: 'replay_impossible' });
    expect(await installation.query('select * from konstruct.turns')).toEqual(before);
  });

  it('is refused when the messages were deleted, and when the connection was', async () => {
    await start();
    await dieOf(mention);
    const { id } = await onlyLetter();
    await installation.query(`update konstruct.messages set deleted_at = now() where direction = 'in'`);
    await expect(replay(id)).rejects.toThrow('its messages are gone');
    await installation.query('delete from konstruct.connections');
    await expect(replay(id)).rejects.toMatchObject({ code: 'not_found' });
  });

  it('is refused for the dead letter of another tenant', async () => {
    await start();
    installation.model.respond(refused);
    await ask(installation, {
      workspaceId: globex.workspaceId,
      channelId: globex.general,
      userId: globex.yuki,
      text: `<@${globex.agent}> hello`,
    });
    await idle(installation);
    await expect(replay((await onlyLetter()).id)).rejects.toMatchObject({ code: 'not_found' });
    expect(await letters()).toHaveLength(1);
  });
});

describe('a dead letter that is discarded', () => {
  it('is listed only on demand, answered by nobody and replayed no more', async () => {
    const { model } = await start();
    await dieOf(mention);
    const { id } = await onlyLetter();
    const before = model.requests.length;
    expect(await discard(id)).toBe('model_rejected');
    expect(await letters()).toEqual([]);
    expect(await letters(true)).toMatchObject([{ id, status: 'discarded' }]);
    await expect(replay(id)).rejects.toThrow('it was discarded');
    await expect(discard(id)).rejects.toMatchObject({ code: 'dead_letter_closed' });
    await idle(installation);
    expect(model.requests.length).toBe(before);
    expect(await countDeadLetters(database, new Date(0))).toEqual({ total: 0, recent: 0 });
  });
});

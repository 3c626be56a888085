import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import type { Agent } from '../../src/core/tenant.ts';
import { migrate } from '../../src/db/migrate.ts';
import type { FaultRequest } from '../../src/simulator/control-api.ts';
import type { SentMessage } from '../../src/simulator/simulator.ts';
import { checkPromises, type ModelCall, type Said, tokenOf } from '../support/check-promises.ts';
import { agentTexts, answerTo, idle, textOf, until } from '../support/conversation.ts';
import { startEffectServer } from '../support/effect-server.ts';
import { expireLeases } from '../support/expire-leases.ts';
import { acme } from '../support/people.ts';
import { createEmptyDatabase } from '../support/postgres.ts';
import { retryDelaysMs } from '../support/retry-delays.ts';
import { silentLog } from '../support/silent-log.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';
import { type ServeProcess, startServeProcess } from '../support/start-serve-process.ts';
import { createSteppingModel } from '../support/stepping-model.ts';
import { startTcpProxy, type TcpProxy, throughProxy } from '../support/tcp-proxy.ts';

let installation: Installation;
const closing: (() => Promise<unknown> | unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function start(agent: Partial<Agent> = {}): Promise<void> {
  installation = await startInstallation({
    app: null,
    agent,
    settings: { ratePerMinute: 10_000 },
    simulator: { retryDelaysMs },
  });
  closing.push(() => installation.stop());
}

async function serve(
  role: 'all' | 'gateway' | 'worker',
  proxy?: TcpProxy,
  env: Readonly<Record<string, string>> = {},
): Promise<ServeProcess> {
  const databaseUrl = proxy ? throughProxy(installation.databaseUrl, proxy) : installation.databaseUrl;
  const started = await startServeProcess({ ...installation, databaseUrl }, role, env);
  closing.push(() => started.end('SIGKILL'));
  if (role !== 'worker') installation.useGateway(started.url);
  return started;
}

async function proxyToDatabase(): Promise<TcpProxy> {
  const { hostname, port } = new URL(installation.databaseUrl);
  const proxy = await startTcpProxy({ host: hostname, port: Number(port) });
  closing.push(() => proxy.close());
  return proxy;
}

/** A transaction of the test's own, whose locks freeze a process inside a statement. */
async function lockOf(databaseUrl: string, statement: string, values: readonly unknown[] = []) {
  const client = new pg.Client({ connectionString: databaseUrl });
  client.on('error', () => {});
  await client.connect();
  closing.push(() => client.end());
  await client.query('begin');
  const { rowCount } = await client.query(statement, [...values]);
  return { rowCount, release: () => client.query('rollback') };
}

/** Waits until a statement of the application waits for a lock; ends it on the server when asked to. */
async function blocked(statement: string, { end = false } = {}): Promise<void> {
  await until(`${statement} waits for a lock`, async () => {
    const rows = await installation.query(
      `select pid from pg_stat_activity
       where datname = current_database() and wait_event_type = 'Lock' and query like $1`,
      [`%${statement}%`],
    );
    if (end) for (const { pid } of rows) await installation.query('select pg_terminate_backend($1)', [pid]);
    return rows.length > 0;
  });
}

/** People who write, and what they must be able to rely on at the end. */
function conversations() {
  const said: { readonly sent: SentMessage; readonly token: string }[] = [];
  const modelCalls: ModelCall[] = [];
  /** Model calls by token that get no answer until they are let go. */
  const held = new Map<string, PromiseWithResolvers<void>>();
  installation.model.respond(async ({ messages }) => {
    const lastToken = tokenOf(messages.at(-1)?.content ?? '');
    modelCalls.push({ atMs: Date.now(), lastToken });
    const isFirst = modelCalls.filter((call) => call.lastToken === lastToken).length === 1;
    if (isFirst) await held.get(lastToken)?.promise;
    return `Answer ${modelCalls.length} to ${lastToken}`;
  });
  return {
    modelCalls,
    async say(options: { threadTs?: string; holdModel?: true; faults?: readonly FaultRequest[] } = {}) {
      const token = `q${said.length + 1}`;
      if (options.holdModel) held.set(token, Promise.withResolvers());
      if (options.faults) installation.simulator.faults.update({ faults: options.faults });
      const sent = await installation.simulator.say({
        workspaceId: acme.workspaceId,
        channelId: acme.general,
        userId: acme.mara,
        text: `<@${acme.agent}> ${token}`,
        ...(options.threadTs === undefined ? {} : { threadTs: options.threadTs }),
      });
      said.push({ sent, token });
      return { sent, token };
    },
    modelIsAsked: (token: string) =>
      until(`the model is asked about ${token}`, () => modelCalls.some((call) => call.lastToken === token)),
    letModelAnswer: () => held.forEach(({ resolve }) => void resolve()),
    async keepAllPromises(timeoutMs = 25_000) {
      await Promise.all(said.map(({ sent }) => answerTo(installation, sent, undefined, timeoutMs)));
      await idle(installation);
      const all: Said[] = await Promise.all(
        said.map(async ({ sent, token }) => ({ ...sent, token, asked: true, acked: await sent.acked })),
      );
      expect(all.filter(({ acked }) => !acked)).toEqual([]);
      const { violations, counts } = await checkPromises({
        query: installation.query,
        simulator: installation.simulator,
        workspaceIds: [acme.workspaceId],
        said: all,
        modelCalls,
      });
      expect(violations).toEqual([]);
      expect(counts['turns answered']).toBe(said.length);
    },
  };
}

const status = async ({ sent }: { readonly sent: SentMessage }): Promise<unknown> =>
  (
    await installation.query(
      `select t.status from konstruct.turns t join konstruct.messages m on m.turn_id = t.id where m.external_id = $1`,
      [sent.ts],
    )
  )[0]?.status;
const isCommitted = (said: { readonly sent: SentMessage }) =>
  until('the answer is committed', async () => (await status(said)) === 'committed');
const faultStruck = () =>
  until('the fault struck', () => installation.simulator.faults.plan().faults.length === 0);

describe('a gateway that is killed', () => {
  it('before the commit, and after the commit but before the ack: each message is answered once', {
    timeout: 60_000,
  }, async () => {
    await start();
    const { say, keepAllPromises } = conversations();
    const [proxy] = await Promise.all([proxyToDatabase(), serve('worker')]);
    const first = await serve('gateway');
    await say();
    await keepAllPromises();

    const lock = await lockOf(installation.databaseUrl, 'select 1 from konstruct.rate_buckets for update');
    await say();
    await blocked('admit_batch', { end: true });
    await first.end('SIGKILL');
    await lock.release();

    const second = await serve('gateway', proxy);
    await keepAllPromises(); // and it knows the connection now
    proxy.mute();
    const { sent } = await say();
    await until(
      'it is stored',
      async () =>
        (await installation.query('select 1 from konstruct.messages where external_id = $1', [sent.ts]))
          .length === 1,
    );
    await second.end('SIGKILL');
    await serve('gateway');
    await keepAllPromises();
  });
});

describe('a worker that is killed, while another one is paused beyond its lease', () => {
  it('at every point of a turn: all is answered once, in order, within 20 seconds, and the paused one is refused', {
    timeout: 90_000,
  }, async () => {
    await start();
    const { simulator, query } = installation;
    const { say, modelIsAsked, letModelAnswer, keepAllPromises } = conversations();
    const [proxy, paused] = await Promise.all([proxyToDatabase(), serve('worker'), serve('gateway')]);

    // The one that is paused: in the model, and while it waits to send its placeholder.
    const pausedInModel = await say({ holdModel: true });
    await modelIsAsked(pausedInModel.token);
    await until('its placeholder stands', () => agentTexts(installation, pausedInModel.sent).length === 1);
    const pausedInWait = await say({
      faults: [{ kind: 'api_rate_limited', method: 'chat.postMessage', retryAfterSeconds: 3, remaining: 1 }],
    });
    await faultStruck();
    await modelIsAsked(pausedInWait.token);
    paused.child.kill('SIGSTOP');

    // One that is asked to stop, and killed before it has handed over.
    const stopping = await serve('worker');
    const inShutdown = await say({ holdModel: true });
    await modelIsAsked(inShutdown.token);
    stopping.child.kill('SIGTERM');
    await until('it stops', () => stopping.lines.some(({ event }) => event === 'serve.stopping'));
    await stopping.end('SIGKILL');

    const victim = await serve('worker', proxy);
    const update = 'chat.update';
    // The placeholder stands there, nobody has recorded it.
    await say({ faults: [{ kind: 'api_hang', method: 'chat.postMessage', workDone: true, remaining: 1 }] });
    await faultStruck();
    // In the model, and a message to the same thread comes meanwhile.
    const inModel = await say({ holdModel: true });
    await modelIsAsked(inModel.token);
    await say({ threadTs: inModel.sent.ts });
    // After the commit, before the update; and after the update, before anybody knows.
    for (const workDone of [false, true]) {
      const said = await say({ faults: [{ kind: 'api_hang', method: update, workDone, remaining: 1 }] });
      await isCommitted(said);
      await faultStruck();
    }
    // During the release of the lease.
    const inRelease = await say({
      faults: [{ kind: 'api_delay', method: update, delayMs: 1_500, remaining: 1 }],
    });
    await isCommitted(inRelease);
    const lock = await lockOf(
      installation.databaseUrl,
      'select 1 from konstruct.conversations where thread_id = $1 for update',
      [inRelease.sent.ts],
    );
    expect(lock.rowCount).toBe(1);
    await blocked('finish_turns');
    // The lease is taken, and the worker does not know yet.
    proxy.mute();
    const inClaim = await say();
    await until(
      'the lease is taken',
      async () =>
        (
          await query(
            'select 1 from konstruct.conversations where thread_id = $1 and lease_owner is not null',
            [inClaim.sent.ts],
          )
        ).length === 1,
    );

    const killedAtMs = Date.now();
    await victim.end('SIGKILL');
    await blocked('finish_turns', { end: true });
    await lock.release();
    simulator.faults.clear();
    await serve('worker');
    await keepAllPromises();
    expect(Date.now() - killedAtMs).toBeLessThan(20_000);

    paused.child.kill('SIGCONT');
    letModelAnswer();
    const turnOf = async ({ sent }: { readonly sent: SentMessage }) =>
      (await query('select turn_id::int from konstruct.messages where external_id = $1', [sent.ts]))[0]
        ?.turn_id;
    const lost = [await turnOf(pausedInModel), await turnOf(pausedInWait)];
    await until('the paused worker knows that it lost its leases', () =>
      lost.every((turnId) =>
        paused.lines.some((line) => line.event === 'turn.lease_lost' && line.turnId === turnId),
      ),
    );
    await new Promise((resolve) => setTimeout(resolve, 1_500)); // what it would send, it would send by now
    await keepAllPromises();
    expect(await paused.end('SIGTERM')).toBe(0);
  });
});

describe('a worker that is killed while it answers under an agent’s own name', () => {
  it('before and after the answer, and before and after the placeholder goes: all is answered once, and no placeholder stays', {
    timeout: 90_000,
  }, async () => {
    await start({ name: 'Grace', icon: ':owl:' });
    const { simulator } = installation;
    const { say, modelIsAsked, letModelAnswer, keepAllPromises } = conversations();
    const [, victim] = await Promise.all([serve('gateway'), serve('worker')]);
    for (const method of ['chat.postMessage', 'chat.delete']) {
      for (const workDone of [false, true]) {
        const said = await say({ holdModel: true });
        await modelIsAsked(said.token);
        await until('its placeholder stands', () => agentTexts(installation, said.sent).length === 1);
        simulator.faults.update({ faults: [{ kind: 'api_hang', method, workDone, remaining: 1 }] });
        letModelAnswer();
        await isCommitted(said);
        await faultStruck();
      }
    }
    await victim.end('SIGKILL');
    await expireLeases(installation, victim);
    await serve('worker');
    await keepAllPromises();
    const names = simulator
      .messages(acme.workspaceId, acme.general)
      .flatMap(({ messageId }) => simulator.messages(acme.workspaceId, acme.general, messageId))
      .filter(({ isAgent }) => isAgent)
      .map(({ userName }) => userName);
    expect(names).toEqual(Array(4).fill('Grace'));
  });
});

describe('a worker that ends in the middle of the steps of a turn', () => {
  it('repeats no model call and no tool call that was finished, and none that must not be made twice', {
    timeout: 90_000,
  }, async () => {
    await start({ tools: ['look_up', 'book'] });
    const { simulator, query } = installation;
    const model = createSteppingModel(installation.model);
    const world = await startEffectServer();
    closing.push(() => world.close());
    const env = {
      EFFECT_URL: world.url,
      KONSTRUCT_TOOLS: fileURLToPath(new URL('../support/effect-tools.ts', import.meta.url)),
    };
    const said: (Said & Pick<SentMessage, 'threadTs'>)[] = [];
    const say = async (token: string, wanted: string) => {
      const text = `<@${acme.agent}> ${token} ${wanted}`;
      const place = { workspaceId: acme.workspaceId, channelId: acme.general, userId: acme.mara };
      const sent = await simulator.say({ ...place, text });
      said.push({ ...sent, token, asked: true, acked: await sent.acked });
      return sent;
    };
    const effectsOf = (text: string) => world.effects.filter((effect) => effect.text === text);
    const happened = (text: string) => until(`${text} has its effect`, () => effectsOf(text).length > 0);
    const logged = ({ ts }: SentMessage, outcomes: readonly string[]) =>
      until(`the log has ${outcomes.join(', ')}`, async () => {
        const rows = await query(
          `select s.outcome from konstruct.steps s join konstruct.messages m on m.turn_id = s.turn_id
           where m.external_id = $1 order by s.position`,
          [ts],
        );
        return rows.map(({ outcome }) => outcome).join() === outcomes.join();
      });

    // One that is paused beyond its lease, in a tool of each kind.
    const [, paused] = await Promise.all([serve('gateway'), serve('worker', undefined, env)]);
    const pausedCalls = ['q1 0', 'q2 0'].map((text) => world.hold(text));
    const pausedInTool = [await say('q1', 'look_up'), await say('q2', 'book')];
    await Promise.all(['q1 0', 'q2 0'].map(happened));
    paused.child.kill('SIGSTOP');

    // One that is asked to stop while a tool runs that does not end.
    const stopping = await serve('worker', undefined, { ...env, STOP_DEADLINE_SECONDS: '2' });
    world.hold('q3 0');
    const handedOver = await say('q3', 'look_up');
    await happened('q3 0');
    stopping.child.kill('SIGTERM');

    const victim = await serve('worker', undefined, env);
    await answerTo(installation, handedOver); // or else the victim may be killed in this tool too
    // Between model steps: after two rounds, in the third model call.
    model.hold('q4', 2);
    const betweenSteps = await say('q4', 'look_up book');
    await model.isAsked('q4', 2);
    await logged(betweenSteps, ['tool_calls', 'ok', 'tool_calls', 'ok']);
    // In a tool that may be repeated, and in one that must not.
    world.hold('q5 0');
    await logged(await say('q5', 'look_up'), ['tool_calls']);
    await happened('q5 0');
    world.hold('q6 0');
    const inBooking = await say('q6', 'book');
    await happened('q6 0');
    await logged(inBooking, ['tool_calls', 'started']);
    // After a tool had its effect, before its end is logged.
    const answered = world.hold('q7 0');
    const afterEffect = await say('q7', 'book');
    await happened('q7 0');
    const lock = await lockOf(
      installation.databaseUrl,
      'select 1 from konstruct.conversations where thread_id = $1 for update',
      [afterEffect.ts],
    );
    expect(lock.rowCount).toBe(1);
    answered.release();
    await blocked('log_steps');
    await victim.end('SIGKILL');
    await blocked('log_steps', { end: true });
    await lock.release();

    await serve('worker', undefined, env);
    const answers = await Promise.all(
      said.map(async (sent) => textOf(await answerTo(installation, sent, undefined, 30_000))),
    );
    await idle(installation);
    const unknown = expect.stringContaining('Whether it had its effect is unknown');
    expect(answers).toEqual([
      'Answer to q1: look_up did q1 0',
      unknown,
      'Answer to q3: look_up did q3 0',
      'Answer to q4: book did q4 1',
      'Answer to q5: look_up did q5 0',
      unknown,
      unknown,
    ]);
    expect(await stopping.exited).toBe(0);

    // What was answered before the end was asked once; the call that was under way again.
    for (const { token } of said) expect(model.countOf(token, 0), `${token}: first model call`).toBe(1);
    expect([1, 2].map((rounds) => model.countOf('q4', rounds))).toEqual([1, 2]);
    const times = ['q1 0', 'q2 0', 'q3 0', 'q4 0', 'q4 1', 'q5 0', 'q6 0', 'q7 0'].map(
      (text) => `${text}: ${effectsOf(text).length}`,
    );
    expect(times).toEqual([
      'q1 0: 2',
      'q2 0: 1',
      'q3 0: 2',
      'q4 0: 1',
      'q4 1: 1',
      'q5 0: 2',
      'q6 0: 1',
      'q7 0: 1',
    ]);
    for (const text of ['q1 0', 'q3 0', 'q5 0']) {
      expect(new Set(effectsOf(text).map(({ idempotencyKey }) => idempotencyKey)).size, text).toBe(1);
    }

    paused.child.kill('SIGCONT');
    for (const { release } of pausedCalls) release();
    await until('the paused worker knows that it lost its leases', () => {
      const lost = paused.lines
        .filter(({ event }) => event === 'turn.lease_lost')
        .map(({ turnId }) => turnId);
      return new Set(lost).size === pausedInTool.length;
    });
    expect(await paused.end('SIGTERM')).toBe(0);
    const modelCalls = model.calls.map(({ token, atMs }) => ({ lastToken: token, atMs }));
    const { violations, counts } = await checkPromises({
      query,
      simulator,
      workspaceIds: [acme.workspaceId],
      said,
      modelCalls,
    });
    expect(violations).toEqual([]);
    expect(counts['turns answered']).toBe(said.length);
  });
});

describe('a process that is killed in the middle of a migration', () => {
  it('leaves nothing half done: the next start migrates and serves', { timeout: 60_000 }, async () => {
    await start();
    const database = await createEmptyDatabase();
    closing.push(() => database.drop());
    const folder = mkdtempSync(join(tmpdir(), 'konstruct-test-'));
    closing.push(() => rmSync(folder, { recursive: true }));
    await copyFile(
      new URL('../../migrations/0001_tenancy.sql', import.meta.url),
      join(folder, '0001_tenancy.sql'),
    );
    await migrate(database.url, { log: silentLog, folder: pathToFileURL(`${folder}/`) });
    const lock = await lockOf(database.url, 'lock table konstruct.turns in access exclusive mode');
    const target = { ...installation, databaseUrl: database.url };
    let child: ChildProcess | undefined;
    const starting = startServeProcess(target, 'worker', {}, (spawned) => {
      child = spawned;
    });
    const failure = starting.then(
      () => null,
      (error: unknown) => String(error),
    );
    const waiting = async () =>
      installation.query(
        `select pid from pg_stat_activity
         where datname = $1 and application_name = 'konstruct migrate' and wait_event_type = 'Lock'`,
        [database.name],
      );
    await until('the migration waits', async () => (await waiting()).length === 1, 15_000);
    child?.kill('SIGKILL');
    expect(await failure).toMatch(/ended with null/);
    for (const { pid } of await waiting()) await installation.query('select pg_terminate_backend($1)', [pid]);
    await lock.release();

    const next = await startServeProcess(target, 'worker');
    closing.push(() => next.end('SIGKILL'));
    const health = await fetch(`${next.url}/health`);
    expect(await health.json()).toMatchObject({ status: 'ok', database: 'ok' });
  });
});

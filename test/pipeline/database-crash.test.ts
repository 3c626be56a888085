import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { startEmbeddedDatabase } from '../../src/db/embedded/start-embedded-database.ts';
import { migrate } from '../../src/db/migrate.ts';
import type { SentMessage } from '../../src/simulator/simulator.ts';
import { scratchDataDir } from '../embedded/scratch-folder.ts';
import { checkPromises, type ModelCall, tokenOf } from '../support/check-promises.ts';
import { idle, textOf, until } from '../support/conversation.ts';
import { manyChannels, workspaceWithManyChannels } from '../support/many-channels.ts';
import { acme } from '../support/people.ts';
import { retryDelaysMs } from '../support/retry-delays.ts';
import { silentLog } from '../support/silent-log.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';

let installation: Installation;
afterEach(() => installation.stop());

/** A server that keeps what it confirmed, as every real one, but writes the rest as late as it may. */
async function startServer(dataDir: string) {
  const database = await startEmbeddedDatabase({
    dataDir,
    log: silentLog,
    settings: { wal_writer_delay: '10s', autovacuum: 'off' },
  });
  await migrate(database.url, { log: silentLog });
  return { url: database.url, name: 'konstruct', drop: () => database.stop() };
}

const WAYS = ['a process of the server', 'its first process', 'all of it'] as const;
const ROUNDS = [...WAYS, ...WAYS];
const MESSAGES_PER_ROUND = 6;

it('a PostgreSQL that is killed again and again under load loses nothing that was acked, and nothing is answered twice', {
  timeout: 90_000,
}, async () => {
  const dataDir = scratchDataDir();
  installation = await startInstallation({
    database: () => startServer(dataDir),
    workspaces: workspaceWithManyChannels,
    settings: { ratePerMinute: 100_000 },
    simulator: { retryDelaysMs },
    app: { timing: { pollEveryMs: 200 } },
  });
  const { simulator, model, query } = installation;
  expect(await query(`select current_setting('fsync') as fsync`)).toEqual([{ fsync: 'on' }]);
  const modelCalls: ModelCall[] = [];
  model.respond(({ messages }) => {
    const lastToken = tokenOf(messages.at(-1)?.content ?? '');
    modelCalls.push({ atMs: Date.now(), lastToken });
    return { text: `Answer ${modelCalls.length} to ${lastToken}`, delayMs: 100 };
  });
  /** Every answer that ever stood in a message: nobody reads two of them. */
  const read = new Map<string, Set<string>>();
  let answerShown = Promise.withResolvers<void>();
  simulator.subscribe((event) => {
    if (event.type !== 'message.posted' && event.type !== 'message.changed') return;
    const { isAgent, channelId, messageId } = event.message;
    const text = textOf(event.message);
    if (!isAgent || !text.startsWith('Answer')) return;
    const place = `${channelId} ${messageId}`;
    read.set(place, (read.get(place) ?? new Set()).add(text));
    answerShown.resolve();
  });
  const sent: (SentMessage & { readonly token: string })[] = [];
  let said = 0;
  const say = async () => {
    const token = `q${said + 1}`;
    const channelId = String(manyChannels[said % manyChannels.length]);
    said += 1;
    const place = { workspaceId: acme.workspaceId, channelId, userId: acme.mara };
    sent.push({ ...(await simulator.say({ ...place, text: `<@${acme.agent}> ${token}` })), token });
    return sent.at(-1)?.acked;
  };
  /** A process that every server has, and that none has twice. */
  const walWriter = async (): Promise<number | null> => {
    const rows = await query(`select pid from pg_stat_activity where backend_type = 'walwriter'`).catch(
      () => [],
    );
    return rows[0] === undefined ? null : Number(rows[0].pid);
  };
  const kill = async (what: (typeof WAYS)[number], when: 'ack' | 'answer'): Promise<number> => {
    const [first] = readFileSync(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8').split('\n');
    const child = Number(await walWriter());
    // At the moment of an ack, or of an answer: what stood behind it must be on the disk.
    answerShown = Promise.withResolvers();
    const acks = Array.from({ length: MESSAGES_PER_ROUND }, say);
    await (when === 'ack' ? Promise.race(acks) : answerShown.promise);
    if (what === 'a process of the server') process.kill(child, 'SIGKILL');
    else process.kill(Number(first), what === 'all of it' ? 'SIGQUIT' : 'SIGKILL');
    return child;
  };
  for (const [index, what] of ROUNDS.entries()) {
    const killed = await kill(what, index < WAYS.length ? 'ack' : 'answer');
    const isBack = async () => ![null, killed].includes(await walWriter());
    await until(`PostgreSQL is back after the end of ${what}`, isBack, 20_000);
    await sleep(300);
  }
  await until(
    'all is acked',
    async () => (await Promise.all(sent.map(({ acked }) => acked))).every(Boolean),
    30_000,
  );
  await idle(installation);
  const all = await Promise.all(
    sent.map(async (message) => ({ ...message, asked: true, acked: await message.acked })),
  );
  const { violations, counts } = await checkPromises({
    query,
    simulator,
    workspaceIds: [acme.workspaceId],
    said: all,
    modelCalls,
  });
  expect(violations).toEqual([]);
  expect(counts['turns answered']).toBe(ROUNDS.length * MESSAGES_PER_ROUND);
  expect([...read.values()].filter((answers) => answers.size > 1)).toEqual([]);
});

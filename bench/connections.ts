import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createCipher } from '../src/core/cipher.ts';
import { mapConcurrently } from '../src/core/map-concurrently.ts';
import { noBudget } from '../src/core/tenant.ts';
import { createDatabase } from '../src/db/create-database.ts';
import { createDatabasePool } from '../src/db/pool.ts';
import { withTenant } from '../src/db/with-tenant.ts';
import { insertAgents } from '../src/stores/agents.ts';
import { insertConnections } from '../src/stores/connections.ts';
import { insertTenant } from '../src/stores/tenants.ts';
import { silentLog } from '../test/support/silent-log.ts';
import type { CompanyOfCrowd, Crowd, StartCrowd } from './crowds/crowd.ts';
import { startDiscordCrowd } from './crowds/discord-crowd.ts';
import { startGoogleChatCrowd } from './crowds/google-chat-crowd.ts';
import { startMattermostCrowd } from './crowds/mattermost-crowd.ts';
import { startSlackCrowd } from './crowds/slack-crowd.ts';
import { startTeamsCrowd } from './crowds/teams-crowd.ts';
import { startTelegramCrowd } from './crowds/telegram-crowd.ts';
import { startWhatsAppCrowd } from './crowds/whatsapp-crowd.ts';
import { startWidgetCrowd } from './crowds/widget-crowd.ts';
import { type DatabaseServer, startDatabaseServer } from './support/bench-database.ts';
import { build } from './support/build.ts';
import type { ConnectionsProcessOptions, MemoryReading } from './support/connections-process.ts';
import { memoryEnvironment, memoryOptions } from './support/memory-options.ts';
import { type StandIns, startStandIns } from './support/stand-ins.ts';

/**
 * What connections cost in memory: one process with every platform in use and 200 connections, before and after it has
 * 1,000 connections of 1,000 companies more, each of which was written to and answered. Their sockets, streams and open
 * requests are part of it.
 * `node bench/connections.ts [1000]` says at its end whether that is met, and fails if it is not.
 */
const crowdStarters: readonly StartCrowd[] = [
  startSlackCrowd,
  startTeamsCrowd,
  startGoogleChatCrowd,
  startMattermostCrowd,
  startTelegramCrowd,
  startWhatsAppCrowd,
  startDiscordCrowd,
  startWidgetCrowd,
];
/** Before the first reading: connections that are there already, and messages to each of them, so that all is warm. */
const THERE_BEFORE = 200;
const WARM_UP_ROUNDS = 4;
const AT_ONCE = 16;
const ANSWER = 'The importer keeps its place';
const DEADLINE_MS = 120_000;
const MEGABYTE = 1_048_576;

export interface ConnectionsFigures {
  readonly added: number;
  readonly addedMegabytes: number;
}

interface Surroundings {
  readonly standIns: StandIns;
  readonly server: DatabaseServer;
  /** Of what was built. */
  readonly folder: URL;
}

export const wantedMegabytes = (added: number): number => (50 * added) / 1_000;

export async function measureConnections(
  wanted: number,
  { standIns, server, folder }: Surroundings,
): Promise<ConnectionsFigures> {
  const results = fileURLToPath(new URL('./results/', import.meta.url));
  mkdirSync(results, { recursive: true });
  const closing: (() => Promise<unknown>)[] = [];
  try {
    const { url: databaseUrl, masterKey } = await server.createDatabase(standIns.modelUrl, {
      history: 'none',
    });
    const before = Math.ceil(THERE_BEFORE / crowdStarters.length);
    const perPlatform = before + Math.ceil(wanted / crowdStarters.length);
    const crowds: Crowd[] = [];
    for (const start of crowdStarters) {
      const crowd = await start(perPlatform);
      closing.push(() => crowd.close());
      crowds.push(crowd);
    }
    const slack = crowds.find(({ channel }) => channel === 'slack')?.platform;
    const child = await startProcess(folder, `${results}connections.log`, {
      databaseUrl,
      masterKey,
      slack: { signingSecret: slack?.signingSecret ?? null, apiUrl: slack?.apiUrl ?? '' },
      platforms: Object.fromEntries(crowds.map(({ channel, platform }) => [channel, platform])),
    });
    closing.push(() => child.stop());

    const ids = crowds.map(({ companies }) => companies.map(() => randomUUID()));
    const connect = (from: number, to: number) =>
      insertCompanies(
        databaseUrl,
        masterKey,
        crowds.flatMap(({ channel, companies }, crowd) =>
          companies.slice(from, to).map((company, index) => ({
            ...company,
            channel,
            id: ids[crowd]?.[from + index] ?? '',
          })),
        ),
      );
    const everybody = (from: number, to: number) =>
      crowds.flatMap((crowd) =>
        Array.from({ length: to - from }, (_, index) => ({ crowd, company: from + index })),
      );
    await connect(0, before);
    for (const [index, crowd] of crowds.entries()) await crowd.lead(child.url, ids[index] ?? []);
    for (let round = 0; round < WARM_UP_ROUNDS; round += 1)
      await mapConcurrently(everybody(0, before), AT_ONCE, ({ crowd, company }) =>
        converse(crowd, company, round + 1),
      );
    const first = await child.memory();

    await connect(before, perPlatform);
    const added = everybody(before, perPlatform);
    await mapConcurrently(added, AT_ONCE, ({ crowd, company }) => converse(crowd, company, 1));
    const second = await child.memory();

    const megabytes = (bytes: number) => Math.round((bytes / MEGABYTE) * 10) / 10;
    console.table({
      [`${crowds.length * before} connections`]: rounded(first),
      [`${crowds.length * perPlatform} connections`]: rounded(second),
    });
    return { added: added.length, addedMegabytes: megabytes(second.rss - first.rss) };
    function rounded(reading: MemoryReading) {
      return Object.fromEntries(
        Object.entries(reading).map(([name, bytes]) => [`${name}, MB`, megabytes(bytes as number)]),
      );
    }
  } finally {
    for (const close of closing.reverse()) await close();
  }
}

/** One message, until its answer stands there: the `number`th of this company. */
async function converse(crowd: Crowd, company: number, number: number): Promise<void> {
  const until = async (what: string, isSo: () => boolean) => {
    for (const deadlineMs = Date.now() + DEADLINE_MS; !isSo(); await sleep(20))
      if (Date.now() > deadlineMs) throw new Error(`${crowd.channel}, company ${company}: no ${what}`);
  };
  await until('way for events', () => crowd.isReached(company));
  await crowd.say(company, `How do I resume the import? (${number})`);
  await until('answer', () => crowd.shown(company, ANSWER) >= number);
}

async function insertCompanies(
  databaseUrl: string,
  masterKey: string,
  companies: readonly (CompanyOfCrowd & { readonly id: string; readonly channel: string })[],
): Promise<void> {
  const cipher = createCipher([Buffer.from(masterKey, 'base64')]);
  const database = createDatabase(
    createDatabasePool({ url: databaseUrl, name: 'crowd', size: 2, log: silentLog }),
  );
  try {
    for (const { id, channel, externalId, credentials, settings, agentUserId = '' } of companies) {
      const [tenantId, agentId] = [randomUUID(), randomUUID()];
      await withTenant(database, tenantId, async (transaction) => {
        const budgets = { timeZone: 'UTC', budget: noBudget, personBudget: noBudget };
        await insertTenant(transaction, { id: tenantId, slug: `company-${id}`, name: 'Company', ...budgets });
        const agent = { id: agentId, tenantId, slug: 'ada', name: 'Ada', role: 'Support' };
        const words = { persona: 'Calm and precise.', instructions: '', placeholder: 'Thinking…' };
        await insertAgents(transaction, [{ ...agent, ...words, route: 'default', busyMode: 'queue' }]);
        const connection = { id, tenantId, agentId, channel, externalId, credentials, agentUserId };
        await insertConnections(transaction, cipher, [
          { ...connection, settings: { ratePerMinute: 1_000, ...settings }, appId: '', status: 'active' },
        ]);
      });
    }
  } finally {
    await database.destroy();
  }
}

async function startProcess(folder: URL, logFile: string, options: ConnectionsProcessOptions) {
  const log = openSync(logFile, 'w');
  const child = fork(
    fileURLToPath(new URL('support/connections-process.js', folder)),
    [JSON.stringify(options)],
    {
      execArgv: ['--expose-gc', ...memoryOptions],
      env: { ...process.env, ...memoryEnvironment },
      stdio: ['ignore', log, log, 'ipc'],
    },
  );
  closeSync(log);
  const gone = once(child, 'exit').then(([code]) => {
    throw new Error(`The process ended with ${String(code)}; see ${logFile}`);
  });
  gone.catch(() => {}); // at the end it is expected
  const [url] = (await Promise.race([once(child, 'message'), gone])) as [string];
  return {
    url,
    async memory(): Promise<MemoryReading> {
      const reading = once(child, 'message');
      child.send('memory');
      return ((await Promise.race([reading, gone])) as [MemoryReading])[0];
    },
    async stop() {
      const ended = once(child, 'exit');
      child.disconnect();
      await ended;
    },
  };
}

if (import.meta.main) {
  const standIns = await startStandIns();
  const server = await startDatabaseServer();
  try {
    const surroundings = { standIns, server, folder: await build() };
    const { added, addedMegabytes } = await measureConnections(
      Number(process.argv[2] ?? 1_000),
      surroundings,
    );
    const isMet = addedMegabytes <= wantedMegabytes(added);
    const wanted = `wanted: at most ${wantedMegabytes(added)} MB`;
    console.log(
      `${added} connections more over all platforms: ${addedMegabytes} MB (${wanted}): ${isMet ? 'met' : 'MISSED'}.`,
    );
    if (!isMet) process.exitCode = 1;
  } finally {
    await server.stop();
    await standIns.close();
  }
}

import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { createCipher } from '../../src/core/cipher.ts';
import type { Random } from '../../src/core/clock.ts';
import { busyModes } from '../../src/core/tenant.ts';
import { startEmbeddedDatabase } from '../../src/db/embedded/start-embedded-database.ts';
import { migrate } from '../../src/db/migrate.ts';
import { createSimulator } from '../../src/simulator/create-simulator.ts';
import { defaultSeeds } from '../../src/simulator/default-seeds.ts';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { startSimulatorServer } from '../../src/simulator/start-simulator-server.ts';
import type { WorkspaceSeed } from '../../src/simulator/workspace.ts';
import { type ModelServer, startModelServer } from '../support/model-server.ts';
import { seedTenants } from '../support/seed-tenants.ts';
import { SIGNING_SECRET } from '../support/signing-secret.ts';
import { silentLog } from '../support/silent-log.ts';
import { startBalancer } from '../support/start-balancer.ts';
import { type RedisServer, startRedis } from '../support/start-redis.ts';
import { type ServeProcess, startServeProcess } from '../support/start-serve-process.ts';
import { startTcpProxy, type TcpProxy, throughProxy } from '../support/tcp-proxy.ts';

/** One place for a `konstruct serve` process, which is killed and started again. */
export interface Seat {
  readonly role: 'gateway' | 'worker';
  readonly name: string;
  /** What the process reaches PostgreSQL through. */
  readonly proxy: TcpProxy;
  /** `null` while it is down or on its way up. */
  process: ServeProcess | null;
  /** Every process that ever sat here, for their log lines. */
  readonly past: ServeProcess[];
}

/** A whole installation of which everything can be killed: a cluster of its own, gateways and workers as processes. */
export interface ChaosInstallation {
  readonly simulator: Simulator;
  readonly model: ModelServer;
  readonly seats: readonly Seat[];
  /** Several companies; some with several workspaces, each with an agent of its own. */
  readonly workspaces: readonly WorkspaceSeed[];
  /** `null`: this run does without. */
  readonly redis: RedisServer | null;
  start(seat: Seat): Promise<void>;
  /** Requests the balancer could not pass on, where there is one. */
  readonly failures: readonly string[];
  /** kill -9 of the database server's first process; it is started again by whoever supervises it. */
  killPostmaster(): void;
  query(text: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>;
  stop(): Promise<void>;
}

/** Workspaces of each company: three tenants, two of them with more than one agent. */
const COMPANIES = [2, 2, 1];
const CHANNELS = 6;
/** Slack's own pauses are minutes; what matters is that it tries again until somebody acks. */
const EVENT_RETRIES_MS = [100, 500, 1_000, 2_000, 3_000, 5_000, 5_000, 10_000, 10_000, 10_000];

/** @param options.balanced whether events go through something that asks `/readyz` and repeats no request */
export async function startChaosInstallation(
  random: Random,
  options: { readonly balanced: boolean; readonly redis: boolean },
): Promise<ChaosInstallation> {
  const closing: (() => Promise<unknown> | unknown)[] = [];
  const stop = async () => {
    for (const close of closing.splice(0).reverse()) await close();
  };
  try {
    const dataDir = mkdtempSync(join(tmpdir(), 'konstruct-chaos-'));
    closing.push(() => rmSync(dataDir, { recursive: true, force: true }));
    const database = await startEmbeddedDatabase({ dataDir, log: silentLog });
    closing.push(() => database.stop());
    await migrate(database.url, { log: silentLog });
    const admin = new pg.Pool({ connectionString: database.url, max: 2 });
    admin.on('error', () => {}); // the server is killed now and then
    admin.on('connect', (client) => client.on('error', () => {}));
    closing.push(() => admin.end());

    const redis = options.redis ? await startRedis() : null;
    closing.push(() => redis?.close());
    const model = await startModelServer();
    closing.push(() => model.close());
    const workspaces = COMPANIES.flatMap((sites, company) =>
      Array.from({ length: sites }, (_, site) => makeWorkspace(company, site)),
    );
    const partOf = Object.fromEntries(
      workspaces.map(({ id }) => [id, `${id.slice(0, -1)}0`] as const).filter(([id, first]) => id !== first),
    );
    const masterKey = randomBytes(32);
    await seedTenants({
      databaseUrl: database.url,
      cipher: createCipher([masterKey]),
      workspaces,
      partOf,
      settings: { ratePerMinute: 100_000, onDeletion: random() < 0.5 ? 'keep' : 'retract' },
      agent: { busyMode: busyModes[Math.floor(random() * busyModes.length)] ?? 'queue' },
      routes: {
        default: [
          {
            provider: 'openai-compatible',
            model: 'test',
            baseUrl: model.urls['openai-compatible'],
            apiKey: 'k',
          },
        ],
      },
    });

    const { hostname, port } = new URL(database.url);
    const seats: Seat[] = [];
    for (const [role, number] of [
      ['gateway', 1],
      ['gateway', 2],
      ['worker', 1],
      ['worker', 2],
    ] as const) {
      const proxy = await startTcpProxy({ host: hostname, port: Number(port) });
      closing.push(() => proxy.close());
      seats.push({ role, name: `${role} ${number}`, proxy, process: null, past: [] });
    }
    const gatewayUrl = () => {
      const open = seats.filter(({ role, process }) => role === 'gateway' && process !== null);
      const chosen = open[Math.floor(random() * open.length)];
      return `${chosen?.process?.url ?? 'http://127.0.0.1:9'}/slack/events`;
    };
    const balancer = options.balanced
      ? await startBalancer(() =>
          seats.flatMap(({ role, process }) => (role === 'gateway' && process ? [process.url] : [])),
        )
      : null;
    closing.push(() => balancer?.close());
    const simulator = createSimulator({
      refusesUnknownArguments: true,
      eventsUrl: balancer ? `${balancer.url}/slack/events` : gatewayUrl,
      signingSecret: SIGNING_SECRET,
      workspaces,
      clock: () => Date.now(),
      random,
      fetch: globalThis.fetch,
      log: silentLog,
      retryDelaysMs: EVENT_RETRIES_MS,
    });
    closing.push(() => simulator.stop());
    const slack = await startSimulatorServer(simulator, { port: 0 });
    closing.push(() => slack.close());

    const start = async (seat: Seat): Promise<void> => {
      const target = {
        databaseUrl: throughProxy(database.url, seat.proxy),
        masterKey,
        slackApiUrl: slack.apiUrl,
      };
      const started = await startServeProcess(target, seat.role, {
        STOP_GRACE_SECONDS: '1',
        STOP_DEADLINE_SECONDS: '2',
        ...(redis ? { REDIS_URL: redis.url } : {}),
      });
      seat.past.push(started);
      seat.process = started;
    };
    closing.push(() => Promise.all(seats.map(({ process }) => process?.end('SIGKILL'))));
    await Promise.all(seats.map(start));
    await balancer?.ready();
    return {
      failures: balancer?.failures ?? [],
      simulator,
      model,
      seats,
      workspaces,
      redis,
      start,
      killPostmaster() {
        const [pid] = readFileSync(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8').split('\n');
        process.kill(Number(pid), 'SIGKILL');
      },
      query: async (text, values = []) => (await admin.query(text, [...values])).rows,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * A workspace whose ids no other has, but for the people: the same persons work in all of them, as they may on Slack.
 * The adapter sends about one message a second to a channel, as Slack wants it: much talk needs many channels.
 */
function makeWorkspace(company: number, site: number): WorkspaceSeed {
  const seed = defaultSeeds[0] as WorkspaceSeed;
  const mark = `${company}${site}`;
  const botUserId = `U0CHAOSBOT${mark}`;
  const memberIds = [...seed.users.map(({ id }) => id), botUserId];
  const channels = Array.from({ length: CHANNELS }, (_, index) => ({
    id: `C0CHAOS${mark}X${index}`,
    name: `chaos-${index}`,
    kind: 'public' as const,
    topic: '',
    memberIds,
  }));
  const directs = seed.users.slice(0, 2).map(({ id, handle }, index) => ({
    id: `D0CHAOS${mark}X${index}`,
    name: handle,
    kind: 'im' as const,
    topic: '',
    memberIds: [id, botUserId],
  }));
  return {
    ...seed,
    id: `T0CHAOS${mark}`,
    name: `Company ${company} site ${site}`,
    botUserId,
    botId: `B0CHAOSBOT${mark}`,
    botToken: `xoxb-simulator-chaos-${mark}`,
    agentName: `Agent${mark}`,
    channels: [...channels, ...directs],
  };
}

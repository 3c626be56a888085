import { randomUUID } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import type pg from 'pg';
import { createSlackChannel } from './channels/slack/index.ts';
import type { Channel } from './core/channel.ts';
import type { Cipher } from './core/cipher.ts';
import { KonstructError } from './core/errors.ts';
import type { JourneyRecorder } from './core/journey.ts';
import type { Log } from './core/log.ts';
import type { ProviderKeys } from './core/model.ts';
import type { Tool } from './core/tool.ts';
import { createDatabase } from './db/create-database.ts';
import { listen } from './db/listen.ts';
import { migrate } from './db/migrate.ts';
import { createDatabasePool, errorCode, trackProcessIds, translateDatabaseError } from './db/pool.ts';
import { withTenant } from './db/with-tenant.ts';
import { createDelivery } from './delivery/create-delivery.ts';
import { createPersonNames } from './delivery/create-person-names.ts';
import { createSendNotices } from './delivery/create-send-notices.ts';
import { createEventSockets } from './gateway/create-event-sockets.ts';
import { createHttpServer, type HealthReport } from './gateway/create-http-server.ts';
import { createReceiver } from './gateway/create-receiver.ts';
import { createModelPool } from './llm/create-model-pool.ts';
import { defaultRoute } from './llm/default-route.ts';
import { createPreparePrompt } from './orchestrator/create-prepare-prompt.ts';
import { createRunTurn } from './orchestrator/create-run-turn.ts';
import { createTurnQueue } from './queue/create-turn-queue.ts';
import { createWorker, type Worker } from './queue/create-worker.ts';
import { type Jobs, startJobs } from './queue/start-jobs.ts';
import { createAdmit } from './router/admit.ts';
import { createBlockedBuckets } from './router/create-blocked-buckets.ts';
import { createConnectionDirectory } from './router/create-connection-directory.ts';
import { createRouter } from './router/create-router.ts';
import { disableConnection } from './stores/connection-status.ts';
import { findConnection, listOwnApps, openCredentials, recordAgentUser } from './stores/connections.ts';
import { readConversationMessages } from './stores/conversation-messages.ts';
import { claimNotices, finishNotice } from './stores/notices.ts';
import { expireOldRows } from './stores/retention.ts';
import { createRouteDirectory } from './stores/route-directory.ts';
import { storeThread } from './stores/threads.ts';
import { systemTime } from './system-time.ts';
import { createToolBox } from './tools/create-tool-box.ts';
import { createCurrentTime } from './tools/current-time.ts';
import { createReadConversation } from './tools/read-conversation.ts';

export interface AppOptions {
  readonly databaseUrl: string;
  readonly role: 'all' | 'gateway' | 'worker';
  readonly host: string;
  readonly port: number;
  readonly cipher: Cipher;
  readonly slack: {
    readonly signingSecret: string | null;
    readonly apiUrl: string;
    /** Socket Mode: events are fetched with it; absent or `null`: Slack sends them. */
    readonly appToken?: string | null;
  };
  readonly providerKeys: ProviderKeys;
  readonly workerConcurrency: number;
  readonly retentionDays: number;
  readonly version: string;
  readonly log: Log;
  readonly journeys: JourneyRecorder;
  /** Tools beside those that are built in, for agents that name them. */
  readonly tools?: readonly Tool[];
  /** Adds pages and APIs of other parts to the HTTP server before it listens (simulator, portal). */
  readonly extend?: (server: FastifyInstance) => Promise<void>;
  readonly timing?: Partial<AppTiming>;
  readonly demoDelayMs?: number;
}

/** What tests and the impatient may want otherwise; ms. */
export interface AppTiming {
  readonly leaseMs: number;
  readonly renewEveryMs: number;
  readonly pollEveryMs: number;
  readonly modelRetryDelaysMs: readonly number[];
  readonly deliveryRetryDelaysMs: readonly number[];
  readonly modelAttemptMs: number;
  readonly modelTotalMs: number;
  readonly toolDeadlineMs: number;
}

const defaultTiming: AppTiming = {
  leaseMs: 15_000,
  renewEveryMs: 5_000,
  pollEveryMs: 1_000,
  modelRetryDelaysMs: [2_000, 10_000, 30_000],
  deliveryRetryDelaysMs: [1_000, 5_000, 15_000, 30_000, 60_000, 120_000, 300_000, 300_000, 300_000, 300_000],
  modelAttemptMs: 60_000,
  modelTotalMs: 120_000,
  toolDeadlineMs: 60_000,
};

export interface App {
  /** Where it listens: `http://127.0.0.1:8001`. */
  readonly url: string;
  /** Stops taking requests, finishes or hands over what is under way, and closes everything. */
  stop(): Promise<void>;
}

/** Connections a process opens for admissions and for its turns (measured, ARCHITECTURE.md section 6). */
const ADMIT_CONNECTIONS = 4;
const WORKER_CONNECTIONS = 8;
const HISTORY_MESSAGES = 60;
const HISTORY_TOKENS = 24_000;
const THREAD_MESSAGES = 50;
const MAX_OUTPUT_TOKENS = 4_096;
const NOTICE_RETRY_MS = 5_000;
/** How long turns under way may finish after SIGTERM before they are handed to other workers. */
const STOP_DEADLINE_MS = 10_000;

/** Builds the whole pipeline in the order in which a message passes it. The only place that knows every part. */
export async function startApp(options: AppOptions): Promise<App> {
  const { databaseUrl, cipher, log, journeys } = options;
  const timing = { ...defaultTiming, ...options.timing };
  const isGateway = options.role !== 'worker';
  const isWorker = options.role !== 'gateway';
  const { clock, wallClock, random, sleep } = systemTime;
  const closing: (() => Promise<unknown> | unknown)[] = [];
  const stop = async (): Promise<void> => {
    // What cannot be closed in order must not keep the rest open, or the process would not end.
    for (const close of closing.splice(0).reverse()) {
      try {
        await close();
      } catch (error) {
        log.warn('stop.incomplete', { error });
      }
    }
  };

  try {
    // Ground: database, announcements, channels
    await migrate(databaseUrl, { log });
    const pool = (name: string, size: number): pg.Pool => {
      const made = createDatabasePool({
        url: databaseUrl,
        name,
        size,
        log,
        ...(name === 'admit' ? ADMIT_TIMEOUTS : {}),
      });
      closing.push(() => made.end());
      return made;
    };
    const admitPool = isGateway ? pool('admit', ADMIT_CONNECTIONS) : null;
    const ownGateway = admitPool ? trackProcessIds(admitPool) : new Set<number>();
    const workPool = pool('work', isWorker ? WORKER_CONNECTIONS : 2);
    const database = createDatabase(workPool);
    const listener = await listen(databaseUrl, { log });
    closing.push(() => listener.stop());
    const slack = createSlackChannel({
      apiUrl: options.slack.apiUrl,
      clock,
      random,
      sleep,
      log,
    });
    closing.push(() => slack.close());
    const channels: ReadonlyMap<string, Channel> = new Map([[slack.type, slack]]);

    // 1 gateway and 2 router: what comes in
    const directory = createConnectionDirectory({ pool: admitPool ?? workPool, clock });
    listener.on('konstruct_changed', () => directory.invalidate());
    let worker: Worker | null = null;
    let jobs: Jobs | null = null;
    const route = createRouter({
      admit: createAdmit(admitPool ?? workPool, () => worker),
      blocked: createBlockedBuckets(clock),
      disableConnection: (connection, reason) => disableConnection(admitPool ?? workPool, connection, reason),
      onAgentUser: (connection, agentUserId) => {
        withTenant(database, connection.tenantId, (transaction) =>
          recordAgentUser(transaction, { ...connection, agentUserId }),
        ).catch((error: unknown) => log.warn('connection.agent_user_unrecorded', { error }));
      },
      onReady: () => worker?.wake(),
      onNotice: () => {
        jobs?.request('send_notices').catch((error: unknown) => log.warn('jobs.request_failed', { error }));
      },
      log,
    });
    const slackReceiver = createReceiver({
      channel: slack,
      signingSecret: options.slack.signingSecret,
      directory,
      route,
      cipher,
      clock,
      wallClock,
      journeys,
      log,
    });
    const server = createHttpServer({
      receivers: isGateway ? new Map([['/slack/events', slackReceiver]]) : new Map(),
      health: createHealth(workPool, options),
      clock,
      log,
    });
    closing.push(() => server.close()); // when it never comes to listening; harmless the second time
    await options.extend?.(server);

    // 3 queue, 4 orchestrator, 5 models and 6 delivery: what goes out
    const routes = createRouteDirectory({ database, cipher, fallback: defaultRoute(options.providerKeys) });
    listener.on('konstruct_changed', () => routes.invalidate());
    const queue = createTurnQueue({
      pool: workPool,
      owner: `${options.role}-${process.pid}-${randomUUID().slice(0, 8)}`,
      leaseMs: timing.leaseMs,
      historyMessages: HISTORY_MESSAGES,
      clock,
    });
    const delivery = createDelivery({ channels, cipher, isHeld: queue.isHeld, log });
    const models = createModelPool({
      routes: (name) => routes.find(name),
      keys: options.providerKeys,
      clock,
      random,
      sleep,
      log,
      timeouts: { attemptMs: timing.modelAttemptMs, totalMs: timing.modelTotalMs },
      ...(options.demoDelayMs === undefined ? {} : { demoDelayMs: options.demoDelayMs }),
    });
    const personNames = createPersonNames({
      channels,
      open: async (tenantId, id) => {
        const connection = await withTenant(database, tenantId, (transaction) =>
          findConnection(transaction, id),
        );
        if (connection === null) return null;
        const { channel, externalId } = connection;
        const credentials = openCredentials(cipher, connection);
        return { channel, access: { connectionId: id, externalId, credentials } };
      },
    });
    const toolsOf = createToolBox(
      [
        createCurrentTime(wallClock),
        createReadConversation({
          readMessages: (page) => readConversationMessages(database, page),
          personNames,
          historyMessages: HISTORY_MESSAGES,
        }),
        ...(options.tools ?? []),
      ],
      log,
    );
    const runTurn = createRunTurn({
      ledger: queue,
      models,
      delivery,
      preparePrompt: createPreparePrompt({
        delivery,
        storeThread: (turn, messages) => storeThread(database, turn, messages),
        channelNames: new Map([['slack', 'Slack']]),
        clock: wallClock,
        log,
        historyTokens: HISTORY_TOKENS,
        threadMessages: THREAD_MESSAGES,
      }),
      toolsOf: ({ agent }) => toolsOf(agent),
      isHeld: queue.isHeld,
      toolDeadlineMs: timing.toolDeadlineMs,
      clock,
      sleep,
      journeys,
      log,
      modelRetryDelaysMs: timing.modelRetryDelaysMs,
      deliveryRetryDelaysMs: timing.deliveryRetryDelaysMs,
      maxOutputTokens: MAX_OUTPUT_TOKENS,
    });
    const sendNotices = createSendNotices({
      claim: (limit) => claimNotices(workPool, limit),
      finish: (notice, result) => finishNotice(database, notice, result),
      channels,
      cipher,
      clock,
      log,
    });
    // Gateways take part in background work too: a notice is then sent although no worker is near.
    jobs = await startJobs({
      databaseUrl,
      handlers: {
        send_notices: async (signal) => ({
          againAfterMs: (await sendNotices(signal)) ? NOTICE_RETRY_MS : null,
        }),
        retention: async (signal) => {
          const before = new Date(wallClock() - options.retentionDays * 86_400_000);
          log.info('retention.done', { ...(await expireOldRows(workPool, before, signal)) });
          return { againAfterMs: null };
        },
      },
      log,
    });
    const startedJobs = jobs;
    closing.push(() => startedJobs.stop());

    await warmUp([...(admitPool ? [admitPool] : []), workPool]);
    if (isWorker) {
      const fallback = await routes.find('default');
      if (fallback !== null) await models.prepare(fallback);
      const ours = createWorker({
        queue,
        concurrency: options.workerConcurrency,
        runTurn,
        renewEveryMs: timing.renewEveryMs,
        pollEveryMs: timing.pollEveryMs,
        log,
      });
      worker = ours;
      listener.on('konstruct_ready', (fromProcessId) => {
        // Our own gateway has woken the worker already: a second claim would find nothing.
        if (fromProcessId === null || !ownGateway.has(fromProcessId)) ours.wake();
      });
      ours.start();
      closing.push(() => ours.stop(STOP_DEADLINE_MS));
    }
    const url = await listenOn(server, options.host, options.port);
    closing.push(() => closeServer(server));
    if (isGateway) {
      const sockets = createEventSockets({
        sharedToken: options.slack.appToken ?? null,
        listOwnApps: () => listOwnApps(workPool, slack.type),
        find: (connectionId) => directory.find(slack.type, connectionId),
        open: async (socket) => {
          // Loaded by use: most installations are reached over HTTP.
          const { keepSlackSockets } = await import('./channels/slack/socket-mode/keep-slack-sockets.ts');
          return keepSlackSockets({ ...socket, apiUrl: options.slack.apiUrl, clock, random, sleep, log });
        },
        receiver: slackReceiver,
        cipher,
        clock,
        log,
      });
      listener.on('konstruct_changed', () => sockets.refresh());
      sockets.refresh();
      closing.push(() => sockets.stop(HTTP_DEADLINE_MS));
    }
    return { url, stop };
  } catch (error) {
    await stop();
    throw translateDatabaseError(error);
  }
}

/** A platform waits 3 s for its ack: a database that takes longer is answered with 503 in time. */
const ADMIT_TIMEOUTS = { connectTimeoutMs: 2_000, statementTimeoutMs: 2_500 };

async function listenOn(server: FastifyInstance, host: string, port: number): Promise<string> {
  try {
    return await server.listen({ host, port });
  } catch (cause) {
    if (errorCode(cause) === 'EADDRINUSE') {
      throw new KonstructError('port_in_use', `Port ${port} on ${host} is taken by another program.`, {
        cause,
      });
    }
    throw cause;
  }
}

/** How long requests and envelopes under way may take once the process stops; a platform waits 3 s for its ack. */
const HTTP_DEADLINE_MS = 3_000;
const IDLE_CHECK_MS = 25;

/** A kept-alive connection that was busy when closing began would hold it up until its keep-alive timeout. */
async function closeServer(server: FastifyInstance): Promise<void> {
  const idle = setInterval(() => server.server.closeIdleConnections(), IDLE_CHECK_MS);
  const deadline = setTimeout(() => server.server.closeAllConnections(), HTTP_DEADLINE_MS);
  try {
    await server.close();
  } finally {
    clearInterval(idle);
    clearTimeout(deadline);
  }
}

/** Opens every pooled connection and plans the hot functions on it: a cold first message would wait 60–80 ms. */
async function warmUp(pools: readonly pg.Pool[]): Promise<void> {
  for (const pool of pools) {
    const clients = await Promise.all(Array.from({ length: pool.options.max }, () => pool.connect()));
    try {
      await Promise.all(
        clients.map(async (client) => {
          await client.query("select admit_batch('[]')");
          await client.query("select admit_and_claim('[]', 'warm-up', 0, 0, 0, gen_random_uuid())");
          await client.query("select claim_turns('warm-up', 0, 0, 0, gen_random_uuid())");
          await client.query(
            "select log_steps('warm-up', '[]'), commit_turns('warm-up', '[]'), finish_turns('warm-up', '[]')",
          );
        }),
      );
    } finally {
      for (const client of clients) client.release();
    }
  }
}

const HEALTH_FRESH_MS = 500;

function createHealth(pool: pg.Pool, options: AppOptions): () => Promise<HealthReport> {
  let latest: { readonly at: number; readonly report: Promise<HealthReport> } | null = null;
  const ask = async (): Promise<HealthReport> => {
    const base = { version: options.version, role: options.role };
    try {
      const { rows } = await pool.query<{ waiting: string; oldest_ms: number }>(
        'select * from queue_status()',
      );
      const [row] = rows;
      const queue = { waiting: Number(row?.waiting ?? 0), oldestMs: Math.round(row?.oldest_ms ?? 0) };
      return { status: 'ok', ...base, database: 'ok', queue };
    } catch (error) {
      return {
        status: 'unavailable',
        ...base,
        database: 'unavailable',
        reason: `The database does not answer (${errorCode(error) ?? 'no connection'}).`,
      };
    }
  };
  return () => {
    const now = Date.now();
    if (latest === null || now - latest.at > HEALTH_FRESH_MS) latest = { at: now, report: ask() };
    return latest.report;
  };
}

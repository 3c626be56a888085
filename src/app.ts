// Longer than 400 lines: the one place that knows every part, read in the order in which a message passes them.
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { type AppOptions, defaultTiming } from './app-options.ts';
import { channelTable, webhookUrl } from './channel-table.ts';
import type { Channel } from './core/channel.ts';
import type { PlatformSettings } from './core/channel-definition.ts';
import { MAX_OUTPUT_TOKENS } from './core/model.ts';
import { createDatabase } from './db/create-database.ts';
import { listen } from './db/listen.ts';
import { migrate } from './db/migrate.ts';
import { createDatabasePool, trackProcessIds, translateDatabaseError } from './db/pool.ts';
import { createSessionLocks } from './db/session-locks.ts';
import { warmUp } from './db/warm-up.ts';
import { withTenant } from './db/with-tenant.ts';
import { createCredentialRenewal } from './delivery/create-credential-renewal.ts';
import { createDelivery, requireChannel } from './delivery/create-delivery.ts';
import { createIsPerson } from './delivery/create-is-person.ts';
import { createPersonNames } from './delivery/create-person-names.ts';
import { createSendNotices } from './delivery/create-send-notices.ts';
import { closeHttpServer } from './gateway/close-http-server.ts';
import { createAcceptEvent } from './gateway/create-accept-event.ts';
import { createCourtesies } from './gateway/create-courtesies.ts';
import { createEventSockets } from './gateway/create-event-sockets.ts';
import { createHandshake } from './gateway/create-handshake.ts';
import { createHealth } from './gateway/create-health.ts';
import { createHttpServer, type ProcessPhase } from './gateway/create-http-server.ts';
import { createReceiver } from './gateway/create-receiver.ts';
import { createShowCommand } from './gateway/create-show-command.ts';
import { createSubscriptions } from './gateway/create-subscriptions.ts';
import { listenOn } from './gateway/listen-on.ts';
import { ownOrigins as originsOf } from './gateway/own-origins.ts';
import { receiverOf } from './gateway/receiver-of.ts';
import { createMailboxHub } from './gateway/visitors/create-mailbox-hub.ts';
import { createVisitorGate } from './gateway/visitors/create-visitor-gate.ts';
import { visitorRoutes } from './gateway/visitors/visitor-routes.ts';
import { widgetScript } from './gateway/widget-script.ts';
import { countBudgets } from './llm/budget/count-budgets.ts';
import { openBudgetGate } from './llm/budget/open-budget-gate.ts';
import { createModelPool } from './llm/create-model-pool.ts';
import { defaultRoute } from './llm/default-route.ts';
import { installationsOf, openInstallFlows } from './open-install-flows.ts';
import { createFilesInHand } from './orchestrator/create-files-in-hand.ts';
import { createPreparePrompt } from './orchestrator/create-prepare-prompt.ts';
import { createRunTurn } from './orchestrator/create-run-turn.ts';
import { createFetchAttachments } from './orchestrator/fetch-attachments.ts';
import { createLookAgain } from './orchestrator/look-again.ts';
import { createTurnQueue } from './queue/create-turn-queue.ts';
import { createWorker, type Worker } from './queue/create-worker.ts';
import { readQueueStatus } from './queue/read-queue-status.ts';
import { type Jobs, startJobs } from './queue/start-jobs.ts';
import { openRedisFilter } from './redis/open-redis-filter.ts';
import { createAdmit, createAdmitWish } from './router/admit.ts';
import { createFeedbackAdmission } from './router/admit-feedback.ts';
import { createRecordReceipt } from './router/admit-receipt.ts';
import { createBlockedBuckets } from './router/create-blocked-buckets.ts';
import { createConnectionDirectory } from './router/create-connection-directory.ts';
import { createFilteredAdmit } from './router/create-filtered-admit.ts';
import { createRouter } from './router/create-router.ts';
import { createStopTurn } from './router/create-stop-turn.ts';
import { keepIncoming } from './router/keep-incoming.ts';
import { createQuotedRecord } from './router/quotation.ts';
import { watchBacklog } from './router/watch-backlog.ts';
import { createStopSequence } from './stop-sequence.ts';
import { readAgentName } from './stores/agents.ts';
import { listChannelConnections, listChannelsInUse } from './stores/channel-connections.ts';
import { disableConnection, hasCredentials } from './stores/connection-status.ts';
import { listOwnApps, openConnection, recordAgentUser } from './stores/connections.ts';
import { readConversationMessages } from './stores/conversation-messages.ts';
import { listExpiringConnections, renewStoredCredentials } from './stores/credential-renewal.ts';
import { endEngagement } from './stores/engagement.ts';
import { createMailbox, createVisitorMailbox } from './stores/mailbox.ts';
import { createModelKeyDirectory } from './stores/model-keys.ts';
import { claimNotices, finishNotice } from './stores/notices.ts';
import { readRecordedActivity } from './stores/recorded-activity.ts';
import { expireLedger, expireOldRows } from './stores/retention.ts';
import { createRouteDirectory } from './stores/route-directory.ts';
import { storeThread } from './stores/threads.ts';
import { systemTime } from './system-time.ts';
import { createMetrics } from './telemetry/create-metrics.ts';
import { watchModels } from './telemetry/watch-models.ts';
import { watchProcess } from './telemetry/watch-process.ts';
import { watchRedis } from './telemetry/watch-redis.ts';
import { createAttachFile } from './tools/attach-file.ts';
import { createToolBox } from './tools/create-tool-box.ts';
import { createCurrentTime } from './tools/current-time.ts';
import { createOfferChoices } from './tools/offer-choices.ts';
import { createReact } from './tools/react.ts';
import { createReadAttachment } from './tools/read-attachment.ts';
import { createReadConversation } from './tools/read-conversation.ts';

export interface App {
  /** Where it listens: `http://127.0.0.1:8001`. */
  readonly url: string;
  /** Stops taking requests, finishes or hands over what is under way, and closes everything. */
  stop(): Promise<void>;
}

/** Connections a process opens for admissions and for its turns (measured, ARCHITECTURE.md section 6). */
const ADMIT_CONNECTIONS = 4;
const WORKER_CONNECTIONS = 8;
const VISITOR_CONNECTIONS = 4;
const RENEWAL_CONNECTIONS = 2;
const HISTORY_MESSAGES = 60;
const HISTORY_TOKENS = 24_000;
const THREAD_MESSAGES = 50;
/** Files that people sent, in all turns of this process at a time; each takes up to four times that on its way to a model. */
const MAX_FILE_BYTES_IN_HAND = 64_000_000;
const NOTICE_RETRY_MS = 5_000;

/** Builds the whole pipeline in the order in which a message passes it. The only place that knows every part. */
export async function startApp(options: AppOptions): Promise<App> {
  const { databaseUrl, cipher, log, journeys } = options;
  const timing = { ...defaultTiming, ...options.timing };
  const isGateway = options.role !== 'worker';
  const isWorker = options.role !== 'gateway';
  const { clock, random, sleep } = systemTime;
  const wallClock = options.wallClock ?? systemTime.wallClock;
  const metrics = options.metrics ?? createMetrics({ process: false, log });
  let phase: ProcessPhase = 'starting';
  const { draining, closing, run } = createStopSequence(log);
  const stop = async (): Promise<void> => {
    phase = 'stopping';
    await run();
  };

  try {
    // Ground: database, announcements, channels
    await migrate(databaseUrl, { log });
    const pools = new Map<string, pg.Pool>();
    const pool = (name: string, size: number): pg.Pool => {
      const made = createDatabasePool({
        url: databaseUrl,
        name,
        size,
        log,
        ...(name === 'admit' ? ADMIT_TIMEOUTS : {}),
      });
      closing.push(() => made.end());
      pools.set(name, made);
      return made;
    };
    const admitPool = isGateway ? pool('admit', ADMIT_CONNECTIONS) : null;
    const ownGateway = admitPool ? trackProcessIds(admitPool) : new Set<number>();
    const workPool = pool('work', isWorker ? WORKER_CONNECTIONS : 2);
    const database = createDatabase(workPool);
    const readQueue = async () => ({ ...(await readQueueStatus(workPool)) });
    const redisAddress = isGateway ? (options.redis ?? null) : null;
    const listener = await listen(databaseUrl, {
      log,
      also: [...(redisAddress ? (['konstruct_begun'] as const) : []), ...(isGateway ? MAILBOX_NEWS : [])],
    });
    closing.push(() => listener.stop());
    const definitions = options.channels ?? channelTable;
    const settings: Readonly<Record<string, PlatformSettings>> = {
      ...options.platforms,
      slack: options.slack,
    };
    const mailbox = createMailbox(workPool);
    const visitorMailbox = createVisitorMailbox(
      admitPool ?? workPool,
      // Reading for many browsers must not hold up admissions. Opens no connection before it is used.
      isGateway ? createDatabase(pool('visitors', VISITOR_CONNECTIONS)) : database,
    );
    // A renewal holds its connection for as long as the platform takes: turns and admissions must not wait for one.
    const renewalDatabase = createDatabase(pool('renewals', RENEWAL_CONNECTIONS));
    const renewal = createCredentialRenewal({
      installations: () => installationsOf(channels),
      find: (channel, id) => directory.find(channel, id),
      listExpiring: (channel, beforeMs) => listExpiringConnections(workPool, channel, beforeMs),
      renewStored: (connection, steps) => renewStoredCredentials(renewalDatabase, cipher, connection, steps),
      disableConnection: (connection, reason) => disableConnection(database, connection, reason),
      cipher,
      wallClock,
      log,
    });
    const channels: ReadonlyMap<string, Channel> = new Map(
      definitions.map((definition) => {
        const { apiUrl = definition.defaultApiUrl, values = {} } = settings[definition.type] ?? {};
        const channel = definition.open({
          apiUrl,
          values,
          publicUrl: options.publicUrl ?? null,
          clock,
          wallClock,
          random,
          sleep,
          log,
          metrics,
          mailbox,
          renewCredentials: renewal.renew(definition.type),
        });
        closing.push(() => channel.close());
        return [definition.type, channel];
      }),
    );

    // 1 gateway and 2 router: what comes in
    const directory = createConnectionDirectory({ pool: admitPool ?? workPool, clock });
    listener.on('konstruct_changed', () => directory.invalidate());
    let worker: Worker | null = null;
    const toDatabase = createAdmit(admitPool ?? workPool, () => worker);
    const { isListening } = listener;
    const redis = redisAddress && (await openRedisFilter({ address: redisAddress, isListening, clock, log }));
    if (redis) {
      closing.push(() => redis.close());
      listener.on('konstruct_begun', (_fromProcessId, thread) => redis.forgetThread(thread));
    }
    let jobs: Jobs | null = null;
    const backlog =
      isGateway && options.busy
        ? watchBacklog({ pool: workPool, bounds: options.busy, everyMs: timing.lookEveryMs, log, metrics })
        : null;
    closing.push(() => backlog?.stop());
    const courtesies = createCourtesies({ channels, cipher, log });
    const mailboxChannels = new Set(definitions.filter((each) => each.keepsMailbox).map(({ type }) => type));
    const admitWish = createAdmitWish(admitPool ?? workPool);
    const platformRoute = createRouter({
      admitWish,
      wallClock,
      recordReceipt: createRecordReceipt(admitPool ?? workPool),
      feedback: createFeedbackAdmission(admitPool ?? workPool, metrics),
      isPerson: createIsPerson({ channels, cipher }),
      findQuoted: createQuotedRecord(admitPool ?? workPool),
      admit: redis ? createFilteredAdmit(toDatabase, redis) : toDatabase,
      backlogOf: (tenantId) => backlog?.of(tenantId) ?? null,
      blocked: createBlockedBuckets(clock),
      // Whatever its credentials are by now: the app is not there any more.
      disableConnection: ({ tenantId, id }, reason) => disableConnection(database, { tenantId, id }, reason),
      endEngagement: (connection, channelId) => endEngagement(database, connection, channelId),
      onAgentUser: (connection, agentUserId) => {
        withTenant(database, connection.tenantId, (transaction) =>
          recordAgentUser(transaction, { ...connection, agentUserId }),
        ).catch((error: unknown) => log.warn('connection.agent_user_unrecorded', { error }));
      },
      onAction: courtesies.acknowledge,
      onOpening: courtesies.welcome,
      onConversation: courtesies.entitle,
      showCommand: createShowCommand({ channels, cipher }),
      onReady: () => worker?.wake(),
      onNotice: () => {
        jobs?.request('send_notices').catch((error: unknown) => log.warn('jobs.request_failed', { error }));
      },
      log,
    });
    const route = keepIncoming(platformRoute, visitorMailbox, mailboxChannels);
    const arrival = { route, clock, journeys, metrics, log };
    const receivers = definitions.map(({ type, webhook }) => ({
      ...webhook,
      type,
      handshake: createHandshake({
        channel: requireChannel(channels, type),
        token: settings[type]?.handshakeToken ?? null,
        directory,
        cipher,
        clock,
      }),
      receive: createReceiver({
        ...arrival,
        channel: requireChannel(channels, type),
        shared: webhook.shared,
        signingSecret: settings[type]?.signingSecret ?? null,
        directory,
        cipher,
        wallClock,
      }),
    }));
    const server = createHttpServer({
      receivers: isGateway ? receivers.filter(({ type }) => !mailboxChannels.has(type)) : [],
      installs: isGateway ? openInstallFlows({ definitions, channels, options, database, wallClock }) : [],
      health: createHealth({ version: options.version, role: options.role, queue: readQueue, redis }),
      phase: () => phase,
      readMetrics: () => metrics.read(),
      metrics,
      clock,
      log,
    });
    closing.push(() => server.close()); // when it never comes to listening; harmless the second time
    let ownUrl = '';
    if (isGateway) {
      const hub = createMailboxHub();
      listener.on('konstruct_mailbox', (_fromProcessId, payload) => hub.announceChange(payload));
      listener.on('konstruct_glimpse', (_fromProcessId, payload) => hub.announceGlimpse(payload));
      const ownOrigins = (): readonly string[] => originsOf(options.publicUrl ?? null, ownUrl);
      for (const { type, path, receive } of receivers.filter((each) => mailboxChannels.has(each.type))) {
        const channel = requireChannel(channels, type);
        const gate = createVisitorGate({ channel, directory, cipher, ownOrigins, clock, wallClock });
        await server.register(
          visitorRoutes({
            channel: type,
            path,
            gate,
            hub,
            mailbox: visitorMailbox,
            receive,
            agentName: async ({ tenantId, agentId }) =>
              (await withTenant(database, tenantId, (each) => readAgentName(each, agentId))) ?? '',
            onChange: (changed) => listener.on('konstruct_changed', changed),
            clock,
            wallClock,
            metrics,
            log,
          }),
        );
      }
      await server.register(widgetScript(options.widgetFile ?? null));
    }
    await options.extend?.(server);

    // 3 queue, 4 orchestrator, 5 models and 6 delivery: what goes out
    const routes = createRouteDirectory({ database, cipher, fallback: defaultRoute(options.providerKeys) });
    const modelKeys = createModelKeyDirectory(database, cipher);
    listener.on('konstruct_changed', () => {
      routes.invalidate();
      modelKeys.invalidate();
    });
    const owner = `${options.role}-${process.pid}-${randomUUID().slice(0, 8)}`;
    const queue = createTurnQueue({
      pool: workPool,
      owner,
      leaseMs: timing.leaseMs,
      historyMessages: HISTORY_MESSAGES,
      tenantTurns: options.tenantConcurrency ?? null,
      clock,
      wallClock,
      metrics,
      log,
    });
    const delivery = createDelivery({
      channels,
      cipher,
      isHeld: queue.isHeld,
      hasCredentials: (connection) => hasCredentials(database, connection),
      disableConnection: (connection, reason) => disableConnection(database, connection, reason),
      log,
      metrics,
    });
    const budget = openBudgetGate({
      pool: workPool,
      owner,
      clock,
      wallClock,
      sleep,
      log,
      keys: options.providerKeys,
      observe: countBudgets(metrics),
    });
    listener.on('konstruct_changed', () => budget.invalidate());
    budget.start();
    closing.push(() => budget.stop());
    const models = createModelPool({
      routes: (name) => routes.find(name),
      keys: options.providerKeys,
      tenantKeys: modelKeys.find,
      limits: (provider) => options.providerLimits?.[provider],
      budget,
      clock,
      random,
      sleep,
      log,
      metrics,
      timeouts: { attemptMs: timing.modelAttemptMs, totalMs: timing.modelTotalMs },
      ...(options.demoDelayMs === undefined ? {} : { demoDelayMs: options.demoDelayMs }),
    });
    const personNames = createPersonNames({
      channels,
      open: (tenantId, id) => openConnection(database, cipher, tenantId, id),
    });
    const filesInHand = createFilesInHand(MAX_FILE_BYTES_IN_HAND);
    const fetchAttachments = createFetchAttachments({ delivery, filesInHand, log });
    const toolsOf = createToolBox(
      [
        createCurrentTime(wallClock),
        createReadConversation({
          readMessages: (page) => readConversationMessages(database, page),
          personNames,
          historyMessages: HISTORY_MESSAGES,
        }),
        createReadAttachment({
          canFetch: (turn) => delivery.abilities(turn).incomingBytes !== null,
          look: createLookAgain(fetchAttachments),
        }),
        createOfferChoices(),
        createAttachFile(),
        createReact({ hasReactions: (turn) => delivery.abilities(turn).reactions, react: delivery.react }),
        ...(options.tools ?? []),
      ],
      log,
    );
    const runTurn = createRunTurn({
      ledger: queue,
      stopTurn: createStopTurn({ admitWish, wallClock }),
      models,
      delivery,
      preparePrompt: createPreparePrompt({
        delivery,
        fetchAttachments,
        storeThread: (turn, messages) => storeThread(database, turn, messages),
        channelNames: new Map(definitions.map(({ type, displayName }) => [type, displayName])),
        clock: wallClock,
        log,
        historyTokens: HISTORY_TOKENS,
        historyMessages: HISTORY_MESSAGES,
        threadMessages: THREAD_MESSAGES,
      }),
      toolsOf,
      abilitiesOf: delivery.abilities,
      filesInHand,
      isHeld: queue.isHeld,
      chooseModel: options.chooseModel,
      toolDeadlineMs: timing.toolDeadlineMs,
      answerGraceMs: timing.answerGraceMs,
      clock,
      sleep,
      journeys,
      metrics,
      log,
      modelRetryDelaysMs: timing.modelRetryDelaysMs,
      deliveryRetryDelaysMs: timing.deliveryRetryDelaysMs,
      apologyRetryMs: timing.apologyRetryMs,
      maxOutputTokens: MAX_OUTPUT_TOKENS,
    });
    const sendNotices = createSendNotices({
      claim: (limit) => claimNotices(workPool, limit),
      finish: (notice, result) => finishNotice(database, notice, result),
      channels,
      cipher,
      clock: wallClock,
      metrics,
      log,
    });
    // Gateways take part in background work too: a notice is then sent although no worker is near.
    jobs = await startJobs({
      databaseUrl,
      handlers: {
        send_notices: async (signal) => ({
          againAfterMs: (await sendNotices(signal)) ? NOTICE_RETRY_MS : null,
        }),
        renew_credentials: async (signal) => {
          await renewal.renewExpiring(signal);
          return { againAfterMs: null };
        },
        retention: async (signal) => {
          const daysAgo = (days: number) => new Date(wallClock() - days * 86_400_000);
          const before = daysAgo(options.retentionDays);
          const ledger = await expireLedger(workPool, daysAgo(options.ledgerRetentionDays), signal);
          log.info('retention.done', { ...(await expireOldRows(workPool, before, signal)), ...ledger });
          return { againAfterMs: null };
        },
      },
      log,
    });
    const startedJobs = jobs;
    closing.push(() => startedJobs.stop());

    if (options.warmUp ?? true) await warmUp({ admissions: admitPool, turns: isWorker ? workPool : null });
    for (const type of await listChannelsInUse(workPool)) await channels.get(type)?.prepare();
    if (isWorker) {
      await modelKeys.load();
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
      listener.on('konstruct_turns', (fromProcessId, payload) =>
        ours.interrupt(fromProcessId === null ? null : Number(payload)),
      );
      // With a tenant or a connection its conversations are gone.
      listener.on('konstruct_changed', () => ours.interrupt(null));
      ours.start();
      draining.push(() => ours.stop(timing.stopDeadlineMs));
    }
    const url = await listenOn(server, options.host, options.port);
    ownUrl = url;
    closing.push(() => closeHttpServer(server));
    // A worker's port is asked for its health and metrics only: it goes last.
    if (isGateway) {
      const sockets = createEventSockets({
        sharedToken: options.slack.appToken ?? null,
        listOwnApps: () => listOwnApps(workPool, 'slack'),
        open: async (socket) => {
          // Loaded by use: most installations are reached over HTTP.
          const { keepSlackSockets } = await import('./channels/slack/socket-mode/keep-slack-sockets.ts');
          return keepSlackSockets({ ...socket, apiUrl: options.slack.apiUrl, clock, random, sleep, log });
        },
        receiver: receiverOf(receivers, '/slack/events'),
        cipher,
        clock,
        sleep,
        log,
      });
      listener.on('konstruct_changed', () => sockets.refresh());
      sockets.refresh();
      draining.push(() => sockets.stop(SOCKETS_DEADLINE_MS));
      draining.push(async () => {
        await sleep(timing.stopGraceMs);
        await closeHttpServer(server);
      });
    }
    if (isGateway) {
      const locks = createSessionLocks(databaseUrl, { log });
      closing.push(() => locks.close());
      const subscriptions = createSubscriptions({
        channels: [...channels.values()],
        list: (channel) => listChannelConnections(workPool, channel),
        find: (channel, connectionId) => directory.find(channel, connectionId),
        webhookUrl: ({ channel, id }) => webhookUrl(definitions, options.publicUrl ?? null, channel, id),
        lock: (name) => locks.tryLock(name),
        accept: createAcceptEvent(arrival),
        recall: ({ tenantId, id }) =>
          withTenant(database, tenantId, (transaction) => readRecordedActivity(transaction, id)),
        recordAgentUser: (connection, agentUserId) =>
          withTenant(database, connection.tenantId, (transaction) =>
            recordAgentUser(transaction, { ...connection, agentUserId }),
          ),
        disableConnection: (connection, reason) => disableConnection(database, connection, reason),
        cipher,
        clock,
        sleep,
        log,
      });
      listener.on('konstruct_changed', () => subscriptions.refresh());
      subscriptions.refresh();
      draining.push(() => subscriptions.stop());
    }
    if (redis) watchRedis(metrics, redis.snapshot);
    watchModels(metrics, models.snapshot);
    watchProcess(metrics, {
      version: options.version,
      role: options.role,
      pools,
      queue: readQueue,
      turnsRunning: () => worker?.active() ?? 0,
      isReady: () => phase === 'ready',
    });
    phase = 'ready';
    return { url, stop };
  } catch (error) {
    await stop();
    throw translateDatabaseError(error);
  }
}

/** What gateways hear besides: that a visitor's mailbox has changed, and how an answer goes on. */
const MAILBOX_NEWS = ['konstruct_mailbox', 'konstruct_glimpse'] as const;
/** How long envelopes under way may take once the process stops. */
const SOCKETS_DEADLINE_MS = 3_000;
/** A platform waits 3 s for its ack: a database that takes longer is answered with 503 in time. */
const ADMIT_TIMEOUTS = { connectTimeoutMs: 2_000, statementTimeoutMs: 2_500 };

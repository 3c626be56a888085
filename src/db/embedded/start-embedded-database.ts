import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Log } from '../../core/log.ts';
import { preferredPort, rememberPort } from './choose-port.ts';
import { claimDataFolder } from './data-folder-claim.ts';
import { databaseUrl, ensureDatabase } from './database-access.ts';
import { asEmbeddedFailure } from './embedded-failure.ts';
import { findBinaries } from './find-binaries.ts';
import { checkClusterVersion, initialiseCluster, readClusterPassword } from './initialise-cluster.ts';
import { launchPostmaster } from './launch-postmaster.ts';
import { placeBinaries } from './place-binaries.ts';
import { recoverPostmaster } from './recover-postmaster.ts';
import { chooseServerAccount, giveClusterTo } from './server-account.ts';
import { boundServerLog, watchServerLog } from './server-log.ts';
import { serverSettings } from './server-settings.ts';
import { stopPostmaster } from './stop-postmaster.ts';
import { supervisePostmaster } from './supervise-postmaster.ts';
import { throwIfAborted } from './wait-until.ts';

export interface EmbeddedDatabaseOptions {
  /** The `.konstruct` folder: the cluster is its `postgres`, the server's log its `postgres.log`. */
  readonly dataDir: string;
  /** The port to prefer over the remembered one. Another free one is used when it is taken. */
  readonly port?: number;
  readonly log: Log;
  /** Ends the start, not the running server. */
  readonly signal?: AbortSignal;
  /** PostgreSQL settings over our own, for example `{ shared_buffers: '64MB' }`. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface EmbeddedDatabase {
  /** `postgres://konstruct:PASSWORD@127.0.0.1:PORT/konstruct`; a superuser. Holds a secret: do not log it. */
  readonly url: string;
  readonly port: number;
  /** The server was left running by an earlier process that was killed, and was taken over. */
  readonly adopted: boolean;
  /** Stops the server and frees the data folder. Call it again as often as you like. */
  stop(): Promise<void>;
}

/**
 * Starts a PostgreSQL server on the data folder: makes the cluster the first time (about 1 s), later starts it (0.1 s)
 * or takes over the one that a killed Konstruct left running.
 *
 * Errors: `data_dir_in_use`, `disk_full`, `embedded_database_failed`, `aborted`; whatever was started is stopped
 * first. A server that dies later is started again at the same address. Nothing is stopped when the process ends: call
 * `stop()`. If it cannot be called (kill -9), nothing committed
 * is lost and the next start takes over. See docs/decisions/0001-embedded-postgresql.md.
 */
export async function startEmbeddedDatabase(options: EmbeddedDatabaseOptions): Promise<EmbeddedDatabase> {
  const { log, signal } = options;
  throwIfAborted(signal);
  const dataDir = resolve(options.dataDir);
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    const claim = await claimDataFolder({ dataDir, signal });
    try {
      return await startServer(options, realpathSync(dataDir), () => claim.release());
    } catch (error) {
      claim.release();
      throw error;
    }
  } catch (error) {
    const failure = asEmbeddedFailure(error, dataDir);
    if (failure.code !== 'aborted') log.debug('database.start_failed', { code: failure.code, dataDir });
    throw failure;
  }
}

async function startServer(
  options: EmbeddedDatabaseOptions,
  dataDir: string,
  release: () => void,
): Promise<EmbeddedDatabase> {
  const { log, signal } = options;
  const startedAt = performance.now();
  const settings = { ...serverSettings, ...options.settings };
  const clusterDir = join(dataDir, 'postgres');
  const logFile = join(dataDir, 'postgres.log');

  const binaries = findBinaries();
  const isNew = !existsSync(clusterDir);
  const account = chooseServerAccount(clusterDir);
  if (!isNew) checkClusterVersion(clusterDir, binaries.version);
  if (account && !isNew) giveClusterTo(account, clusterDir);
  const programs = { root: await placeBinaries({ binaries, account, dataDir, log }), account };
  if (isNew) {
    const password = randomBytes(24).toString('base64url');
    await initialiseCluster({ clusterDir, programs, password, signal });
  }
  const password = readClusterPassword(clusterDir);
  boundServerLog(logFile);

  const cluster = { clusterDir, dataDir, logFile, programs, settings, password, log };
  const recovered = await recoverPostmaster({ ...cluster, port: options.port, signal });
  const wantedPort = options.port ?? preferredPort(clusterDir);
  const first = recovered ?? (await launchPostmaster({ ...cluster, wantedPort, signal }));
  const { port } = first;
  try {
    await ensureDatabase({ port, password, signal }, isNew);
    rememberPort(clusterDir, port);
  } catch (error) {
    await stopPostmaster(first, cluster);
    throw error;
  }

  const adopted = recovered !== null;
  const ms = Math.round(performance.now() - startedAt);
  log.info('database.started', { port, pid: first.pid, adopted, created: isNew, ms });
  const supervision = supervisePostmaster({
    first,
    relaunch: async (ending) =>
      (await recoverPostmaster({ ...cluster, port, signal: ending })) ??
      (await launchPostmaster({ ...cluster, wantedPort: port, keepPort: true, signal: ending })),
    log,
  });
  const stopWatching = watchServerLog(logFile, (error) =>
    log.warn('database.log_unbounded', { error: String(error) }),
  );

  const stop = async () => {
    const postmaster = await supervision.end();
    try {
      await stopPostmaster(postmaster, cluster);
    } finally {
      stopWatching();
      release();
    }
    log.info('database.stopped', { pid: postmaster.pid });
  };
  let stopped: Promise<void> | undefined;
  return {
    url: databaseUrl({ port, password }),
    port,
    adopted,
    stop() {
      stopped ??= stop();
      return stopped;
    },
  };
}

import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import type { Kysely } from 'kysely';
import type pg from 'pg';
import { type Config, type ConfigMode, configInvalid, type Environment, loadConfig } from '../config.ts';
import type { Cipher } from '../core/cipher.ts';
import { KonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { OpenDatabase } from '../db/open-database.ts';
import type { Database } from '../db/schema.ts';

/** What every command has. */
export interface CommandContext {
  readonly config: Config;
  readonly env: Environment;
  readonly log: Log;
  readonly verbose: boolean;
}

export interface CommandDatabase {
  /** Runs as `konstruct_app`. */
  readonly database: Kysely<Database>;
  readonly pool: pg.Pool;
  /** Holds a secret. */
  readonly url: string;
}

export interface MakingOptions {
  /** Whether an embedded database is made where there is none. To read an empty one would hide that the folder is wrong. */
  readonly mayMake?: boolean;
}

/** Connections of a command: tenants are read and written eight at a time, and one holds the lock. */
const CONNECTIONS = 9;
/** Removing a tenant removes all it ever said; a command may take its time. */
const STATEMENT_TIMEOUT_MS = 600_000;

/** @throws KonstructError `config_invalid` */
export async function createCommandContext(
  command: Command,
  mode: ConfigMode = 'command',
): Promise<CommandContext> {
  const env = process.env;
  const config = loadConfig(env, { mode, cwd: process.cwd() });
  checkDataDir(config.dataDir);
  const verbose = command.optsWithGlobals<{ verbose?: boolean }>().verbose ?? false;
  const { createLog } = await import('../telemetry/create-log.ts');
  // A command says itself what it did; what runs on says it by its log.
  const quiet = mode === 'command' ? 'error' : config.logLevel;
  return { config, env, verbose, log: createLog({ level: verbose ? 'debug' : quiet }) };
}

/** Here and not where it is used: many parts put something there, and none could say which variable is meant. */
function checkDataDir(dataDir: string): void {
  let nearest = dataDir;
  while (!existsSync(nearest) && dirname(nearest) !== nearest) nearest = dirname(nearest);
  if (!existsSync(nearest) || statSync(nearest).isDirectory()) return;
  throw configInvalid([
    { variable: 'KONSTRUCT_DATA_DIR', problem: `leads to ${nearest}, which is a file; name a folder` },
  ]);
}

/**
 * Gives a command its database and takes it back whatever happens, also on Ctrl-C. An embedded one is migrated; the
 * operator's own must be up to date, because a command must not change it on the side.
 *
 * @throws KonstructError `database_unavailable`, `database_outdated`, `config_invalid` where there is none, and those of
 *   `openDatabase`
 */
export function withCommandDatabase<T>(
  context: CommandContext,
  work: (database: CommandDatabase) => Promise<T>,
  making: MakingOptions = {},
): Promise<T> {
  const { log } = context;
  const open = async ({ url, kind }: OpenDatabase): Promise<T> => {
    await bringUpToDate(url, kind === 'configured', log);
    const [{ createDatabasePool, translateDatabaseError }, { createDatabase }] = await Promise.all([
      import('../db/pool.ts'),
      import('../db/create-database.ts'),
    ]);
    const pool = createDatabasePool({
      url,
      name: 'command',
      size: CONNECTIONS,
      log,
      statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    });
    const database = createDatabase(pool);
    try {
      return await work({ database, pool, url });
    } catch (error) {
      throw translateDatabaseError(error);
    } finally {
      await database.destroy();
    }
  };
  return withServer(context, open, making);
}

/** Whether there is one to open: the operator's own, or an embedded one that some process has made. */
export function hasDatabase({ databaseUrl, dataDir }: Config): boolean {
  return databaseUrl !== null || existsSync(join(dataDir, 'postgres'));
}

/** The cipher for what is stored there. @throws what `ensureMasterKey` throws */
export async function openCommandCipher(
  { config }: CommandContext,
  { database }: CommandDatabase,
): Promise<Cipher> {
  const [{ openCipher }, { listStoredSecrets }] = await Promise.all([
    import('../ensure-master-key.ts'),
    import('../stores/stored-secrets.ts'),
  ]);
  return openCipher(config, () => listStoredSecrets(database));
}

/**
 * A database as `withCommandDatabase` has it, without looking at what is in it: for `migrate`, `doctor`, `backup` and
 * `restore`. The signal is aborted on Ctrl-C.
 */
export async function withServer<T>(
  { config, log }: CommandContext,
  work: (server: OpenDatabase, signal: AbortSignal) => Promise<T>,
  { mayMake = false }: MakingOptions = {},
): Promise<T> {
  if (!mayMake && !hasDatabase(config)) {
    throw new KonstructError(
      'config_invalid',
      `There is no database in ${config.dataDir}, as nothing has run there. Call the command where Konstruct runs, or set KONSTRUCT_DATA_DIR or DATABASE_URL.`,
    );
  }
  const { openDatabase } = await import('../db/open-database.ts');
  const opened = await openDatabase(config, log);
  const interrupted = new AbortController();
  const release = closeOnSignal(() => {
    interrupted.abort();
    return opened.close();
  });
  try {
    return await work(opened, interrupted.signal);
  } finally {
    release();
    await opened.close();
  }
}

async function bringUpToDate(url: string, isOperators: boolean, log: Log): Promise<void> {
  const { listPendingMigrations, migrate } = await import('../db/migrate.ts');
  const { withClient } = await import('../db/with-client.ts');
  const pending = await withClient(url, listPendingMigrations);
  if (pending.length === 0) return;
  if (isOperators) {
    throw new KonstructError('database_outdated', `The database lacks ${pending.length} migration(s).`);
  }
  await migrate(url, { log });
}

/** Ctrl-C would leave an embedded server behind. */
function closeOnSignal(close: () => Promise<void>): () => void {
  const onSignal = (signal: NodeJS.Signals): void => {
    const code = signal === 'SIGINT' ? 130 : 143;
    close().then(
      () => process.exit(code),
      () => process.exit(code),
    );
  };
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  return () => {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  };
}

import type { Config } from '../config.ts';
import { isKonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';

export interface OpenDatabase {
  /** Holds a secret: do not log it. */
  readonly url: string;
  /** Where it came from: the operator's server, an embedded one of our own, or one that another process runs. */
  readonly kind: 'configured' | 'embedded' | 'shared';
  /** Stops the server if it is ours. */
  close(): Promise<void>;
}

/**
 * The database of a command: DATABASE_URL, else the embedded one of the data folder. If another process runs that, it
 * is used without being taken over; unless `exclusive` is set, as a second installation on one folder would be.
 *
 * @throws KonstructError `data_dir_in_use` when another process has the folder but its server does not answer (yet);
 *   `embedded_database_failed`, `disk_full`
 */
export async function openDatabase(
  config: Pick<Config, 'databaseUrl' | 'dataDir'>,
  log: Log,
  options: { readonly exclusive?: boolean } = {},
): Promise<OpenDatabase> {
  if (config.databaseUrl) {
    return { url: config.databaseUrl.reveal(), kind: 'configured', close: async () => {} };
  }
  // Loaded here: an installation with DATABASE_URL need not have the embedded server's package.
  const { startEmbeddedDatabase } = await import('./embedded/start-embedded-database.ts');
  const { findRunningDatabase } = await import('./embedded/find-running-database.ts');
  const running = options.exclusive ? null : await findRunningDatabase(config.dataDir);
  try {
    const { url, stop } = await startEmbeddedDatabase({
      dataDir: config.dataDir,
      log: quietly(log, running),
    });
    return { url, kind: 'embedded', close: stop };
  } catch (error) {
    if (options.exclusive || !isKonstructError(error, 'data_dir_in_use')) throw error;
    const shared = running ?? (await findRunningDatabase(config.dataDir));
    if (shared === null) throw error;
    return { url: shared.url, kind: 'shared', close: async () => {} };
  }
}

/** That a folder is in use is no error to us when its server runs. */
function quietly(log: Log, running: { readonly url: string } | null): Log {
  if (running === null) return log;
  return { ...log, error: (event, fields) => log.debug(event, fields) };
}

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { databaseUrl, showDataDirectory } from './database-access.ts';
import { readClusterPassword } from './initialise-cluster.ts';
import { readPostmasterPid } from './postmaster-pid.ts';

/**
 * The embedded server that another process runs on this data folder, for commands that want to use it meanwhile; `null`
 * when there is none or it does not answer. It may stop at any time: its master does not know of us.
 *
 * The url holds a secret: do not log it.
 */
export async function findRunningDatabase(
  dataDir: string,
  signal?: AbortSignal,
): Promise<{ readonly url: string } | null> {
  const clusterDir = join(resolve(dataDir), 'postgres');
  if (!existsSync(clusterDir)) return null;
  const postmaster = readPostmasterPid(clusterDir);
  if (!postmaster?.ready) return null;
  const access = { port: postmaster.port, password: readClusterPassword(clusterDir), signal };
  try {
    // Only this cluster knows the password, so a server that accepts it is the right one.
    await showDataDirectory(access);
  } catch {
    signal?.throwIfAborted();
    return null;
  }
  return { url: databaseUrl(access) };
}

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { KonstructError } from '../../core/errors.ts';

/** Below the ports that systems hand out for outgoing connections (Linux: from 32768), so that none sits on ours. */
const firstPort = 20_000;
const portCount = 10_000;
const maxAttempts = 200;

/**
 * The port a cluster prefers: the one it began with, or, for a new one, a port derived from its folder. So it stays
 * the same from start to start, and two data folders on one machine rarely meet.
 */
export function preferredPort(clusterDir: string): number {
  try {
    const remembered = Number(readFileSync(portFile(clusterDir), 'utf8'));
    if (Number.isInteger(remembered) && remembered > 0 && remembered < 65_536) return remembered;
  } catch {
    // none remembered yet
  }
  return firstPort + (createHash('sha256').update(clusterDir).digest().readUInt32BE() % portCount);
}

/** Remembers the port of a cluster's first start. A port taken later by somebody else does not change it. */
export function rememberPort(clusterDir: string, port: number): void {
  try {
    writeFileSync(portFile(clusterDir), `${port}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
}

/** The first free port of 127.0.0.1 from `wanted` on. Somebody else may still take it before the server does. */
export async function findFreePort(wanted: number): Promise<number> {
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const port = firstPort + ((wanted - firstPort + attempt + portCount) % portCount);
    const candidate = attempt === 0 ? wanted : port;
    if (await isPortFree(candidate)) return candidate;
  }
  throw new KonstructError('port_in_use', `No free TCP port was found for the database from ${wanted} on.`);
}

async function isPortFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen({ port, host: '127.0.0.1', exclusive: true });
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}

function portFile(clusterDir: string): string {
  return join(clusterDir, 'konstruct-port');
}

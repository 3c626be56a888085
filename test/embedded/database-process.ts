import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** What `run-database.ts` printed: a running database or the error of the start. */
interface StartReport {
  readonly url?: string;
  readonly adopted?: boolean;
  readonly code?: string;
  readonly message?: string;
}

export interface DatabaseProcess {
  readonly pid: number;
  readonly report: StartReport;
  /** Sends the signal and waits until the process is gone. */
  end(signal: NodeJS.Signals): Promise<void>;
}

export interface SpawnDatabaseOptions {
  /** Run as this user (uid and gid); needs root. */
  readonly userId?: number;
  readonly script?: string;
  readonly node?: string;
}

/** Starts a database in a Node process of its own and waits for its report. */
export async function spawnDatabase(
  dataDir: string,
  options: SpawnDatabaseOptions = {},
): Promise<DatabaseProcess> {
  const child = spawnRunner(dataDir, options);
  let failure = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    failure += text;
  });
  const exited = once(child, 'exit');
  if (!child.stdout || child.pid === undefined) throw new Error('the database process was not spawned');
  const line = await Promise.race([
    once(createInterface(child.stdout), 'line').then(([text]) => String(text)),
    exited.then(() => null),
  ]);
  if (line === null) throw new Error(`the database process ended without a report: ${failure}`);
  return {
    pid: child.pid,
    report: JSON.parse(line) as StartReport,
    async end(signal) {
      child.kill(signal);
      await exited;
    },
  };
}

/** Starts the process without waiting for anything. */
export function spawnRunner(dataDir: string, options: SpawnDatabaseOptions = {}): ChildProcess {
  const { userId, script = fileURLToPath(new URL('run-database.ts', import.meta.url)) } = options;
  return spawn(options.node ?? process.execPath, [script, dataDir], {
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(userId === undefined ? {} : { uid: userId, gid: userId }),
  });
}

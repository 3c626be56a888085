import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { bareEnvironment } from './bare-environment.ts';
import { konstructMain } from './run-konstruct.ts';
import { SIGNING_SECRET } from './signing-secret.ts';
import type { Installation } from './start-installation.ts';

const START_TIMEOUT_MS = 20_000;

/** `konstruct serve` as a process of its own, on an installation's database and stand-ins. */
export interface ServeProcess {
  readonly url: string;
  readonly child: ChildProcess;
  /** Sends the signal and waits for the end; resolves to the exit code, `null` after a kill. */
  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null>;
  /** Its exit code, once it has ended; `null` after a kill. */
  readonly exited: Promise<number | null>;
  /** What it logged so far. */
  readonly lines: readonly Record<string, unknown>[];
  /** The line that said it had started, as it was written. */
  readonly startedLine: string;
}

export async function startServeProcess(
  installation: Pick<Installation, 'databaseUrl' | 'masterKey' | 'slackApiUrl'>,
  role: 'all' | 'gateway' | 'worker',
  env: Readonly<Record<string, string>> = {},
  onSpawn: (child: ChildProcess) => void = () => {},
): Promise<ServeProcess> {
  const child = spawn(process.execPath, [konstructMain, 'serve', '--role', role], {
    env: {
      ...bareEnvironment(),
      HOST: '127.0.0.1',
      PORT: '0',
      DATABASE_URL: installation.databaseUrl,
      KONSTRUCT_MASTER_KEY: installation.masterKey.toString('base64'),
      SLACK_SIGNING_SECRET: SIGNING_SECRET,
      SLACK_API_URL: installation.slackApiUrl,
      ...env,
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  onSpawn(child);
  const lines: Record<string, unknown>[] = [];
  let startedLine = '';
  const exited = once(child, 'exit').then(([code]) => code as number | null);
  const url = await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => fail('did not start in time'), START_TIMEOUT_MS);
    const fail = (reason: string) => {
      child.kill('SIGKILL');
      reject(new Error(`serve ${reason}: ${JSON.stringify(lines.slice(-5))}`));
    };
    createInterface({ input: child.stderr }).on('line', (text) => {
      const line = parseLine(text);
      lines.push(line);
      if (line.event !== 'serve.started') return;
      clearTimeout(timer);
      startedLine = text;
      resolve(String(line.url));
    });
    child.once('exit', (code) => {
      clearTimeout(timer);
      fail(`ended with ${code}`);
    });
  });
  return {
    url,
    child,
    lines,
    startedLine,
    exited,
    async end(signal) {
      child.kill(signal);
      return exited;
    },
  };
}

function parseLine(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return { text };
  }
}

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import type { BenchDatabase, DatabaseServer, History } from './bench-database.ts';
import type { AppProcessOptions, ContenderOptions } from './contender-process.ts';
import { memoryEnvironment, memoryOptions } from './memory-options.ts';
import { cpuMs, peakMemoryMb } from './process-usage.ts';
import type { StandIns } from './stand-ins.ts';

export type ContenderName = 'Konstruct' | 'Konstruct, full' | 'bare Node' | 'Bolt 5' | 'Bolt 5 + AI SDK';

export interface Contender {
  readonly name: ContenderName;
  readonly isPeer: boolean;
  /** Starts it with empty hands (Konstruct: on a database of its own). */
  start(what: 'acks' | 'turns'): Promise<RunningContender>;
}

export interface RunningContender {
  readonly name: ContenderName;
  readonly pid: number;
  readonly port: number;
  /** CPU so far, in ms; PostgreSQL's is 0 where there is none. */
  cpu(): { readonly nodeMs: number; readonly postgresMs: number };
  peakMemoryMb(): number;
  /** kill -9, and the same once more at the same port. */
  killAndRestart(): Promise<void>;
  stop(): Promise<void>;
}

export interface ContenderContext {
  readonly standIns: StandIns;
  readonly server: DatabaseServer;
  readonly logFile: string;
  /** Where the compiled `bench/` is. */
  readonly folder: URL;
  /** Where `@slack/bolt` is installed; `null`: it is not. */
  readonly boltFolder: string | null;
  /** Whether the product also takes part beside a million messages. */
  readonly full: boolean;
  /** Options for the product's `node`, for example `--cpu-prof`. */
  readonly nodeOptions: readonly string[];
}

/** Everybody who takes part, in the order of the report. */
export function createContenders(context: ContenderContext): readonly Contender[] {
  const { standIns, boltFolder } = context;
  const common = { port: 0, slackApiUrl: standIns.slackApiUrl, modelUrl: standIns.modelUrl };
  const ours = (name: ContenderName, history: History): Contender => ({
    name,
    isPeer: false,
    start: (what) => startKonstruct(context, name, history, { ...common, acksOnly: what === 'acks' }),
  });
  const peer = (name: ContenderName, file: string, more: object): Contender => ({
    name,
    isPeer: true,
    start: (what) => run(context, name, file, { ...common, ...more, acksOnly: what === 'acks' }, null),
  });
  return [
    ours('Konstruct', 'usual'),
    ...(context.full ? [ours('Konstruct, full', 'full')] : []),
    peer('bare Node', 'peers/bare-node.js', {}),
    ...(boltFolder === null
      ? []
      : [
          peer('Bolt 5', 'peers/bolt.js', { boltFolder, modelBy: 'fetch' }),
          peer('Bolt 5 + AI SDK', 'peers/bolt.js', { boltFolder, modelBy: 'ai-sdk' }),
        ]),
  ];
}

async function startKonstruct(
  context: ContenderContext,
  name: ContenderName,
  history: History,
  common: ContenderOptions,
): Promise<RunningContender> {
  const database = await context.server.createDatabase(context.standIns.modelUrl, { history });
  const options: AppProcessOptions = {
    ...common,
    databaseUrl: database.url,
    masterKey: database.masterKey,
    role: common.acksOnly ? 'gateway' : 'all',
  };
  return run(context, name, 'support/app-process.js', options, database);
}

async function run(
  context: ContenderContext,
  name: ContenderName,
  file: string,
  options: ContenderOptions,
  database: BenchDatabase | null,
): Promise<RunningContender> {
  const launch = async (port: number) => {
    const log = openSync(context.logFile, 'a');
    const child = fork(fileURLToPath(new URL(file, context.folder)), [JSON.stringify({ ...options, port })], {
      execArgv: database !== null ? [...memoryOptions, ...context.nodeOptions] : [],
      env: database !== null ? { ...process.env, ...memoryEnvironment } : process.env,
      stdio: ['ignore', log, log, 'ipc'],
    });
    closeSync(log);
    const gone = once(child, 'exit').then(([code]) => {
      throw new Error(`${name} ended with ${String(code)} before it listened; see ${context.logFile}`);
    });
    const [listening] = (await Promise.race([once(child, 'message'), gone])) as [number];
    gone.catch(() => {}); // from now on its end is expected
    return { child, port: listening, pid: child.pid as number };
  };

  let { child, port, pid } = await launch(0);
  return {
    name,
    get pid() {
      return pid;
    },
    get port() {
      return port;
    },
    cpu: () => ({ nodeMs: cpuMs(pid), postgresMs: database ? context.server.cpuMs() : 0 }),
    peakMemoryMb: () => peakMemoryMb(pid),
    async killAndRestart() {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
      ({ child, port, pid } = await launch(port));
    },
    async stop() {
      const ended = once(child, 'exit');
      if (child.exitCode === null && child.signalCode === null) {
        child.disconnect();
        await ended;
      }
      await database?.drop();
    },
  };
}

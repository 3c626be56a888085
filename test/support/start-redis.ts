import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RedisClient } from '@redis/client';
import { parseRedisAddress, type RedisAddress } from '../../src/core/redis-address.ts';
import type { TlsFiles } from './create-tls-files.ts';
import { findProgram } from './find-program.ts';

/** A real server of this test's own. */
export interface RedisServer {
  readonly url: string;
  readonly port: number;
  readonly child: ChildProcess;
  /** Sends a command on a connection of its own; numbers and texts come back as they are. */
  command(...words: readonly string[]): Promise<unknown>;
  /** Stops or continues the process: it keeps its connections and says nothing. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void;
  kill(): Promise<void>;
  /** After `kill`: the same port, and nothing in it. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export interface RedisServerOptions {
  readonly tls?: TlsFiles;
  readonly password?: string;
  readonly cluster?: boolean;
}

const program = findProgram(['redis-server', 'valkey-server']);
const START_TIMEOUT_MS = 10_000;

/** There is no npm package that brings a Redis without downloading or compiling it: these tests take the machine's. */
export const redisIsMissing = program === null;
/** For the name of a skipped suite. */
export const redisMissing = redisIsMissing
  ? ' (skipped: neither redis-server nor valkey-server is on PATH)'
  : '';
if (process.env.REQUIRE_REDIS === '1' && (program === null || findProgram(['openssl']) === null)) {
  throw new Error('REQUIRE_REDIS is set, and redis-server (or valkey-server) or openssl is not on PATH.');
}

export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const [port, busPort] = await freePorts();
  const folder = mkdtempSync(join(tmpdir(), 'konstruct-redis-'));
  const scheme = options.tls ? 'rediss' : 'redis';
  const url = `${scheme}://${options.password ? `:${options.password}@` : ''}127.0.0.1:${port}`;
  let child = await launch();

  async function launch(): Promise<ChildProcess> {
    const started = spawn(
      program as string,
      [
        ['--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no', '--daemonize', 'no'],
        options.tls
          ? ['--port', '0', '--tls-port', String(port), '--tls-auth-clients', 'no']
          : ['--port', String(port)],
        options.tls ? ['--tls-cert-file', options.tls.certificate, '--tls-key-file', options.tls.key] : [],
        options.tls ? ['--tls-ca-cert-file', options.tls.certificate] : [],
        options.password ? ['--requirepass', options.password] : [],
        options.cluster
          ? ['--cluster-enabled', 'yes', '--cluster-port', String(busPort), '--cluster-node-timeout', '1000']
          : [],
      ].flat(),
      { stdio: 'ignore' },
    );
    const deadlineMs = Date.now() + START_TIMEOUT_MS;
    for (;;) {
      try {
        await command('PING');
        return started;
      } catch (error) {
        if (started.exitCode !== null || Date.now() > deadlineMs) throw error;
        await sleep(20);
      }
    }
  }

  async function command(...words: readonly string[]): Promise<unknown> {
    // `createClient` makes a class of 400 methods, in 30 ms of a core, whenever it gets other options than the last time.
    const client = RedisClient.factory({})({
      url,
      socket: options.tls
        ? { tls: true, rejectUnauthorized: false, reconnectStrategy: false, connectTimeout: 2_000 }
        : { reconnectStrategy: false, connectTimeout: 2_000 },
    });
    client.on('error', () => {});
    await client.connect();
    try {
      return await client.sendCommand([...words]);
    } finally {
      client.destroy();
    }
  }

  async function kill(): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  return {
    url,
    port,
    get child() {
      return child;
    },
    command,
    signal: (signal) => child.kill(signal),
    kill,
    async restart() {
      await kill();
      child = await launch();
    },
    async close() {
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export function addressOf(url: string): RedisAddress {
  const parsed = parseRedisAddress(url);
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.address;
}

async function freePorts(): Promise<readonly [number, number]> {
  const servers = [createServer(), createServer()] as const;
  for (const server of servers) await once(server.listen(0, '127.0.0.1'), 'listening');
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  for (const server of servers) await once(server.close(), 'close');
  return ports as unknown as readonly [number, number];
}

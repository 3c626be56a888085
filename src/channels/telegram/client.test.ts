import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createTelegramClient } from './client.ts';

const BOTS = 300;

it('a message is sent although any number of bots wait for updates, each of which holds a connection', async () => {
  const held: ServerResponse[] = [];
  const server = createServer((request, response) => {
    request.resume();
    if (request.url?.endsWith('/getUpdates')) held.push(response);
    else response.end('{"ok":true,"result":{"message_id":1}}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = createTelegramClient({
    apiUrl: `http://127.0.0.1:${port}`,
    clock: Date.now,
    random: Math.random,
    sleep: (ms, signal) => sleep(ms, undefined, { signal }),
    log: { debug() {}, info() {}, warn() {}, error() {} },
    timeoutMs: 2_000,
    maxWaitMs: 2_000,
  });
  const access = (bot: number) => ({
    connectionId: `bot-${bot}`,
    externalId: String(bot),
    credentials: { botToken: `${bot}:secret` },
  });
  const never = new AbortController();
  const waits = { timeoutMs: 60_000, waits: true } as const;
  const question = { method: 'getUpdates', arguments: {}, idempotent: true, place: null, ...waits };
  const polls = Array.from({ length: BOTS }, (_, bot) => client.call(access(bot), question, never.signal));
  const ended = Promise.allSettled(polls);
  try {
    await expect.poll(() => held.length).toBe(BOTS);
    const message = { method: 'sendMessage', arguments: {}, idempotent: false, place: null };
    await expect(client.call(access(1), message, never.signal)).resolves.toEqual({ message_id: 1 });
  } finally {
    never.abort();
    await ended;
    client.close();
    server.closeAllConnections();
    server.close();
  }
});

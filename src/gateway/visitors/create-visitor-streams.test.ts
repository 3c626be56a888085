import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import Fastify from 'fastify';
import { afterEach, expect, it } from 'vitest';
import { KonstructError } from '../../core/errors.ts';
import { noMetrics } from '../../core/metrics.ts';
import { createMailboxHub } from './create-mailbox-hub.ts';
import { createVisitorStreams } from './create-visitor-streams.ts';

const BROWSERS = 60;
const CHANGES = 40;
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

it('looks at all browsers once or twice for any number of changes in a burst, and sees the last of them', async () => {
  const connection = { id: 'c', tenantId: 't' } as never;
  let looks = 0;
  let isDisabled = false;
  const streams = createVisitorStreams({
    gate: {
      async reenter() {
        looks += 1;
        if (isDisabled) throw new KonstructError('not_found');
        return { connection, origin: null };
      },
      identify: async () => ({}) as never,
    } as never,
    hub: createMailboxHub(),
    mailbox: { read: async () => [] },
    wallClock: Date.now,
    metrics: noMetrics,
    log: { debug() {}, info() {}, warn() {}, error() {} },
  });
  const server = Fastify();
  let opened = 0;
  server.get('/', (_request, reply) => {
    opened += 1;
    const visitor = { channelId: `v:${opened}`, name: null, isAnonymous: false, expiresAtMs: Infinity };
    streams.open(
      { caller: { connection, origin: null }, visitor, request: {} as never, name: 'c', after: null },
      reply,
    );
    return reply;
  });
  await server.listen({ port: 0, host: '127.0.0.1' });
  const agent = new Agent();
  closing.push(
    () => server.close(),
    () => streams.end(),
    () => agent.destroy(),
  );
  const { port } = server.server.address() as AddressInfo;
  let open = 0;
  for (let index = 0; index < BROWSERS; index += 1) {
    const [response] = (await once(get({ host: '127.0.0.1', port, agent }), 'response')) as [IncomingMessage];
    open += 1;
    response.resume().once('close', () => {
      open -= 1;
    });
  }

  for (let change = 1; change <= CHANGES; change += 1) {
    isDisabled = change === CHANGES;
    streams.recheck();
  }
  await expect.poll(() => open, { timeout: 5_000 }).toBe(0);
  expect(looks).toBeLessThanOrEqual(2 * BROWSERS);
});

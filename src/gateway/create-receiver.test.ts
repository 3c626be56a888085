import { expect, it } from 'vitest';
import { KonstructError } from '../core/errors.ts';
import { createReceiver } from './create-receiver.ts';

it('compares signed timestamps with the machine’s clock, which a suspended machine’s monotonic one falls behind', async () => {
  const seen: number[] = [];
  const receive = createReceiver({
    channel: {
      type: 'slack',
      verify: (_request: unknown, _secret: string, nowMs: number) => {
        seen.push(nowMs);
      },
      parse: () => ({ kind: 'challenge', contentType: 'text/plain', body: 'yes' }),
    } as never,
    shared: true,
    signingSecret: 's',
    directory: {
      resolve: async () => null,
      known: () => undefined,
      find: async () => null,
      knownById: () => undefined,
    },
    route: async () => 'ignored',
    cipher: {} as never,
    clock: () => 1,
    wallClock: () => 600_000,
    journeys: { mark() {} },
    log: { debug() {}, info() {}, warn() {}, error() {} },
  });
  await receive({ path: '/slack/events', headers: {}, body: Buffer.alloc(0) }, null, 1);
  expect(seen).toEqual([600_000]);
});

it('asks the database about few of the connection ids that strangers make up, and finds the known ones all the same', async () => {
  const asked: string[] = [];
  const receive = createReceiver({
    channel: {
      type: 'slack',
      verify: () => {
        throw new KonstructError('signature_invalid');
      },
    } as never,
    shared: true,
    signingSecret: 's',
    directory: {
      resolve: async () => null,
      known: () => undefined,
      find: async (_channel, id) => {
        asked.push(id);
        return null;
      },
      knownById: (_channel, id) => (id === 'known' ? Promise.resolve(null) : undefined),
    },
    route: async () => 'ignored',
    cipher: {} as never,
    clock: () => 1,
    wallClock: () => 600_000,
    journeys: { mark() {} },
    log: { debug() {}, info() {}, warn() {}, error() {} },
  });
  const request = { path: '/slack/events', headers: {}, body: Buffer.alloc(0) };
  for (let index = 0; index < 60; index += 1) {
    await expect(receive(request, `made-up-${index}`, 1)).rejects.toMatchObject({
      code: index < 20 ? 'signature_invalid' : 'lookups_exhausted',
    });
  }
  expect(asked).toHaveLength(20);
  await expect(receive(request, 'known', 1)).rejects.toMatchObject({ code: 'signature_invalid' });
  expect(asked).toHaveLength(20);
});

import { expect, it } from 'vitest';
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
    directory: { resolve: async () => null, known: () => undefined, find: async () => null },
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

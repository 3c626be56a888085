import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { expect, it } from 'vitest';
import { recordingLog } from '../../test/support/recording-log.ts';
import { KonstructError } from '../core/errors.ts';
import { createSubscriptions } from './create-subscriptions.ts';

it('leaves the subscriptions of one channel alone while it looks at another one, and ends those of removed connections', async () => {
  const fetching = new Set<string>();
  const ended: string[] = [];
  let begun = 0;
  const channel = (type: string) => ({
    type,
    identify: async () => ({ externalId: `${type}-bot`, agentUserId: 'bot' }),
    subscription: {
      async byPolling(_access: unknown, _receive: unknown, signal: AbortSignal) {
        begun += 1;
        fetching.add(type);
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        fetching.delete(type);
        ended.push(type);
      },
    },
  });
  const connected = new Set(['telegram', 'mattermost', 'discord']);
  let looks = 0;
  const subscriptions = createSubscriptions({
    channels: ['telegram', 'mattermost', 'discord'].map(channel) as never,
    list: async (type) => {
      if (type === 'discord') looks += 1;
      return connected.has(type)
        ? [
            {
              id: `connection-${type}`,
              tenantId: 'tenant',
              channel: type,
              externalId: `${type}-bot`,
              agentUserId: 'bot',
              credentials: 'same',
            } as never,
          ]
        : [];
    },
    find: async () => null,
    webhookUrl: () => null,
    lock: async () => ({ lost: new AbortController().signal, async release() {} }),
    accept: (async () => 'ignored') as never,
    recall: async () => ({ lastMessageAtMs: null, directChannelIds: [] }),
    recordAgentUser: async () => {},
    disableConnection: async () => ({ outcome: 'disabled', waiting: 0 }) as const,
    cipher: { decrypt: () => '{}' } as never,
    clock: Date.now,
    sleep: (ms, signal) => sleep(Math.min(ms, 5), undefined, { signal }),
    log: { debug() {}, info() {}, warn() {}, error() {} },
  });
  const afterLook = async (count: number) => {
    subscriptions.refresh();
    await expect.poll(() => looks).toBe(count);
  };
  await afterLook(1);
  await expect.poll(() => fetching.size).toBe(3);
  await afterLook(2);
  await afterLook(3);
  await expect.poll(() => [begun, ended]).toEqual([3, []]);

  connected.delete('mattermost');
  await afterLook(4);
  await expect.poll(() => ended).toEqual(['mattermost']);
  expect([...fetching].sort()).toEqual(['discord', 'telegram']);
  await subscriptions.stop();
  expect(fetching.size).toBe(0);
  expect(begun).toBe(3);
});

/** What `createSubscriptions` needs for one platform whose connections are fetched, as far as a test says nothing else. */
function options(given: object) {
  return {
    find: async (_channel: string, id: string) => connection(id),
    webhookUrl: () => null,
    lock: async () => ({ lost: new AbortController().signal, async release() {} }),
    accept: async () => {},
    recordAgentUser: async () => {},
    disableConnection: async () => ({ outcome: 'disabled', waiting: 0 }) as const,
    cipher: { decrypt: () => '{}' },
    clock: Date.now,
    sleep: (ms: number, signal: AbortSignal) => sleep(Math.min(ms, 5), undefined, { signal }),
    log: recordingLog(),
    ...given,
  } as never;
}

function connection(id: string) {
  return { id, tenantId: 'tenant', channel: 'chat', externalId: id, agentUserId: 'bot', credentials: 'same' };
}

/** Fetches until it is told to stop. */
async function fetching(_access: unknown, _receive: unknown, signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
}

it('looks again when the database did not say which connections there are', async () => {
  let looks = 0;
  let begun = 0;
  const subscriptions = createSubscriptions(
    options({
      channels: [
        {
          type: 'chat',
          identify: async () => ({ externalId: 'one', agentUserId: 'bot' }),
          subscription: {
            byPolling(...given: Parameters<typeof fetching>) {
              begun += 1;
              return fetching(...given);
            },
          },
        },
      ],
      list: async () => {
        looks += 1;
        if (looks < 3) throw new KonstructError('database_unavailable');
        return [connection('one')];
      },
    }),
  );
  subscriptions.refresh();
  await expect.poll(() => begun).toBe(1);
  await subscriptions.stop();
  expect(looks).toBe(3);
});

it('a thousand connections that another process fetches for cost a few look-ups a second, and none on the platform', async () => {
  const COUNT = 1_000;
  const pauses: number[] = [];
  let asked = 0;
  let identified = 0;
  const subscriptions = createSubscriptions(
    options({
      channels: [
        {
          type: 'chat',
          async identify({ externalId }: { externalId: string }) {
            identified += 1;
            return { externalId, agentUserId: 'bot' };
          },
          subscription: { byPolling: fetching },
        },
      ],
      list: async () => Array.from({ length: COUNT }, (_, index) => connection(`bot-${index}`)),
      lock: async () => {
        asked += 1;
        return null;
      },
      sleep(ms: number, signal: AbortSignal) {
        pauses.push(ms);
        return sleep(5, undefined, { signal });
      },
    }),
  );
  subscriptions.refresh();
  await expect.poll(() => asked).toBeGreaterThan(4 * COUNT);
  await subscriptions.stop();
  expect(identified).toBe(COUNT);
  const all = pauses.slice(COUNT, 2 * COUNT); // once all of them wait
  const perSecond = all.reduce((sum, ms) => sum + 1_000 / ms, 0);
  expect(perSecond).toBeLessThan(300);
  expect(Math.max(...all)).toBeLessThan(10_000);
});

it('goes on behind an event that can never be stored, and waits as long as anything else is wrong', async () => {
  const log = recordingLog();
  const taken: string[] = [];
  let outages = 9;
  let poisoned = 0;
  const subscriptions = createSubscriptions(
    options({
      log,
      channels: [
        {
          type: 'chat',
          identify: async () => ({ externalId: 'one', agentUserId: 'bot' }),
          subscription: {
            async byPolling(
              access: unknown,
              receive: (events: readonly object[]) => Promise<void>,
              signal: AbortSignal,
            ) {
              // As a platform does that repeats what was not taken.
              for (const eventId of ['1', 'poison', '2']) {
                for (let isTaken = false; !isTaken && !signal.aborted; ) {
                  await receive([{ type: 'message', eventId, account: { externalIds: [] } }]).then(
                    () => {
                      isTaken = true;
                    },
                    () => sleep(1),
                  );
                }
              }
              await fetching(access, receive, signal);
            },
          },
        },
      ],
      list: async () => [connection('one')],
      async accept(_connection: unknown, { eventId }: { eventId: string }) {
        if (eventId === 'poison') {
          poisoned += 1;
          throw Object.assign(new Error('out of range: "said by Mara"'), { code: '22008' });
        }
        if (outages > 0) {
          outages -= 1;
          throw outages > 4 ? new KonstructError('database_unavailable') : new Error('a defect of ours');
        }
        taken.push(eventId);
      },
    }),
  );
  subscriptions.refresh();
  await expect.poll(() => taken).toEqual(['1', '2']);
  await subscriptions.stop();
  expect(poisoned).toBe(3);
  const skipped = log.lines.filter(({ event }) => event === 'event.skipped');
  expect(skipped).toEqual([
    expect.objectContaining({
      level: 'error',
      fields: expect.objectContaining({ connectionId: 'one', eventId: 'poison', code: '22008' }),
    }),
  ]);
  expect(inspect(log.lines, { depth: null })).not.toContain('said by Mara');
});

it('looks at once which connections there are, and then no more than now and then, however many changes come', async () => {
  const pauses: { readonly ms: number; end(): void }[] = [];
  let looks = 0;
  const subscriptions = createSubscriptions(
    options({
      channels: [{ type: 'chat', subscription: {} }],
      list: async () => {
        looks += 1;
        return [];
      },
      sleep(ms: number, signal: AbortSignal) {
        const { promise, resolve } = Promise.withResolvers<void>();
        signal.addEventListener('abort', () => resolve(), { once: true });
        pauses.push({ ms, end: resolve });
        return promise;
      },
    }),
  );
  for (const look of [1, 2, 3]) {
    subscriptions.refresh();
    await expect.poll(() => looks).toBe(look);
    for (let change = 0; change < 50; change += 1) {
      subscriptions.refresh();
      await sleep(0);
    }
    expect(looks).toBe(look);
    pauses.at(-1)?.end();
  }
  await expect.poll(() => looks).toBe(4);
  await subscriptions.stop();
  expect(Math.min(...pauses.map(({ ms }) => ms))).toBeGreaterThanOrEqual(500);
});

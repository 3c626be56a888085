import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
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
    disableConnection: async () => true,
    cipher: { decrypt: () => '{}' } as never,
    clock: Date.now,
    sleep: (ms, signal) => sleep(ms, undefined, { signal }),
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

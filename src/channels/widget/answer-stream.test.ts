import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { silentLog } from '../../../test/support/silent-log.ts';
import { createMemoryMailbox } from '../../../test/support/widget/memory-mailbox.ts';
import { applyGlimpse, type Glimpse } from '../../core/glimpse.ts';
import { createAnswerStream } from './answer-stream.ts';

const box = { connectionId: 'c', channelId: 'v:mara' };

function streamTo(glimpse: (each: Glimpse) => Promise<void>, mayStillSend = () => true) {
  return createAnswerStream({
    mailbox: {
      ...createMemoryMailbox(),
      glimpse: async (_box, glimpses) => {
        for (const each of glimpses) await glimpse(each);
      },
    },
    box,
    start: {
      target: { channelId: 'v:mara', threadId: null },
      messageId: '7',
      marker: { deliveryId: '1' },
      recipientId: 'v:mara',
      mayStillSend,
      onMessage: async () => {},
    },
    clock: () => performance.now(),
    log: silentLog,
  });
}

it('shows what is new of an answer about twelve times a second, and all of it once a second', async () => {
  const glimpses: Glimpse[] = [];
  const stream = streamTo(async (each) => void glimpses.push(each));
  let text = '';
  const until = performance.now() + 2_300;
  while (performance.now() < until) {
    text += 'word ';
    stream.show(text);
    await sleep(10);
  }
  expect(await stream.close()).toEqual({ messageId: '7' });
  expect(glimpses.length).toBeGreaterThan(15);
  expect(glimpses.length).toBeLessThan(34);
  expect(glimpses.filter(({ from }) => from === 0).length).toBeGreaterThanOrEqual(2);
  expect(glimpses.filter(({ from }) => from === 0).length).toBeLessThanOrEqual(4);
  let seen: string | null = '';
  for (const each of glimpses) seen = applyGlimpse(seen ?? '', each);
  expect(text.startsWith(seen ?? 'x')).toBe(true);
});

it('begins anew where a text changes, says all of it again after a failure, and nothing once it is closed', async () => {
  const glimpses: Glimpse[] = [];
  let failing = false;
  const stream = streamTo(async (each) => {
    if (failing) throw new Error('away');
    glimpses.push(each);
  });
  const shown = async (text: string) => {
    stream.show(text);
    await sleep(180);
  };
  await shown('I think');
  await shown('I know better');
  failing = true;
  await shown('I know better now');
  failing = false;
  await shown('I know better now.');
  await stream.close();
  await shown('late');
  expect(glimpses.map(({ from, text }) => [from, text])).toEqual([
    [0, 'I think'],
    [2, 'know better'],
    [0, 'I know better now.'],
  ]);
});

it('says nothing once the turn is another worker’s', async () => {
  const glimpses: Glimpse[] = [];
  const stream = streamTo(
    async (each) => void glimpses.push(each),
    () => false,
  );
  stream.show('mine');
  await sleep(150);
  await stream.close();
  expect(glimpses).toEqual([]);
});

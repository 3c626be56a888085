import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { aTurn } from '../../test/support/a-turn.ts';
import { until } from '../../test/support/conversation.ts';
import { silentLog } from '../../test/support/silent-log.ts';
import type { Delivery } from '../core/delivery.ts';
import { createShowWork, type ShowWorkOptions } from './create-show-work.ts';
import { createTakeEdit } from './take-edit.ts';

const noStream = () => {
  throw new Error('There is no stream.');
};

function showing(progress: Delivery['progress'], other: Partial<ShowWorkOptions> = {}) {
  return createShowWork({
    turn: aTurn,
    takeEdit: () => true,
    delivery: {
      progress,
      split: (_turn, text) => [text],
      showsWriting: () => 'edits',
      openStream: noStream,
    },
    placeholder: Promise.resolve({ state: 'shown', messageId: 'p' }),
    heard: { onMessage: async () => {} },
    clock: Date.now,
    log: silentLog,
    ...other,
  });
}

it('names the tools that run, each title once, and not one that has ended', async () => {
  const texts: string[] = [];
  const tools = showing(async (_turn, _messageId, text) => void texts.push(text));
  tools.tool('Searching')();
  tools.tool('Reading');
  tools.tool('Reading');
  tools.tool('Counting');
  await until('it is shown', () => texts.length > 0);
  expect(texts).toEqual(['Thinking… · Reading, Counting']);
  await tools.close();
});

it('shows nothing after it was closed, and ends an edit that does not come to its end', async () => {
  const signals: AbortSignal[] = [];
  const texts: string[] = [];
  const tools = showing((_turn, _messageId, text, signal) => {
    texts.push(text);
    signals.push(signal);
    return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  });
  tools.tool('Reading');
  await until('the edit is on its way', () => texts.length > 0);
  await tools.close();
  expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
  tools.tool('Counting');
  await sleep(400);
  expect(texts).toEqual(['Thinking… · Reading']);
});

it('leaves the edits of a connection to its answers when many tools run', () => {
  let nowMs = 0;
  const takeEdit = createTakeEdit(() => nowMs);
  expect(Array.from({ length: 7 }, () => takeEdit('c1'))).toEqual([
    true,
    true,
    true,
    true,
    true,
    false,
    false,
  ]);
  expect(takeEdit('c2')).toBe(true);
  nowMs = 3_000;
  expect([takeEdit('c1'), takeEdit('c1')]).toEqual([true, false]);
});

it('shows a text while it is written, the newest and not each, and takes half of one back', async () => {
  const texts: string[] = [];
  const work = showing(async (_turn, _messageId, text) => void texts.push(text));
  work.text('Refunds');
  work.text('Refunds take');
  await until('it is shown', () => texts.length > 0);
  work.text('Refunds take 14');
  work.tool('Reading');
  work.text('Refunds take 14 days');
  await until('it is shown again', () => texts.length > 1);
  expect(await work.close()).toEqual({ state: 'shown', messageId: 'p' });
  await work.reset();
  work.text('Refunds take 14 days.');
  expect(texts).toEqual(['Refunds take …', 'Refunds take 14 days …\n\n_Reading …_', 'Thinking…']);
});

it('leaves it to a stream of the platform’s own, and says in which message that ended', async () => {
  const shown: string[] = [];
  const opened: string[] = [];
  const work = showing(noStream, {
    delivery: {
      progress: noStream,
      split: (_turn, text) => [text],
      showsWriting: () => 'native',
      openStream: (_turn, messageId) => {
        opened.push(messageId);
        return { show: (text) => void shown.push(text), close: async () => ({ messageId: 's' }) };
      },
    },
  });
  work.text('Refunds');
  work.text('Refunds take');
  await until('it has begun', () => shown.length > 0);
  work.text('Refunds take 14 days');
  expect(await work.close()).toEqual({ state: 'shown', messageId: 's' });
  expect(opened).toEqual(['p']);
  expect(shown).toEqual(['Refunds take', 'Refunds take 14 days']);
});

it('opens no stream where no placeholder stands', async () => {
  const work = showing(noStream, {
    placeholder: Promise.resolve({ state: 'absent' }),
    delivery: {
      progress: noStream,
      split: (_turn, text) => [text],
      showsWriting: () => 'native',
      openStream: noStream,
    },
  });
  work.text('Refunds');
  expect(await work.close()).toEqual({ state: 'absent' });
});

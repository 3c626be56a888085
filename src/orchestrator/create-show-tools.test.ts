import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { aTurn } from '../../test/support/a-turn.ts';
import { until } from '../../test/support/conversation.ts';
import { silentLog } from '../../test/support/silent-log.ts';
import type { Delivery } from '../core/delivery.ts';
import { createShowTools, createTakeEdit } from './create-show-tools.ts';

function showing(progress: Delivery['progress'], takeEdit = () => true) {
  return createShowTools({
    turn: aTurn,
    takeEdit,
    delivery: { progress },
    placeholder: Promise.resolve({ state: 'shown', messageId: 'p' }),
    clock: Date.now,
    log: silentLog,
  });
}

it('names the tools that run, each title once, and not one that has ended', async () => {
  const texts: string[] = [];
  const tools = showing(async (_turn, _messageId, text) => void texts.push(text));
  tools.show('Searching')();
  tools.show('Reading');
  tools.show('Reading');
  tools.show('Counting');
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
  tools.show('Reading');
  await until('the edit is on its way', () => texts.length > 0);
  await tools.close();
  expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
  tools.show('Counting');
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

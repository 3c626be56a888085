import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { mapConcurrently } from './map-concurrently.ts';

it('keeps the order of the items and never runs more than the limit at a time', async () => {
  let running = 0;
  let most = 0;
  const results = await mapConcurrently([5, 1, 3, 2, 4], 2, async (item) => {
    running += 1;
    most = Math.max(most, running);
    await delay(item);
    running -= 1;
    return item * 10;
  });
  expect(results).toEqual([50, 10, 30, 20, 40]);
  expect(most).toBe(2);
  expect(await mapConcurrently([], 2, async () => 1)).toEqual([]);
});

it('starts nothing after a failure and throws only when what is under way has ended', async () => {
  const ended: number[] = [];
  const work = async (item: number): Promise<void> => {
    await delay(item === 1 ? 1 : 20);
    if (item === 1) throw new Error('first');
    ended.push(item);
  };
  await expect(mapConcurrently([1, 2, 3, 4], 2, work)).rejects.toThrow('first');
  expect(ended).toEqual([2]);
});

import { expect, it } from 'vitest';
import { createFilesInHand } from './create-files-in-hand.ts';

const never = new AbortController().signal;
/** Lets everything go on that can. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

it('lets turns have files up to the allowance, and the others in their order when there is room again', async () => {
  const files = createFilesInHand(100);
  const order: string[] = [];
  await files.take(1, 60, never);
  await files.take(2, 30, never);
  void files.take(3, 50, never).then(() => order.push('large'));
  void files.take(4, 5, never).then(() => order.push('small'));
  await settle();
  expect(order).toEqual([]); // the small one would fit, but does not overtake
  files.release(2);
  await settle();
  expect(order).toEqual([]);
  files.release(1);
  await settle();
  expect(order).toEqual(['large', 'small']);
});

it('gives back what was set aside for a file that turned out smaller, and all of a turn once', async () => {
  const files = createFilesInHand(100);
  const giveBack = await files.take(1, 100, never);
  const second = files.take(2, 40, never);
  giveBack?.(50);
  const giveBackMore = await second;
  files.release(2);
  giveBackMore?.(40); // of a turn that is over: nothing is given back twice
  await files.take(3, 50, never);
  let isIn = false;
  void files.take(4, 1, never).then(() => {
    isIn = true;
  });
  await settle();
  expect(isIn).toBe(false);
  files.release(1);
  await settle();
  expect(isIn).toBe(true);
});

it('does not keep those waiting that give up, nor those behind them', async () => {
  const files = createFilesInHand(100);
  await files.take(1, 90, never);
  const patience = new AbortController();
  const large = files.take(2, 50, patience.signal);
  const small = files.take(3, 10, never);
  patience.abort();
  expect(await large).toBeNull();
  expect(await small).not.toBeNull();
  expect(await files.take(4, 1, AbortSignal.abort())).toBeNull();
});

it('lets a file that is larger than the allowance have it alone', async () => {
  const files = createFilesInHand(100);
  await files.take(1, 10, never);
  let isIn = false;
  void files.take(2, 500, never).then(() => {
    isIn = true;
  });
  await settle();
  expect(isIn).toBe(false);
  files.release(1);
  await settle();
  expect(isIn).toBe(true);
});

import { expect, it } from 'vitest';
import { createLookupGuard } from './create-lookup-guard.ts';

const settle = () => new Promise((resolve) => setImmediate(resolve));

it('looks up as many connections as there are, a few at a time', async () => {
  const guarded = createLookupGuard(() => 1_000);
  let underWay = 0;
  let most = 0;
  const found = await Promise.all(
    Array.from({ length: 500 }, (_, id) =>
      guarded(async () => {
        underWay += 1;
        most = Math.max(most, underWay);
        await settle();
        underWay -= 1;
        return id;
      }),
    ),
  );
  expect(found).toEqual(Array.from({ length: 500 }, (_, id) => id));
  expect(most).toBe(20);
});

it('asks for at most 20 a second that nobody knows, and refuses the others so that they are repeated', async () => {
  let nowMs = 1_000;
  const guarded = createLookupGuard(() => nowMs);
  let asked = 0;
  const ask = () =>
    guarded(async () => {
      asked += 1;
      await settle();
      return null;
    });
  const outcomes = await Promise.allSettled(Array.from({ length: 100 }, ask));
  expect(asked).toBe(20);
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(20);
  await expect(ask()).rejects.toMatchObject({ code: 'lookups_exhausted', retryable: true });
  nowMs = 2_000;
  await expect(ask()).resolves.toBeNull();
});

it('gives the place of a look-up that failed to the next one', async () => {
  const guarded = createLookupGuard(() => 1_000);
  for (let count = 0; count < 60; count += 1)
    await expect(guarded(() => Promise.reject(new Error('away')))).rejects.toThrow('away');
  await expect(guarded(async () => 1)).resolves.toBe(1);
});

it('does not keep any number of requests waiting', async () => {
  const guarded = createLookupGuard(() => 1_000);
  const { promise, resolve } = Promise.withResolvers<null>();
  const all = Array.from({ length: 1_100 }, () => guarded(() => promise));
  const refused = Promise.allSettled(all);
  await settle();
  resolve(null);
  const outcomes = await refused;
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(20);
});

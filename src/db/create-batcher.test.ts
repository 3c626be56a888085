import { describe, expect, it } from 'vitest';
import { createBatcher } from './create-batcher.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('createBatcher', () => {
  it('sends what came in the same moment together, and returns each caller its own result', async () => {
    const batches: number[][] = [];
    const call = createBatcher<number, string>({
      call: async (items) => {
        batches.push([...items]);
        return items.map((item) => `result ${item}`);
      },
      maxBatch: 100,
      maxInFlight: 2,
      isShared: () => true,
    });
    expect(await Promise.all([call(1), call(2), call(3)])).toEqual(['result 1', 'result 2', 'result 3']);
    expect(batches).toEqual([[1, 2, 3]]);
  });

  it('keeps to its limits: batch size, and batches under way', async () => {
    let inFlight = 0;
    let mostInFlight = 0;
    const sizes: number[] = [];
    const call = createBatcher<number, number>({
      call: async (items) => {
        inFlight += 1;
        mostInFlight = Math.max(mostInFlight, inFlight);
        sizes.push(items.length);
        await turn();
        inFlight -= 1;
        return items;
      },
      maxBatch: 10,
      maxInFlight: 2,
      isShared: () => true,
    });
    const items = Array.from({ length: 95 }, (_, index) => index);
    expect(await Promise.all(items.map(call))).toEqual(items);
    expect(mostInFlight).toBe(2);
    expect(Math.max(...sizes)).toBe(10);
  });

  it('repeats a failed batch item by item, so that one bad item harms only its caller', async () => {
    const call = createBatcher<number, number>({
      call: async (items) => {
        if (items.includes(2)) throw new Error('bad item');
        return items;
      },
      maxBatch: 10,
      maxInFlight: 1,
      isShared: () => false,
    });
    const results = await Promise.allSettled([call(1), call(2), call(3)]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  it('does not repeat what concerns every item alike', async () => {
    let calls = 0;
    const call = createBatcher<number, number>({
      call: async () => {
        calls += 1;
        throw new Error('database down');
      },
      maxBatch: 10,
      maxInFlight: 1,
      isShared: () => true,
    });
    await Promise.allSettled([call(1), call(2), call(3)]);
    expect(calls).toBe(1);
  });
});

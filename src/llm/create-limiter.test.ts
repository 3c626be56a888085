import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ProviderLimits } from '../core/model.ts';
import { createLimiter, type Limiter, type Slot } from './create-limiter.ts';

const WAIT_MS = 120_000;
const never = new AbortController().signal;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const limiterOf = (limits: ProviderLimits): Limiter => createLimiter(() => limits, Date.now);

function ask(limiter: Limiter, tenantId: string, tokens: number, waitMs = WAIT_MS) {
  return limiter.acquire({ provider: 'openai', tenantId, tokens, signal: never, waitMs });
}

/** What became of a call that has to wait. */
function follow(asked: Promise<Slot | null> | Slot): {
  state: 'waits' | 'goes' | 'gave up';
  slot: Slot | null;
} {
  const call: ReturnType<typeof follow> = { state: 'waits', slot: null };
  void Promise.resolve(asked).then((slot) => {
    call.slot = slot;
    call.state = slot === null ? 'gave up' : 'goes';
  });
  return call;
}

const settled = () => vi.advanceTimersByTimeAsync(0);

describe('a call', () => {
  it('goes at once, without a promise or a timer, where nothing is limited or there is room', () => {
    const unlimited = createLimiter(() => undefined, Date.now);
    expect(ask(unlimited, 'a', 1e9)).not.toBeInstanceOf(Promise);
    expect(unlimited.snapshot()).toEqual([]);
    expect(ask(limiterOf({ tokensPerMinute: 1000, concurrency: 1 }), 'a', 1000)).not.toBeInstanceOf(Promise);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('does not wait that was aborted before', async () => {
    const limiter = limiterOf({ concurrency: 1 });
    await ask(limiter, 'a', 1);
    const call = { provider: 'openai', tenantId: 'a', tokens: 1, waitMs: WAIT_MS } as const;
    expect(await limiter.acquire({ ...call, signal: AbortSignal.abort() })).toBeNull();
    expect(limiter.snapshot()).toEqual([{ provider: 'openai', running: 1, waiting: 0 }]);
  });

  it('waits no longer than it may, and leaves no timer behind', async () => {
    const limiter = limiterOf({ tokensPerMinute: 1000 });
    await ask(limiter, 'a', 1000);
    const call = follow(ask(limiter, 'a', 1000, 5_000));
    await vi.advanceTimersByTimeAsync(4_999);
    expect(call.state).toBe('waits');
    await vi.advanceTimersByTimeAsync(1);
    expect(call.state).toBe('gave up');
    expect(limiter.snapshot()).toMatchObject([{ waiting: 0 }]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('that is larger than a minute’s tokens goes when there are as many as there can be', async () => {
    const limiter = limiterOf({ tokensPerMinute: 1000 });
    await ask(limiter, 'a', 1000);
    const call = follow(ask(limiter, 'a', 50_000));
    await vi.advanceTimersByTimeAsync(59_999);
    expect(call.state).toBe('waits');
    await vi.advanceTimersByTimeAsync(1);
    expect(call.state).toBe('goes');
  });
});

describe('calls at a time', () => {
  it('are taken in turns by tenants: a burst delays the others by one call', async () => {
    const limiter = limiterOf({ concurrency: 1 });
    const order: string[] = [];
    const run = async (tenantId: string) => {
      const slot = await ask(limiter, tenantId, 1);
      order.push(tenantId);
      await vi.advanceTimersByTimeAsync(1_000);
      slot?.release(null);
    };
    await Promise.all(['a', 'a', 'a', 'a', 'b', 'c', 'b'].map(run));
    expect(order).toEqual(['a', 'a', 'b', 'c', 'a', 'b', 'a']);
  });
});

describe('tokens a minute', () => {
  it('are put right when it is known what a call used', async () => {
    const limiter = limiterOf({ tokensPerMinute: 60_000 });
    const less = await ask(limiter, 'a', 60_000);
    const first = follow(ask(limiter, 'b', 20_000));
    await settled();
    expect(first.state).toBe('waits');
    less?.release(10_000);
    await settled();
    expect(first.state).toBe('goes'); // 30,000 are left
    first.slot?.release(50_000); // 0 are left
    const second = follow(ask(limiter, 'a', 10_000));
    await vi.advanceTimersByTimeAsync(9_999);
    expect(second.state).toBe('waits');
    await vi.advanceTimersByTimeAsync(1);
    expect(second.state).toBe('goes');
  });

  it.each([
    ['more than anybody can use', 1e15, 120_000],
    ['endlessly many', Number.POSITIVE_INFINITY, 120_000],
    ['no number', Number.NaN, 10],
    ['fewer than none', -1e15, 10],
  ])('do not keep others out for long when a provider says it used %s', async (_, used, mostMs) => {
    const limiter = limiterOf({ tokensPerMinute: 60_000 });
    const asked = await ask(limiter, 'a', 59_990);
    asked?.release(used);
    const next = follow(ask(limiter, 'b', 20, 1e12));
    await vi.advanceTimersByTimeAsync(mostMs);
    expect(next.state).toBe('goes');
    next.slot?.release(0);
    // Nor is anything left over: no more than the tokens of a minute may go at once.
    await vi.advanceTimersByTimeAsync(120_000);
    await ask(limiter, 'a', 60_000);
    expect(ask(limiter, 'b', 1)).toBeInstanceOf(Promise);
  });

  it('waits for as long as it is told, however long that is', async () => {
    const limiter = limiterOf({ concurrency: 1 });
    await ask(limiter, 'a', 1);
    const call = follow(ask(limiter, 'a', 1, 1e12));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(call.state).toBe('waits');
  });
});

describe('a tenant that gave up', () => {
  it.each([
    ['is owed what it waited for', 0, 'large'],
    ['is owed nothing once there was enough for everybody', 120_000, 'other'],
  ])('%s', async (_, quietMs, first) => {
    const limiter = limiterOf({ tokensPerMinute: 60_000 });
    await ask(limiter, 'else', 60_000);
    const given = follow(ask(limiter, 'large', 60_000, 50_000));
    await vi.advanceTimersByTimeAsync(50_000 + quietMs);
    expect(given.state).toBe('gave up');
    await ask(limiter, 'else', quietMs === 0 ? 50_000 : 60_000);
    const order: string[] = [];
    const again = async (tenantId: string, tokens: number) => {
      if ((await ask(limiter, tenantId, tokens)) !== null) order.push(tenantId);
    };
    void again('other', 20_000);
    void again('large', 60_000);
    await vi.advanceTimersByTimeAsync(90_000);
    expect(order).toEqual([first, first === 'large' ? 'other' : 'large']);
  });
});

/** Calls of tenants against 100,000 tokens a minute, for an hour. */
function simulate() {
  const limiter = limiterOf({ tokensPerMinute: 100_000 });
  const calls: { tenantId: string; tokens: number; atMs: number; waitedMs: number; went: boolean }[] = [];
  const call = async (tenantId: string, tokens: number, used: number) => {
    const askedAtMs = Date.now();
    const slot = await ask(limiter, tenantId, tokens);
    const atMs = Date.now();
    calls.push({ tenantId, tokens: used, atMs, waitedMs: atMs - askedAtMs, went: slot !== null });
    if (used !== tokens) await new Promise((resolve) => setTimeout(resolve, 2_000));
    slot?.release(used);
  };
  return {
    /** So many conversations, each asks again as soon as it was answered or gave up. */
    always(tenantId: string, tokens: number, conversations: number, used = tokens) {
      for (let n = 0; n < conversations; n += 1) {
        void (async () => {
          for (;;) await call(tenantId, tokens, used);
        })();
      }
    },
    /** A call every so often. */
    every(tenantId: string, tokens: number, ms: number) {
      void call(tenantId, tokens, tokens);
      setInterval(() => void call(tenantId, tokens, tokens), ms);
    },
    later: (ms: number, begin: () => void) => void setTimeout(begin, ms),
    async hour() {
      await vi.advanceTimersByTimeAsync(3_600_000);
      return (wanted: string) => {
        const own = calls.filter(({ tenantId }) => tenantId.startsWith(wanted));
        const went = own.filter((each) => each.went);
        return {
          went: went.length,
          gaveUp: own.length - went.length,
          tokens: went.reduce((sum, { tokens }) => sum + tokens, 0),
          longestMs: Math.max(...went.map(({ waitedMs }) => waitedMs)),
          last: went.at(-1)?.atMs ?? 0,
        };
      };
    },
  };
}

const HOUR = 6_000_000;
const total = 1.02 * HOUR; // what there was at the beginning, and what came

describe('an hour of tokens', () => {
  it('is never more than there are', async () => {
    const { always, hour } = simulate();
    always('a', 5_000, 10);
    const of = await hour();
    expect(of('a').tokens).toBeGreaterThan(0.99 * HOUR);
    expect(of('a').tokens).toBeLessThanOrEqual(total);
  });

  it('leaves small calls of one tenant their way past large ones of another', async () => {
    const { always, every, hour } = simulate();
    always('large', 90_000, 5);
    every('small', 1_000, 10_000); // 6 % of the limit
    const of = await hour();
    expect(of('small')).toMatchObject({ gaveUp: 0 });
    expect(of('small').longestMs).toBeLessThan(3_000);
    expect(of('large').tokens).toBeGreaterThan(0.9 * HOUR);
  });

  it('leaves small calls of many tenants their way, too, and large ones the rest', async () => {
    const { always, every, later, hour } = simulate();
    always('large', 90_000, 1);
    for (let n = 0; n < 50; n += 1) later(n * 1_200, () => every(`small ${n}`, 1_000, 60_000)); // half of the limit
    const of = await hour();
    expect(of('small').longestMs).toBeLessThan(3_000);
    expect(of('large')).toMatchObject({ gaveUp: 0 });
    expect(of('large').tokens).toBeGreaterThan(0.48 * HOUR);
  });

  it.each([
    ['a large one and many small ones', { large: [90_000, 1], small: [1_000, 20] }],
    ['several large ones and several small ones', { large: [90_000, 5], small: [1_000, 5] }],
    ['three sizes', { small: [5_000, 10], middle: [20_000, 4], large: [60_000, 2] }],
    ['three large ones', { one: [90_000, 2], two: [90_000, 2], three: [90_000, 2] }],
  ] satisfies [string, Record<string, [number, number]>][])(
    'is shared by tokens between tenants that want more than there is: %s',
    async (_, mix) => {
      const { always, hour } = simulate();
      for (const [tenantId, [tokens, conversations]] of Object.entries(mix)) {
        always(tenantId, tokens, conversations);
      }
      const of = await hour();
      const fair = HOUR / Object.keys(mix).length;
      for (const tenantId of Object.keys(mix)) {
        expect(of(tenantId).tokens).toBeGreaterThan(0.9 * fair);
        expect(of(tenantId).tokens).toBeLessThan(1.1 * fair);
      }
    },
  );

  it('lets no small call wait for a whole large one where both tenants want more than there is', async () => {
    const { always, hour } = simulate();
    always('large', 90_000, 5);
    always('small', 1_000, 5);
    expect((await hour())('small').longestMs).toBeLessThan(20_000);
  });

  it('gives back what calls were thought to use and did not, to both', async () => {
    const { always, hour } = simulate();
    always('large', 90_000, 20, 9_000);
    always('small', 10_000, 20, 1_000);
    const of = await hour();
    for (const tenantId of ['large', 'small']) {
      expect(of(tenantId).tokens).toBeGreaterThan(0.4 * HOUR);
      expect(of(tenantId).tokens).toBeLessThan(0.6 * HOUR);
    }
  });

  it.each([3, 9])(
    'gives a tenant its part whose call takes longer to be paid for than it may wait, beside %i others',
    async (others) => {
      const { always, hour } = simulate();
      always('large', 90_000, 1);
      for (let n = 0; n < others; n += 1) always(`small ${n}`, 1_000, 5);
      const of = await hour();
      const fair = HOUR / (others + 1);
      expect(of('large').gaveUp).toBeGreaterThan(0);
      expect(of('large').tokens).toBeGreaterThan(0.75 * fair);
      expect(of('large').tokens).toBeLessThan(1.25 * fair);
      expect(of('large').last).toBeGreaterThan(Date.now() - 15 * 60_000);
      expect(of('small')).toMatchObject({ gaveUp: 0 });
    },
  );
});

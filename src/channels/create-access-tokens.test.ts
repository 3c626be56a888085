import { expect, it } from 'vitest';
import { createAccessTokens } from './create-access-tokens.ts';

const { signal } = new AbortController();

function counted() {
  const state = { nowMs: 0, fetched: 0, fails: false };
  const tokens = createAccessTokens(() => state.nowMs);
  const get = (secrets: readonly string[] = ['app', 'secret'], given = signal): Promise<string> =>
    tokens.get(
      secrets,
      async () => {
        state.fetched += 1;
        await new Promise((resolve) => setImmediate(resolve));
        if (state.fails) throw new Error('refused');
        return { token: `token ${state.fetched}`, lifetimeMs: 3_600_000 };
      },
      given,
    );
  return { state, tokens, get };
}

it('a token is fetched once for all who want it, and kept', async () => {
  const { state, get } = counted();
  expect(await Promise.all([get(), get(), get()])).toEqual(['token 1', 'token 1', 'token 1']);
  state.nowMs = 3_000_000;
  expect(await get()).toBe('token 1');
  expect(state.fetched).toBe(1);
});

it('a token is exchanged before its end while the old one serves, also if that fails', async () => {
  const { state, get } = counted();
  await get();
  state.nowMs = 3_310_000;
  state.fails = true;
  expect(await get()).toBe('token 1');
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(state.fetched).toBe(2);
  state.fails = false;
  expect(await get()).toBe('token 1');
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(await get()).toBe('token 3');
});

it('a token that may end on its way is waited for', async () => {
  const { state, get } = counted();
  await get();
  state.nowMs = 3_580_000;
  expect(await get()).toBe('token 2');
});

it('nobody gets a token who knows less than it was given for', async () => {
  const { state, get } = counted();
  await get(['app', 'secret']);
  state.fails = true;
  await expect(get(['app', 'guessed'])).rejects.toThrow('refused');
  await expect(get(['app'])).rejects.toThrow('refused');
  await expect(get(['app","secret'])).rejects.toThrow('refused');
});

it('a failure is not kept, nor is a token that was forgotten', async () => {
  const { state, tokens, get } = counted();
  state.fails = true;
  await expect(get()).rejects.toThrow('refused');
  state.fails = false;
  expect(await get()).toBe('token 2');
  tokens.forget(['app', 'secret'], 'token 1');
  expect(await get(), 'another one is meant').toBe('token 2');
  tokens.forget(['app', 'secret'], 'token 2');
  expect(await get()).toBe('token 3');
});

it('who is cancelled does not wait, and takes nothing from the others', async () => {
  const { get } = counted();
  const cancelled = new AbortController();
  const both = [get(undefined, cancelled.signal), get()];
  cancelled.abort();
  await expect(both[0]).rejects.toMatchObject({ code: 'aborted' });
  expect(await both[1]).toBe('token 1');
  await expect(get(['new'], AbortSignal.abort())).rejects.toMatchObject({ code: 'aborted' });
});

import { expect, it } from 'vitest';
import { createVisitorIdentity, type Memory } from './visitor-identity.ts';

function memoryOf(values: Record<string, string> = {}): Memory {
  const map = new Map(Object.entries(values));
  return {
    get: (key) => map.get(key) ?? null,
    set: (key, value) => void (value === null ? map.delete(key) : map.set(key, value)),
  };
}
/** A site that gives the tokens out in turn; nobody is signed in once there are none left. */
const site = (...tokens: string[]) =>
  (async () => {
    const token = tokens.shift();
    return token === undefined ? new Response('', { status: 401 }) : new Response(`${token}\n`);
  }) as typeof fetch;
const noSite = site();

it('is what the page says, and when that has ended what the site says now', async () => {
  const options = { token: 'page', tokenUrl: '/me', memory: memoryOf(), fetch: site('one', 'two') };
  const identity = createVisitorIdentity(options);
  expect(await identity.token()).toBe('page');
  expect(await identity.refuse()).toBe(true);
  expect(await identity.token()).toBe('one');
  expect(await identity.token()).toBe('one');
  expect(await identity.refuse()).toBe(true);
  expect(await identity.token()).toBe('two');
  expect(await identity.refuse()).toBe(true);
  expect(await identity.token()).toBeNull(); // signed out
  expect(await identity.refuse()).toBe(false);
});

it('of a stranger is remembered, and begun anew when it has ended', async () => {
  const memory = memoryOf();
  const identity = createVisitorIdentity({ token: null, tokenUrl: null, memory, fetch: noSite });
  expect(await identity.token()).toBeNull();
  identity.remember('s1');
  const next = createVisitorIdentity({ token: null, tokenUrl: null, memory, fetch: noSite });
  expect(await next.token()).toBe('s1');
  expect(await next.refuse()).toBe(true);
  expect(await next.token()).toBeNull();
  expect(await next.refuse()).toBe(false);
});

it('of somebody whom the site knows never turns into a stranger’s, when it has ended or they have signed out', async () => {
  const memory = memoryOf({ stranger: 's' });
  const page = createVisitorIdentity({ token: 'page', tokenUrl: null, memory, fetch: noSite });
  expect(await page.refuse()).toBe(false);
  expect(await page.token()).toBe('page');
  const known = createVisitorIdentity({ token: null, tokenUrl: '/me', memory, fetch: site('one') });
  expect(await known.token()).toBe('one');
  expect(await known.refuse()).toBe(true);
  expect(await known.token()).toBeNull();
  expect(memory.get('stranger')).toBe('s');
});

it('changes when somebody signs in or out, and nobody goes on as who they were', async () => {
  const memory = memoryOf({ stranger: 's' });
  const identity = createVisitorIdentity({ token: null, tokenUrl: '/me', memory, fetch: noSite });
  expect(await identity.token()).toBe('s');
  identity.change('mara');
  expect(await identity.token()).toBe('mara');
  identity.change(null);
  expect(await identity.token()).toBe('s');
});

import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createRsaSigner } from '../../test/support/rsa-signer.ts';
import { isKonstructError } from '../core/errors.ts';
import { createJwtKeySet } from './create-jwt-key-set.ts';
import type { JsonRecord } from './read-json.ts';
import { verifyBearerToken } from './verify-jwt.ts';

const nowMs = 1_760_000_000_000;
const nowSeconds = nowMs / 1000;
const signer = createRsaSigner('key-1');
const stranger = createRsaSigner('key-1');
const claims = { iss: 'https://issuer.example', aud: 'us', exp: nowSeconds + 60, nbf: nowSeconds - 60 };

/** A platform whose keys can change or be away, on a clock of the test's. */
function keySet() {
  const state = { keys: [signer.jwk] as readonly JsonRecord[], isAway: false, loads: 0, nowMs: 0 };
  const set = createJwtKeySet({
    clock: () => state.nowMs,
    async load() {
      state.loads += 1;
      await Promise.resolve();
      if (state.isAway) throw new Error('away');
      return state.keys;
    },
  });
  return { state, set };
}

async function outcome(
  authorization: string | readonly string[] | undefined,
  { set } = keySet(),
  other: { readonly issuer?: string; readonly audience?: string; readonly nowMs?: number } = {},
) {
  const request = { path: '/', headers: { authorization }, body: Buffer.alloc(0) };
  const expected = { issuer: claims.iss, audience: claims.aud, nowMs, ...other };
  try {
    return (await verifyBearerToken(request, set, expected)).claims;
  } catch (error) {
    return isKonstructError(error) ? error.code : error;
  }
}

describe('verifyBearerToken', () => {
  it('believes a token that the platform signed for us, and gives what it says', async () => {
    expect(await outcome(`Bearer ${signer.token({ ...claims, more: 1 })}`)).toEqual({ ...claims, more: 1 });
    expect(
      await outcome(`Bearer ${signer.token({ ...claims, exp: nowSeconds - 200 })}`),
      'clocks differ',
    ).toEqual({
      ...claims,
      exp: nowSeconds - 200,
    });
  });

  it.each([
    ['no header', undefined, 'signature_missing'],
    ['an empty header', '', 'signature_missing'],
    ['two headers', ['Bearer a.b.c', 'Bearer a.b.c'], 'signature_invalid'],
    ['another scheme', `Basic ${signer.token(claims)}`, 'signature_invalid'],
    ['no token', 'Bearer abc', 'signature_invalid'],
    ['a head that is no JSON', 'Bearer abc.abc.abcd', 'signature_invalid'],
    ['an endless token', `Bearer ${'a'.repeat(9_000)}.b.c`, 'signature_invalid'],
    ['a stranger’s key under the same id', `Bearer ${stranger.token(claims)}`, 'signature_invalid'],
    [
      'another issuer',
      `Bearer ${signer.token({ ...claims, iss: 'https://other.example' })}`,
      'signature_invalid',
    ],
    ['another audience', `Bearer ${signer.token({ ...claims, aud: 'them' })}`, 'signature_invalid'],
    ['no end', `Bearer ${signer.token({ ...claims, exp: undefined })}`, 'signature_invalid'],
    [
      'an end in the past',
      `Bearer ${signer.token({ ...claims, exp: nowSeconds - 400 })}`,
      'signature_expired',
    ],
    [
      'a beginning in the future',
      `Bearer ${signer.token({ ...claims, nbf: nowSeconds + 400 })}`,
      'signature_invalid',
    ],
    ['a head without a key', `Bearer ${signer.token(claims, { kid: undefined })}`, 'signature_invalid'],
    ['another algorithm', `Bearer ${signer.token(claims, { alg: 'PS256' })}`, 'signature_invalid'],
    ['an extension', `Bearer ${signer.token(claims, { crit: ['x'], x: 1 })}`, 'signature_invalid'],
    ['a payload as it is', `Bearer ${signer.token(claims, { b64: false })}`, 'signature_invalid'],
    ['no signature', `Bearer ${unsigned('none')}.`, 'signature_invalid'],
    ['the algorithm none', `Bearer ${unsigned('none')}.AA`, 'signature_invalid'],
    // With the public key as a secret: what a verifier accepts that lets the token choose how it is checked.
    ['the public key as a secret', `Bearer ${signedWithPublicKey()}`, 'signature_invalid'],
  ])('refuses %s', async (_what, header, expected) => {
    expect(await outcome(header)).toBe(expected);
  });

  it('accepts one way of writing a signature, although base64 knows several', async () => {
    const token = signer.token(claims);
    const last = token.at(-1) as string;
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    for (const other of alphabet) {
      if (other === last) continue;
      expect(await outcome(`Bearer ${token.slice(0, -1)}${other}`), other).toBe('signature_invalid');
    }
  });
});

describe('a token that was believed before', () => {
  it('is believed again until it expires, and not before it was', async () => {
    const keys = keySet();
    const header = `Bearer ${signer.token(claims)}`;
    const at = (seconds: number) => outcome(header, keys, { nowMs: nowMs + seconds * 1_000 });
    expect(await at(0)).toEqual(claims);
    expect(await at(359)).toEqual(claims); // 60 s and 300 s for the clocks
    expect(await at(361)).toBe('signature_expired');
    expect(await at(1)).toEqual(claims);
    expect(await at(-500)).toBe('signature_invalid'); // it has not begun
  });

  it('is not believed for somebody else, nor with anything else in it', async () => {
    const keys = keySet();
    const token = signer.token(claims);
    expect(await outcome(`Bearer ${token}`, keys)).toEqual(claims);
    expect(await outcome(`Bearer ${token}`, keys, { audience: 'them' })).toBe('signature_invalid');
    expect(await outcome(`Bearer ${token}`, keys, { issuer: 'https://other.example' })).toBe(
      'signature_invalid',
    );
    const [head, , signature] = token.split('.');
    const changed = Buffer.from(JSON.stringify({ ...claims, more: 1 })).toString('base64url');
    expect(await outcome(`Bearer ${head}.${changed}.${signature}`, keys)).toBe('signature_invalid');
    expect(await outcome(`Bearer ${token}`, keys)).toEqual(claims);
  });
});

describe('the keys of a platform', () => {
  it('are fetched once for many requests at the same time', async () => {
    const keys = keySet();
    const all = await Promise.all(
      Array.from({ length: 20 }, () => outcome(`Bearer ${signer.token(claims)}`, keys)),
    );
    expect(all.every((each) => typeof each === 'object')).toBe(true);
    expect(keys.state.loads).toBe(1);
  });

  it('are looked at again for an id that nobody knows, so a new key is known at once', async () => {
    const keys = keySet();
    await outcome(`Bearer ${signer.token(claims)}`, keys);
    const next = createRsaSigner('key-2');
    keys.state.keys = [signer.jwk, next.jwk];
    keys.state.nowMs += 30_000;
    expect(await outcome(`Bearer ${next.token(claims)}`, keys)).toEqual(claims);
    expect(keys.state.loads).toBe(2);
  });

  it('are not fetched more often than every 30 s, whatever ids strangers make up', async () => {
    const keys = keySet();
    await outcome(`Bearer ${signer.token(claims)}`, keys);
    for (let each = 0; each < 200; each += 1) {
      keys.state.nowMs += 1_000;
      const made = `Bearer ${stranger.token(claims, { kid: `made-up-${each}` })}`;
      expect(await outcome(made, keys)).toBe('signature_invalid');
    }
    expect(keys.state.loads).toBeLessThanOrEqual(1 + Math.ceil(200 / 30));
  });

  it('are believed for a day after they could last be had, and not longer', async () => {
    const keys = keySet();
    const header = `Bearer ${signer.token(claims)}`;
    await outcome(header, keys);
    keys.state.isAway = true;
    for (let hour = 1; hour < 24; hour += 1) {
      keys.state.nowMs = hour * 3_600_000;
      expect(await outcome(header, keys), `hour ${hour}`).toEqual(claims);
    }
    expect(keys.state.loads, 'they are looked at hourly').toBeGreaterThan(20);
    keys.state.nowMs = 24 * 3_600_000;
    expect(await outcome(header, keys)).toBe('platform_unavailable');
    keys.state.isAway = false;
    keys.state.nowMs += 1_000;
    expect(await outcome(header, keys)).toEqual(claims);
  });

  it('that are new while they cannot be had are no forgery: the platform is to come again, and is believed soon after', async () => {
    const keys = keySet();
    await outcome(`Bearer ${signer.token(claims)}`, keys);
    const next = createRsaSigner('key-2');
    const header = `Bearer ${next.token(claims)}`;
    keys.state.keys = [signer.jwk, next.jwk];
    keys.state.nowMs += 60_000;
    keys.state.isAway = true;
    for (let each = 0; each < 5; each += 1) expect(await outcome(header, keys)).toBe('platform_unavailable');
    expect(keys.state.loads, 'once a second').toBe(2);
    keys.state.isAway = false;
    keys.state.nowMs += 1_000;
    expect(await outcome(header, keys)).toEqual(claims);
  });

  it('that were withdrawn are not believed any more', async () => {
    const keys = keySet();
    const header = `Bearer ${signer.token(claims)}`;
    await outcome(header, keys);
    keys.state.keys = [createRsaSigner('key-2').jwk];
    keys.state.nowMs = 3_600_000;
    await outcome(header, keys); // the look that finds out does not wait
    await new Promise((resolve) => setImmediate(resolve));
    expect(await outcome(header, keys)).toBe('signature_invalid');
  });

  it('that cannot be had are asked for at most once a second', async () => {
    const keys = keySet();
    keys.state.isAway = true;
    for (let each = 0; each < 50; each += 1) {
      expect(await outcome(`Bearer ${signer.token(claims)}`, keys)).toBe('platform_unavailable');
    }
    expect(keys.state.loads).toBe(1);
    keys.state.nowMs += 1_000;
    keys.state.isAway = false;
    expect(await outcome(`Bearer ${signer.token(claims)}`, keys)).toEqual(claims);
  });

  it('that are none are nobody’s', async () => {
    const keys = keySet();
    keys.state.keys = [
      { kid: 'key-1', kty: 'oct', k: 'c2VjcmV0' },
      { kid: 'key-2', kty: 'RSA', n: '', e: '' },
    ];
    expect(await outcome(`Bearer ${signer.token(claims)}`, keys)).toBe('signature_invalid');
    expect(await outcome(`Bearer ${signer.token(claims, { kid: 'key-2' })}`, keys)).toBe('signature_invalid');
  });
});

function unsigned(alg: string): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg, kid: 'key-1' })}.${part(claims)}`;
}

function signedWithPublicKey(): string {
  const head = unsigned('HS256');
  const secret = Buffer.from(String(signer.jwk.n), 'base64url');
  return `${head}.${createHmac('sha256', secret).update(head).digest('base64url')}`;
}

import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createCipher } from './cipher.ts';
import { openToken, sealToken } from './sealed-token.ts';

const cipher = createCipher([randomBytes(32)]);
const sealed = sealToken(cipher, 'link', { tenantId: 't' }, 1_000);

describe('a sealed token', () => {
  it('gives back what was put in, until it expires', () => {
    expect(openToken(cipher, 'link', sealed, 999)).toEqual({ tenantId: 't' });
    expect(openToken(cipher, 'link', sealed, 1_000)).toBeNull();
  });

  it('is good for its purpose and under its key only', () => {
    expect(openToken(cipher, 'state', sealed, 0)).toBeNull();
    expect(openToken(createCipher([randomBytes(32)]), 'link', sealed, 0)).toBeNull();
  });

  it('outlives a change of the master key while the former one is known', () => {
    const former = randomBytes(32);
    const token = sealToken(createCipher([former]), 'link', { a: 'b' }, 1_000);
    expect(openToken(createCipher([randomBytes(32), former]), 'link', token, 0)).toEqual({ a: 'b' });
  });

  it('with any of its characters changed is none', () => {
    for (let place = 0; place < sealed.length - 1; place += 1) {
      const other = sealed[place] === 'A' ? 'B' : 'A';
      expect(
        openToken(cipher, 'link', sealed.slice(0, place) + other + sealed.slice(place + 1), 0),
      ).toBeNull();
    }
    for (const token of ['', ' ', 'x', 'ü', sealed.slice(1), `${sealed}AAAA`, 'A'.repeat(100_000)])
      expect(openToken(cipher, 'link', token, 0)).toBeNull();
  });
});

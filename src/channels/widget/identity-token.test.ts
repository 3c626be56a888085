import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { identityOfRequest, signIdentity, verifyWidgetRequest } from './identity-token.ts';
import { visitors } from './visitors.ts';

const secret = '0123456789abcdef0123456789abcdef';
const nowMs = 1_800_000_000_000;
const mara = { subject: 'mara', name: 'Mara', isAnonymous: false, expiresAtMs: nowMs + 60_000 };

function requestWith(token: string) {
  return { path: '/widget', headers: { authorization: `Bearer ${token}` }, body: Buffer.alloc(0) };
}
function handMade(header: object, payload: object, alg = 'sha256'): string {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${encode(header)}.${encode(payload)}`;
  return `${signed}.${createHmac(alg, secret).update(signed).digest('base64url')}`;
}
function codeOf(token: string, withSecret = secret): string {
  try {
    verifyWidgetRequest(requestWith(token), withSecret, nowMs);
    return 'accepted';
  } catch (error) {
    return (error as { code: string }).code;
  }
}
const exp = nowMs / 1_000 + 60;

describe('an identity token', () => {
  it('is what any JWT library makes with HS256: who it is, the name, until when', () => {
    expect(codeOf(signIdentity(mara, secret))).toBe('accepted');
    expect(codeOf(handMade({ alg: 'HS256', typ: 'JWT' }, { sub: 'mara', exp, iat: 1, more: [] }))).toBe(
      'accepted',
    );
    expect(codeOf(handMade({ alg: 'HS256' }, { sub: 4711, exp }))).toBe('accepted');
    expect(identityOfRequest(requestWith(handMade({ alg: 'HS256' }, { sub: 4711, exp })))).toMatchObject({
      subject: '4711',
      name: null,
      isAnonymous: false,
    });
  });

  it.each([
    ['another algorithm', handMade({ alg: 'none' }, { sub: 'mara', exp })],
    ['another HMAC', handMade({ alg: 'HS512' }, { sub: 'mara', exp }, 'sha512')],
    ['no signature', `${signIdentity(mara, secret).split('.').slice(0, 2).join('.')}.`],
    ['more after it', `${signIdentity(mara, secret)}.x`],
    ['an extension that must be understood', handMade({ alg: 'HS256', crit: ['b64'] }, { sub: 'mara', exp })],
    ['nobody', handMade({ alg: 'HS256' }, { exp })],
    ['a name with spaces for an id', handMade({ alg: 'HS256' }, { sub: 'mara k', exp })],
    ['no end', handMade({ alg: 'HS256' }, { sub: 'mara' })],
    ['an end that is no number', handMade({ alg: 'HS256' }, { sub: 'mara', exp: '9999999999' })],
    ['the secret of another', signIdentity(mara, `${secret}x`)],
    ['nothing', 'x'],
  ])('is not believed with %s', (_what, token) => {
    expect(codeOf(token)).toBe('signature_invalid');
  });

  it('ends, with half a minute for clocks that differ', () => {
    const ended = (secondsAgo: number) =>
      codeOf(signIdentity({ ...mara, expiresAtMs: nowMs - secondsAgo * 1_000 }, secret));
    expect(ended(10)).toBe('accepted');
    expect(ended(31)).toBe('signature_expired');
  });

  it('is believed under no secret that is too short', () => {
    expect(codeOf(signIdentity(mara, 'short'), 'short')).toBe('signing_secret_missing');
    expect(() => visitors.admitStranger({ secret: 'short' }, null, nowMs)).toThrow();
  });
});

describe('a stranger', () => {
  it('gets an id of their own that nobody can guess, keeps it when it is renewed, and is no visitor of the site', () => {
    const one = visitors.admitStranger({ secret }, null, nowMs);
    const other = visitors.admitStranger({ secret }, null, nowMs);
    expect(one.visitor.channelId).not.toBe(other.visitor.channelId);
    expect(one.visitor.channelId.length).toBeGreaterThan(24);
    expect(codeOf(one.token)).toBe('accepted');
    expect(visitors.visitorOf(requestWith(one.token))).toEqual(one.visitor);
    const later = visitors.admitStranger({ secret }, one.visitor, nowMs + 1_000);
    expect(later.visitor.channelId).toBe(one.visitor.channelId);
    expect(later.visitor.expiresAtMs).toBe(one.visitor.expiresAtMs + 1_000);
    const subject = one.visitor.channelId.slice(2);
    const named = signIdentity({ ...mara, subject }, secret);
    expect(visitors.visitorOf(requestWith(named))?.channelId).not.toBe(one.visitor.channelId);
    const known = visitors.visitorOf(requestWith(named));
    expect(visitors.admitStranger({ secret }, known, nowMs).visitor.channelId).not.toContain(subject);
  });
});

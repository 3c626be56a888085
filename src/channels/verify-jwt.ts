import { hash, verify } from 'node:crypto';
import type { ChannelRequest } from '../core/channel.ts';
import { KonstructError } from '../core/errors.ts';
import type { JwtKey, JwtKeySet } from './create-jwt-key-set.ts';
import { type JsonRecord, readRecord } from './read-json.ts';

/** What a token must say to be believed. */
export interface ExpectedToken {
  readonly issuer: string | readonly string[];
  readonly audience: string;
  /** ms since 1970 */
  readonly nowMs: number;
}

export interface VerifiedToken {
  readonly claims: JsonRecord;
  readonly key: JwtKey;
}

/**
 * Nothing keeps a platform from sending the same token with many requests: what was checked once is not checked again for
 * this long, at most until it expires.
 */
const BELIEVED_MS = 300_000;
/** How far the clocks of the platform and of this machine may differ. */
const CLOCK_TOLERANCE_SECONDS = 300;
/** Real ones have about 1,000. */
const MAX_CHARACTERS = 8_192;
const BEARER = /^Bearer ([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)$/;

/**
 * Checks the token by which a platform proves that a request is its own: RS256 by one of its keys, for us, not expired. It
 * vouches for its sender, not for a body, so the same token proves as much the second time.
 *
 * Source: https://www.rfc-editor.org/rfc/rfc7519, https://www.rfc-editor.org/rfc/rfc6750
 *
 * @throws KonstructError `signature_missing`, `signature_invalid`, `signature_expired`; `platform_unavailable` when the
 *   keys cannot be had
 */
export async function verifyBearerToken(
  request: ChannelRequest,
  keys: JwtKeySet,
  expected: ExpectedToken,
): Promise<VerifiedToken> {
  const { token, keyId, signed, payload, signature } = bearerToken(request);
  const key = await keys.find(keyId);
  if (key === null) throw new KonstructError('signature_invalid');
  const name = hash('sha256', JSON.stringify([token, expected.issuer, expected.audience]), 'base64');
  const believed = key.believed.get(name);
  if (believed !== undefined && expected.nowMs >= believed.fromMs && expected.nowMs < believed.untilMs)
    return { claims: believed.claims, key };
  // At once: to have it done by another thread costs this one more than to do it.
  if (!verify('RSA-SHA256', Buffer.from(signed), key.key, signature))
    throw new KonstructError('signature_invalid');
  const { errors, UnsecuredJWT } = key.jose;
  try {
    const { payload: claims } = UnsecuredJWT.decode(`${UNSIGNED}.${payload}.`, {
      issuer: typeof expected.issuer === 'string' ? expected.issuer : [...expected.issuer],
      audience: expected.audience,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      currentDate: new Date(expected.nowMs),
      requiredClaims: ['exp'],
    });
    const endsAtMs = ((claims.exp ?? 0) + CLOCK_TOLERANCE_SECONDS) * 1_000;
    const untilMs = Math.min(expected.nowMs + BELIEVED_MS, endsAtMs);
    key.believed.set(name, { claims, fromMs: expected.nowMs, untilMs }, BELIEVED_MS);
    return { claims, key };
  } catch (error) {
    // What jose says may quote claims, which are nobody's business in a log.
    if (error instanceof errors.JWTExpired) throw new KonstructError('signature_expired', EXPIRED);
    if (error instanceof errors.JOSEError) throw new KonstructError('signature_invalid');
    throw error;
  }
}

const EXPIRED = 'The token that should prove the sender has expired, or the clock of this machine is wrong.';

/** What stands before claims whose signature has been checked, for the library that checks the claims. */
const UNSIGNED = Buffer.from('{"alg":"none"}').toString('base64url');

interface BearerToken {
  readonly token: string;
  readonly keyId: string;
  /** What the signature is over. */
  readonly signed: string;
  readonly payload: string;
  readonly signature: Buffer;
}

/** The token and the id of its key, before anything of it is believed. */
function bearerToken(request: ChannelRequest): BearerToken {
  const header = request.headers.authorization;
  if (header === undefined || header === '' || header.length === 0)
    throw new KonstructError('signature_missing');
  if (typeof header !== 'string' || header.length > MAX_CHARACTERS)
    throw new KonstructError('signature_invalid');
  const [, head = '', payload = '', signature = ''] = BEARER.exec(header) ?? [];
  const bytes = Buffer.from(signature, 'base64url');
  // The last character of base64 has bits that mean nothing: only one way of writing a signature is accepted.
  if (head === '' || bytes.toString('base64url') !== signature) throw new KonstructError('signature_invalid');
  const { alg, kid, crit, b64 } = readRecord(Buffer.from(head, 'base64url').toString('utf8')) ?? {};
  // Of extensions that change what the signature is over, none is understood.
  if (alg !== 'RS256' || typeof kid !== 'string' || crit !== undefined || b64 !== undefined)
    throw new KonstructError('signature_invalid');
  const signed = `${head}.${payload}`;
  return { token: `${signed}.${signature}`, keyId: kid, signed, payload, signature: bytes };
}

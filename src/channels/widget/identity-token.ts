import { createHmac, timingSafeEqual } from 'node:crypto';
import type { ChannelRequest } from '../../core/channel.ts';
import { KonstructError } from '../../core/errors.ts';
import { asId, asRecord, asText, type JsonRecord } from '../read-json.ts';

/** Shorter than this somebody could try all secrets there are against one token. */
export const MIN_SECRET_CHARACTERS = 32;
/** Clocks of web servers differ. */
const LEEWAY_MS = 30_000;
const MAX_TOKEN_CHARACTERS = 4_096;
const SCHEME = 'Bearer ';

/** What a visitor's token says. */
export interface Identity {
  /** Who it is: what the site calls them, or a random id. */
  readonly subject: string;
  readonly name: string | null;
  /** Made by us for somebody whom the site does not know. */
  readonly isAnonymous: boolean;
  readonly expiresAtMs: number;
}

/**
 * Checks the token of a request: a JWS in its compact form, HS256 over the connection's secret, not expired. The
 * signature is compared as text, so there is one way to write it and no other; and `alg` has to say HS256.
 *
 * Source: https://www.rfc-editor.org/rfc/rfc7515, https://www.rfc-editor.org/rfc/rfc7519
 *
 * @throws KonstructError `signing_secret_missing`, `signature_missing`, `signature_invalid`, `signature_expired`
 */
export function verifyWidgetRequest(request: ChannelRequest, secret: string, nowMs: number): void {
  if (secret.length < MIN_SECRET_CHARACTERS) throw new KonstructError('signing_secret_missing');
  const token = tokenOf(request);
  if (token === null) throw new KonstructError('signature_missing', 'The request carries no identity token.');
  const [header = '', payload = '', signature = '', ...rest] = token.split('.');
  const expected = Buffer.from(signatureOf(`${header}.${payload}`, secret));
  const given = Buffer.from(signature);
  const fits = given.length === expected.length && timingSafeEqual(given, expected) && rest.length === 0;
  const { alg, crit } = decode(header) ?? {};
  if (!fits || alg !== 'HS256' || crit !== undefined) throw invalid();
  const identity = identityOf(token);
  if (identity === null) throw invalid();
  if (identity.expiresAtMs + LEEWAY_MS <= nowMs)
    throw new KonstructError('signature_expired', 'The identity token has expired.');
}

/** What a request's token says, believed or not; `null`: it has none that says anything. */
export function identityOfRequest(request: ChannelRequest): Identity | null {
  const token = tokenOf(request);
  return token === null ? null : identityOf(token);
}

/** A token as the site's own server makes it, for visitors whom the site does not know. */
export function signIdentity(identity: Identity, secret: string): string {
  const encode = (value: JsonRecord): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const payload = encode({
    sub: identity.subject,
    ...(identity.name !== null && { name: identity.name }),
    ...(identity.isAnonymous && { anonymous: true }),
    exp: Math.floor(identity.expiresAtMs / 1_000),
  });
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${payload}`;
  return `${signed}.${signatureOf(signed, secret)}`;
}

function signatureOf(signed: string, secret: string): string {
  return createHmac('sha256', secret).update(signed).digest('base64url');
}

/** `null`: none. Read exactly: the header has one spelling. */
function tokenOf({ headers }: ChannelRequest): string | null {
  const { authorization } = headers;
  if (authorization === undefined || authorization === '') return null;
  if (typeof authorization !== 'string' || !authorization.startsWith(SCHEME)) throw invalid();
  if (authorization.length > MAX_TOKEN_CHARACTERS) throw invalid();
  return authorization.slice(SCHEME.length);
}

function identityOf(token: string): Identity | null {
  const { sub, name, exp, anonymous } = decode(token.split('.', 2)[1] ?? '') ?? {};
  const subject = asId(typeof sub === 'number' ? String(sub) : sub);
  if (subject === null || typeof exp !== 'number' || !Number.isFinite(exp)) return null;
  return {
    subject,
    name: asText(name).trim().slice(0, 200) || null,
    isAnonymous: anonymous === true,
    expiresAtMs: exp * 1_000,
  };
}

function decode(part: string): JsonRecord | null {
  try {
    return asRecord(JSON.parse(Buffer.from(part, 'base64url').toString('utf8')));
  } catch {
    return null;
  }
}

function invalid(): KonstructError {
  return new KonstructError('signature_invalid', 'The identity token is not one of this connection.');
}

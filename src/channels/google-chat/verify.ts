import type { ChannelRequest } from '../../core/channel.ts';
import type { Clock } from '../../core/clock.ts';
import { KonstructError } from '../../core/errors.ts';
import { createJwtKeySet, type JwtKeySet, keysOfDocument } from '../create-jwt-key-set.ts';
import type { KeptAliveHttp } from '../kept-alive-http.ts';
import { type JsonRecord, readRecord } from '../read-json.ts';
import { verifyBearerToken } from '../verify-jwt.ts';
import { googleError } from './google-error.ts';

const CHAT = 'chat@system.gserviceaccount.com';
const GOOGLE: readonly string[] = ['https://accounts.google.com', 'accounts.google.com'];
const ADD_ON = /^service-(\d{6,20})@gcp-sa-gsuiteaddons\.iam\.gserviceaccount\.com$/;
const PROJECT_NUMBER = /^\d{6,20}$/;

/** The keys of Chat's own account, and those that Google signs identities with. */
export interface GoogleKeys {
  readonly chat: JwtKeySet;
  readonly identity: JwtKeySet;
}

/**
 * Checks that Google Chat sent this request, for this audience. A project's number: the token is Chat's own. The address
 * that Chat calls: it is the identity that Google gives to the project whose Workspace add-on the app is. Chat's own is
 * refused there, because it does not say whose app calls: anybody may enter our address for theirs.
 *
 * Source: https://developers.google.com/workspace/chat/verify-requests-from-chat,
 * https://developers.google.com/workspace/add-ons/guides/alternate-runtimes#validate_requests
 *
 * @throws KonstructError `signing_secret_missing`, `signature_missing`, `signature_invalid`, `signature_expired`,
 *   `platform_unavailable`
 */
export async function verifyGoogleChatRequest(
  request: ChannelRequest,
  audience: string,
  nowMs: number,
  keys: GoogleKeys,
): Promise<void> {
  if (audience === '') throw new KonstructError('signing_secret_missing');
  if (PROJECT_NUMBER.test(audience)) {
    await verifyBearerToken(request, keys.chat, { issuer: CHAT, audience, nowMs });
    return;
  }
  const { claims } = await verifyBearerToken(request, keys.identity, { issuer: GOOGLE, audience, nowMs });
  const { email, email_verified: isVerified } = claims;
  const isAddOn = typeof email === 'string' && ADD_ON.test(email);
  if (!isAddOn || isVerified !== true) throw new KonstructError('signature_invalid');
}

/**
 * The number of the project whose app a request is for, as its token says; `null`: it does not say. Read without being
 * checked: `verifyGoogleChatRequest` has done that, or is about to.
 */
export function projectOf(request: ChannelRequest): string | null {
  const { authorization } = request.headers;
  const [, payload = ''] = (typeof authorization === 'string' ? authorization : '').split('.', 3);
  const claims: JsonRecord = readRecord(Buffer.from(payload, 'base64url').toString('utf8')) ?? {};
  if (typeof claims.aud === 'string' && PROJECT_NUMBER.test(claims.aud)) return claims.aud;
  return typeof claims.email === 'string' ? (ADD_ON.exec(claims.email)?.[1] ?? null) : null;
}

/** @param certsUrl with a slash at its end: what is behind it is named as Google names it */
export function createGoogleKeys(
  certsUrl: string,
  http: KeptAliveHttp,
  timeoutMs: number,
  clock: Clock,
): GoogleKeys {
  const keysAt = (path: string): JwtKeySet =>
    createJwtKeySet({
      clock,
      async load() {
        const headers = { accept: 'application/json' };
        const call = { base: `${certsUrl}${path}`, method: 'GET', headers, body: '', timeoutMs };
        const { status, text } = await http.exchange(call);
        const keys = status === 200 ? keysOfDocument(text) : null;
        if (keys === null) throw googleError.unavailable('keys', `http_${status}`, false);
        return keys;
      },
    });
  return { chat: keysAt(`service_accounts/v1/jwk/${CHAT}`), identity: keysAt('oauth2/v3/certs') };
}

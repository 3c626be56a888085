import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { ChannelRequest, WebhookAnswer } from '../../core/channel.ts';
import { KonstructError } from '../../core/errors.ts';

const HEADER = 'x-hub-signature-256';
const SIGNATURE = /^sha256=[0-9a-f]{64}$/;
const CHALLENGE = /^[\w.-]{1,200}$/;

/**
 * Checks Meta's signature: HMAC-SHA256 of the raw body with the app secret, in lower-case hex. There is no time in it:
 * what is sent again later is a duplicate by its message's id.
 *
 * Source: https://developers.facebook.com/docs/graph-api/webhooks/getting-started#validating-payloads
 *
 * @throws KonstructError `signing_secret_missing`, `signature_missing`, `signature_invalid`
 */
export function verifyWhatsAppRequest(request: ChannelRequest, appSecret: string): void {
  if (appSecret === '') throw new KonstructError('signing_secret_missing');
  const signature = request.headers[HEADER];
  if (signature === undefined || signature === '' || signature.length === 0) {
    throw new KonstructError('signature_missing');
  }
  // Sent twice is not what Meta does. The shape is checked first: what is compared is then of equal length.
  if (typeof signature !== 'string' || !SIGNATURE.test(signature))
    throw new KonstructError('signature_invalid');
  const expected = createHmac('sha256', appSecret).update(request.body).digest('hex');
  if (!timingSafeEqual(Buffer.from(signature, 'latin1'), Buffer.from(`sha256=${expected}`, 'latin1'))) {
    throw new KonstructError('signature_invalid');
  }
}

/**
 * Answers the GET by which Meta checks a webhook's address: the challenge, if the verify token is the one that was
 * entered beside the address.
 *
 * Source: https://developers.facebook.com/docs/graph-api/webhooks/getting-started#verification-requests
 *
 * @throws KonstructError `signature_invalid`
 */
export function answerHandshake(query: URLSearchParams, verifyToken: string | null): WebhookAnswer {
  const challenge = query.get('hub.challenge') ?? '';
  const isOurs =
    query.get('hub.mode') === 'subscribe' &&
    verifyToken !== null &&
    verifyToken !== '' &&
    timingSafeEqual(digest(query.get('hub.verify_token') ?? ''), digest(verifyToken));
  // What is sent back is only what a challenge may look like: nobody can have a page of their own from us.
  if (!isOurs || !CHALLENGE.test(challenge)) throw new KonstructError('signature_invalid');
  return { contentType: 'text/plain; charset=utf-8', body: challenge };
}

/** Of equal length whatever it is made of, which `timingSafeEqual` needs. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

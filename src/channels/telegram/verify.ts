import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { ChannelRequest } from '../../core/channel.ts';
import { KonstructError } from '../../core/errors.ts';
import type { Credentials } from '../../core/tenant.ts';

const HEADER = 'x-telegram-bot-api-secret-token';
const SECRET = /^[A-Za-z0-9_-]{1,256}$/;

/**
 * Checks the secret that Telegram sends back with each update, in constant time. It vouches for who sends and not for
 * the body: that is TLS's part.
 *
 * Source: https://core.telegram.org/bots/api#setwebhook
 *
 * @throws KonstructError `signing_secret_missing`, `signature_missing`, `signature_invalid`
 */
export function verifyTelegramRequest(request: ChannelRequest, secret: string): void {
  if (secret === '') throw new KonstructError('signing_secret_missing');
  const value = request.headers[HEADER];
  if (value === undefined || value === '' || value.length === 0)
    throw new KonstructError('signature_missing');
  // Sent twice is not what Telegram does; and a character that Telegram does not allow is no secret of ours.
  if (typeof value !== 'string' || !SECRET.test(value)) throw new KonstructError('signature_invalid');
  if (!timingSafeEqual(digest(value), digest(secret))) throw new KonstructError('signature_invalid');
}

/**
 * The secret of a connection's webhook, derived from its token: there is nothing to store or to enter, all processes
 * know it, and a new token brings a new one.
 */
export function webhookSecret({ botToken }: Credentials, connectionId: string): string | null {
  if (!botToken) return null;
  return createHmac('sha256', botToken).update(`konstruct telegram webhook ${connectionId}`).digest('hex');
}

/** Of equal length whatever it is made of, which `timingSafeEqual` needs. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

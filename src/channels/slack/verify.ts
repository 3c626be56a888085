import { createHmac, timingSafeEqual } from 'node:crypto';
import type { ChannelRequest } from '../../core/channel.ts';
import { KonstructError } from '../../core/errors.ts';

/** How far a signed timestamp may be from this machine's clock, in both directions. */
const MAX_SKEW_SECONDS = 300;
const SIGNATURE = /^v0=[0-9a-f]{64}$/;
const TIMESTAMP = /^[0-9]{1,12}$/;

/**
 * Checks Slack's signature: HMAC-SHA256 over `v0:{timestamp}:{raw body}`, in lower-case hex, over the bytes as they
 * came in and before any parsing.
 *
 * Source: https://docs.slack.dev/authentication/verifying-requests-from-slack
 *
 * @param nowMs ms since 1970
 * @throws KonstructError `signing_secret_missing` (an empty secret would make every signature forgeable),
 *   `signature_missing`, `signature_invalid`, `signature_expired`
 */
export function verifySlackRequest(request: ChannelRequest, signingSecret: string, nowMs: number): void {
  if (signingSecret === '') throw new KonstructError('signing_secret_missing');
  const signature = headerValue(request, 'x-slack-signature');
  const timestamp = headerValue(request, 'x-slack-request-timestamp');
  // The shape is checked first: what follows may then compare bytes of equal length, and a header with characters
  // that only look like hex digits in another encoding never reaches the comparison.
  if (!SIGNATURE.test(signature) || !TIMESTAMP.test(timestamp)) throw new KonstructError('signature_invalid');
  if (Math.abs(nowMs / 1000 - Number(timestamp)) > MAX_SKEW_SECONDS) {
    throw new KonstructError('signature_expired', undefined, {
      details: { skewSeconds: Math.round(nowMs / 1000 - Number(timestamp)) },
    });
  }
  const expected = createHmac('sha256', signingSecret)
    .update(`v0:${timestamp}:`)
    .update(request.body)
    .digest('hex');
  if (!timingSafeEqual(Buffer.from(signature, 'latin1'), Buffer.from(`v0=${expected}`, 'latin1'))) {
    throw new KonstructError('signature_invalid');
  }
}

/** The one value of a header. A header sent twice is not what Slack does, so it is refused. */
function headerValue(request: ChannelRequest, name: string): string {
  const value = request.headers[name];
  if (value === undefined || value === '' || value.length === 0)
    throw new KonstructError('signature_missing');
  if (typeof value === 'string') return value;
  const [only] = value;
  if (only === undefined || value.length > 1) throw new KonstructError('signature_invalid');
  return only;
}

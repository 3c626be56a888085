import { createHash, timingSafeEqual } from 'node:crypto';
import type { ChannelRequest } from '../../core/channel.ts';
import { KonstructError } from '../../core/errors.ts';
import type { Credentials } from '../../core/tenant.ts';
import type { JsonRecord } from '../read-json.ts';
import { pressedChoice, pressKey, proofOf } from './choices.ts';
import { readFields, webhookTokenOf } from './read-fields.ts';

const PRESS = 'press:';
const WEBHOOK = 'webhook:';

/**
 * Checks the token of an outgoing webhook, or our own proof in the context of a button that was pressed, in constant time.
 * Both stand in the body, so that has to be read for it. Neither vouches for the rest of it: that is TLS's part, and why
 * what an outgoing webhook says is looked up at the server before it is believed.
 *
 * Sources: https://developers.mattermost.com/integrate/webhooks/outgoing/,
 * https://developers.mattermost.com/integrate/plugins/interactive-messages/
 *
 * @throws KonstructError `signing_secret_missing`, `signature_missing`, `signature_invalid`
 */
export function verifyMattermostRequest(request: ChannelRequest, secret: string): void {
  if (secret === '') throw new KonstructError('signing_secret_missing');
  const proofs = secret.split(' ');
  const fields = fieldsOf(request);
  const token = webhookTokenOf(fields);
  if (token !== null) {
    // All of them are compared, so that the time says nothing either.
    const fits = proofs.filter((proof) => proof.startsWith(WEBHOOK) && isSame(proof, WEBHOOK + token));
    if (fits.length === 0) throw new KonstructError('signature_invalid');
    return;
  }
  const pressed = pressedChoice(fields);
  if (pressed === null) throw new KonstructError('signature_missing');
  const key = proofs.find((proof) => proof.startsWith(PRESS))?.slice(PRESS.length) ?? '';
  if (key === '' || !isSame(pressed.proof, proofOf(pressed.choice, key)))
    throw new KonstructError('signature_invalid');
}

/** What requests for a connection are held against: the key of its buttons, and its webhooks' tokens. */
export function connectionSecret(connectionId: string, credentials: Credentials): string | null {
  if (!credentials.botToken) return null;
  const webhooks = webhookTokens(credentials).map((token) => WEBHOOK + token);
  return [PRESS + pressKey(credentials, connectionId), ...webhooks].join(' ');
}

/** Each outgoing webhook has a token of its own; a connection may have several, with commas or blanks between them. */
export function webhookTokens({ webhookToken = '' }: Credentials): readonly string[] {
  return webhookToken.split(/[\s,]+/).filter((token) => token !== '');
}

function fieldsOf(request: ChannelRequest): JsonRecord {
  try {
    return readFields(request);
  } catch {
    throw new KonstructError('signature_missing');
  }
}

function isSame(one: string, other: string): boolean {
  return timingSafeEqual(digest(one), digest(other));
}

/** Of equal length whatever it is made of, which `timingSafeEqual` needs. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

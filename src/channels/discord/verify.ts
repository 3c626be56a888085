import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { promisify } from 'node:util';
import type { ChannelRequest } from '../../core/channel.ts';
import { KonstructError } from '../../core/errors.ts';

const SIGNATURE = 'x-signature-ed25519';
const TIMESTAMP = 'x-signature-timestamp';
/** Only one way of writing each: in lower case, as Discord does. */
const HEX_SIGNATURE = /^[0-9a-f]{128}$/;
const HEX_KEY = /^[0-9a-f]{64}$/i;
const SECONDS = /^\d{1,12}$/;
const MAX_AGE_MS = 5 * 60_000;
/** What stands before the 32 bytes of an Ed25519 key in the form that Node reads (RFC 8410). */
const KEY_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
const MAX_KEYS = 1_000;
/** In one of Node's other threads: it takes 0.1 ms, in which this one would do nothing else. */
const verifyElsewhere = promisify(verify);

/**
 * Checks Discord's signature over the time and the raw body.
 *
 * Source: https://discord.com/developers/docs/interactions/overview#setting-up-an-endpoint
 *
 * @throws KonstructError `signing_secret_missing`, `signature_missing`, `signature_invalid`, `signature_expired`
 */
export function createDiscordVerifier(): (
  request: ChannelRequest,
  publicKey: string,
  nowMs: number,
) => Promise<void> {
  /** Reading a key costs a fifth of checking with it. */
  const keys = new Map<string, KeyObject>();
  return (request, publicKey, nowMs) => check(request, publicKey, nowMs, keys);
}

async function check(
  request: ChannelRequest,
  publicKey: string,
  nowMs: number,
  keys: Map<string, KeyObject>,
): Promise<void> {
  if (publicKey === '') throw new KonstructError('signing_secret_missing');
  const signature = request.headers[SIGNATURE];
  const timestamp = request.headers[TIMESTAMP];
  if (!signature?.length || !timestamp?.length) throw new KonstructError('signature_missing');
  const key = keyOf(publicKey, keys);
  if (typeof signature !== 'string' || typeof timestamp !== 'string')
    throw new KonstructError('signature_invalid');
  if (key === null || !HEX_SIGNATURE.test(signature) || !SECONDS.test(timestamp))
    throw new KonstructError('signature_invalid');
  const signed = Buffer.concat([Buffer.from(timestamp), request.body]);
  if (!(await verifyElsewhere(null, signed, key, Buffer.from(signature, 'hex'))))
    throw new KonstructError('signature_invalid');
  // Last: an old time is only worth a word of its own if Discord has signed it.
  if (Math.abs(nowMs - Number(timestamp) * 1_000) > MAX_AGE_MS) throw new KonstructError('signature_expired');
}

/** `null`: no key. */
function keyOf(publicKey: string, keys: Map<string, KeyObject>): KeyObject | null {
  const known = keys.get(publicKey);
  if (known !== undefined) return known;
  if (!HEX_KEY.test(publicKey)) return null;
  const der = Buffer.concat([KEY_PREFIX, Buffer.from(publicKey, 'hex')]);
  const key = createPublicKey({ key: der, format: 'der', type: 'spki' });
  if (keys.size >= MAX_KEYS) keys.clear();
  keys.set(publicKey, key);
  return key;
}

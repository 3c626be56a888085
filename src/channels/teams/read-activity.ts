import type { ChannelRequest } from '../../core/channel.ts';
import { KonstructError } from '../../core/errors.ts';
import { asRecord, type JsonRecord } from '../read-json.ts';

/** The proof covers a field of the body, so it is read before it is parsed: once for both. */
const activities = new WeakMap<ChannelRequest, JsonRecord>();

/**
 * What a request carries: one activity.
 *
 * @throws KonstructError `body_malformed`
 */
export function readActivity(request: ChannelRequest): JsonRecord {
  const known = activities.get(request);
  if (known !== undefined) return known;
  let value: unknown;
  try {
    value = JSON.parse(request.body.toString('utf8'));
  } catch {
    // No cause: it quotes the body, which may be a person's message.
    throw new KonstructError('body_malformed', 'The body is not JSON.');
  }
  const activity = asRecord(value);
  if (activity === null) throw new KonstructError('body_malformed', 'The body is JSON but not an object.');
  activities.set(request, activity);
  return activity;
}

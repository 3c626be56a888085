import type { ChannelRequest } from '../../core/channel.ts';
import { KonstructError } from '../../core/errors.ts';
import { asRecord, type JsonRecord } from '../read-json.ts';

/**
 * The fields of a request: outgoing webhooks come as a form or as JSON, as whoever made them has chosen; presses as JSON.
 *
 * @throws KonstructError `body_malformed`
 */
export function readFields({ headers, body }: Pick<ChannelRequest, 'headers' | 'body'>): JsonRecord {
  const contentType = headers['content-type'];
  const text = body.toString('utf8');
  if (typeof contentType === 'string' && /^application\/x-www-form-urlencoded\b/i.test(contentType))
    return formFields(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The cause quotes the body, which may be a person's message: it is not passed on.
    throw new KonstructError('body_malformed', 'The body is neither a form nor JSON.');
  }
  const fields = asRecord(value);
  if (fields === null) throw new KonstructError('body_malformed', 'The body is JSON but not an object.');
  return fields;
}

/**
 * The token of an outgoing webhook; `null`: it is none. What shows a token is never a press: whoever knows the token of a
 * webhook could otherwise press buttons in anybody's name.
 */
export function webhookTokenOf({ token }: JsonRecord): string | null {
  return typeof token === 'string' && token !== '' ? token : null;
}

/** What stands there twice is not what Mattermost sends. */
function formFields(text: string): JsonRecord {
  const fields: Record<string, string> = Object.create(null);
  for (const [name, value] of new URLSearchParams(text)) {
    if (name in fields) throw new KonstructError('body_malformed', 'A field of the form stands there twice.');
    fields[name] = value;
  }
  return fields;
}

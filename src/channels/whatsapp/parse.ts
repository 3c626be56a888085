import type { ChannelRequest, ParsedRequest } from '../../core/channel.ts';
import type { ChannelEvent } from '../../core/channel-event.ts';
import { KonstructError } from '../../core/errors.ts';
import { asId, asLabel, asRecord, asRecords, asText, type JsonRecord } from '../read-json.ts';
import { type ChangeBase, parseMessage } from './parse-message.ts';
import { parseStatus } from './parse-status.ts';

/**
 * Turns what Meta posts into events: many accounts, numbers and messages can come in one request. What it does not know
 * is `ignored` with a reason.
 *
 * Source: https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/overview
 *
 * @throws KonstructError `body_malformed`: not a JSON object
 */
export function parseWhatsAppRequest({ body }: ChannelRequest): ParsedRequest {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    // The cause quotes the body, which may be a person's message: it is not passed on.
    throw new KonstructError('body_malformed', 'The body is not JSON.');
  }
  const request = asRecord(value);
  if (request === null) throw new KonstructError('body_malformed', 'The body is JSON but not an object.');
  const events = asRecords(request.entry).flatMap(({ changes }) => asRecords(changes).flatMap(parseChange));
  return { kind: 'events', events };
}

function parseChange(change: JsonRecord): readonly ChannelEvent[] {
  const value = asRecord(change.value) ?? {};
  const metadata = asRecord(value.metadata);
  const phoneNumberId = asId(metadata?.phone_number_id);
  const ownNumber = asText(metadata?.display_phone_number).replaceAll(/\D/g, '');
  const base: ChangeBase = {
    account: {
      externalIds: phoneNumberId === null ? [] : [phoneNumberId],
      appId: null,
      agentUserId: ownNumber === '' ? null : ownNumber,
    },
    eventId: null, // Meta numbers messages, not what it sends
  };
  const ignored = (reason: string): ChannelEvent => ({ ...base, type: 'ignored', reason });
  if (change.field !== 'messages') return [ignored(`field:${asLabel(change.field)}`)];
  if (phoneNumberId === null) return [ignored('number_missing')];
  const contacts = asRecords(value.contacts);
  return [
    ...asRecords(value.messages).map((message) => parseMessage(message, contacts, base)),
    ...asRecords(value.statuses).map((status) => parseStatus(status, base)),
    ...asRecords(value.errors).map(({ code }) =>
      ignored(`error:${typeof code === 'number' ? code : 'unknown'}`),
    ),
  ];
}

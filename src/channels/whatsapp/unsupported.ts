import { asRecord, asText, type JsonRecord } from '../read-json.ts';

/** What people do to a message or a chat says nothing, and what only businesses send is no person's: it is not answered. */
const NO_SPEECH = new Set([
  ...['edit', 'pin', 'poll_update', 'reaction', 'keep_in_chat'],
  ...['hsm', 'button', 'list', 'interactive'],
]);

const kinds: Readonly<Record<string, string>> = {
  poll_creation: 'a poll',
  group_invite: 'an invitation to a group',
  gif: 'a GIF',
  image: 'a picture',
  media_placeholder: 'a picture or video',
  location: 'a place',
  link_preview: 'a link',
  product: 'a product',
  order: 'an order',
};

/**
 * What can be said of a message that WhatsApp keeps from a number that is used by a program: polls, what may be seen once,
 * and often the first message from an advertisement (131060). `null`: nobody said anything.
 *
 * Source: https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages/unsupported
 */
export function describeUnsupported(message: JsonRecord): string | null {
  const type = asText(asRecord(message.unsupported)?.type);
  if (NO_SPEECH.has(type)) return null;
  const kind = Object.hasOwn(kinds, type) ? kinds[type] : 'a message';
  return `[${kind} whose content WhatsApp does not hand over]`;
}

import type { Attachment } from '../../core/channel-event.ts';
import { quotation } from '../quotation.ts';
import { asRecord, asRecords, asText, type JsonRecord } from '../read-json.ts';
import { asSnowflake, authorOf, nameOf } from './ids.ts';
import { normaliseText } from './normalise-text.ts';

const MAX_EMBEDS = 10;
const FORWARD = 1;
const REPLY = 19;

/** What a message says, also where that is no text: stickers, a poll, what was forwarded. */
export function contentText(message: JsonRecord, text: string): string {
  const forwarded = forwardedMessage(message);
  const passedOn = forwarded === null ? '' : ownText(forwarded, normaliseText(forwarded).text);
  return [ownText(message, text), quotation(passedOn, null)].filter((part) => part !== '').join('\n\n');
}

function ownText(message: JsonRecord, text: string): string {
  const parts = text === '' ? asRecords(message.embeds).slice(0, MAX_EMBEDS).map(embedText) : [text];
  for (const { name } of asRecords(message.sticker_items)) parts.push(`[sticker: ${asText(name)}]`);
  const poll = asRecord(message.poll);
  if (poll !== null) {
    const answers = asRecords(poll.answers).map(({ poll_media }) => asText(asRecord(poll_media)?.text));
    parts.push(`[poll: ${asText(asRecord(poll.question)?.text)} ${answers.join(' / ')}]`);
  }
  return parts.filter((part) => part !== '').join('\n\n');
}

/**
 * Alerts of other apps often say all of it in embeds; those of other types are previews of what the text names.
 *
 * Source: https://discord.com/developers/docs/resources/message#embed-object
 */
function embedText({ type, title, description, fields }: JsonRecord): string {
  if (type !== 'rich') return '';
  const named = asRecords(fields).map(({ name, value }) => `${asText(name)}: ${asText(value)}`);
  return [asText(title), asText(description), ...named].filter((part) => part !== '').join('\n');
}

/** Source: https://discord.com/developers/docs/resources/message#message-snapshot-object */
export function forwardedMessage(message: JsonRecord): JsonRecord | null {
  if (asRecord(message.message_reference)?.type !== FORWARD) return null;
  return asRecord(asRecords(message.message_snapshots)[0]?.message);
}

/** The message that is replied to; `null`: none, or it was deleted. */
export function repliedMessage(message: JsonRecord): JsonRecord | null {
  return message.type === REPLY ? asRecord(message.referenced_message) : null;
}

/**
 * What a message replies to, as a quotation: it may be said elsewhere in the channel, where the agent has not read it. Its
 * files are named there.
 */
export function quoteOf(message: JsonRecord, ownUserId: string, files: readonly Attachment[]): string {
  const replied = repliedByOthers(message, ownUserId);
  if (replied === null) return '';
  return quotation(contentText(replied, normaliseText(replied).text), nameOf(authorOf(replied)), files);
}

/** The message that is replied to; `null`: none, or what the agent itself said, which is in its own record. */
export function repliedByOthers(message: JsonRecord, ownUserId: string): JsonRecord | null {
  const replied = repliedMessage(message);
  return replied === null || asSnowflake(authorOf(replied)?.id) === ownUserId ? null : replied;
}

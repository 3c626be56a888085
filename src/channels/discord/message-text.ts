import { asRecord, asRecords, asText, type JsonRecord } from '../read-json.ts';
import { asSnowflake, authorOf, nameOf } from './ids.ts';
import { normaliseText } from './normalise-text.ts';

const MAX_QUOTED_CHARACTERS = 1_000;
const FORWARD = 1;
const REPLY = 19;

/** What a message says, also where that is no text: stickers, a poll, what was forwarded. */
export function contentText(message: JsonRecord, text: string): string {
  const parts = [text];
  for (const { name } of asRecords(message.sticker_items)) parts.push(`[sticker: ${asText(name)}]`);
  const poll = asRecord(message.poll);
  if (poll !== null) {
    const answers = asRecords(poll.answers).map(({ poll_media }) => asText(asRecord(poll_media)?.text));
    parts.push(`[poll: ${asText(asRecord(poll.question)?.text)} ${answers.join(' / ')}]`);
  }
  const forwarded = forwardedMessage(message);
  if (forwarded !== null) parts.push(quoted(normaliseText(forwarded).text, null));
  return parts.filter((part) => part !== '').join('\n\n');
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
 * What a message replies to, as a quotation: it may be said elsewhere in the channel, where the agent has not read it.
 * What the agent itself said is in its own record.
 */
export function quoteOf(message: JsonRecord, ownUserId: string): string {
  const replied = repliedMessage(message);
  const author = replied === null ? null : authorOf(replied);
  if (replied === null || asSnowflake(author?.id) === ownUserId) return '';
  return quoted(contentText(replied, normaliseText(replied).text), nameOf(author));
}

function quoted(text: string, name: string | null): string {
  if (text === '') return '';
  const shown =
    text.length > MAX_QUOTED_CHARACTERS ? `${text.slice(0, MAX_QUOTED_CHARACTERS).toWellFormed()}…` : text;
  return `${name === null ? '' : `${name.replaceAll('\n', ' ')}: `}${shown}`.replace(/^/gm, '> ');
}

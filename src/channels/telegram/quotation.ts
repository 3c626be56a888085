import type { MessageEvent } from '../../core/channel-event.ts';
import { asId, asRecord, asText, type JsonRecord } from '../read-json.ts';
import { describeContent } from './attachments.ts';
import { readContent } from './content.ts';
import { asInteger, messageIdOf } from './ids.ts';
import { mentionOf } from './normalise-text.ts';

/**
 * What a message replies to, also in another chat: a bot cannot read a chat, so this is all the agent may ever see of it.
 * The part that somebody marked is quoted whoever wrote it.
 */
export function quotationOf(message: JsonRecord): Pick<MessageEvent, 'quotes'> {
  const here = repliedTo(message);
  const replied = here ?? asRecord(message.external_reply);
  const part = asText(asRecord(message.quote)?.text).trim();
  const story = asRecord(message.reply_to_story);
  const whole = replied ?? (story === null ? {} : { story });
  const { normalised, attachments } = readContent(whole);
  const text = part || normalised.text || describeContent(whole);
  // Each picture of an album that is a reply says so: one that is described brings what it replies to along.
  const isSilentPart = asId(message.media_group_id) !== null && asText(message.caption) === '';
  const files = isSilentPart ? [] : attachments;
  if (text === '' && files.length === 0) return {};
  const number = asInteger(here?.message_id);
  const sender = asRecord(here?.from);
  return {
    quotes: {
      messageId: here === null || number === null ? null : messageIdOf(here, number),
      senderId: part === '' ? (mentionOf(sender)?.externalId ?? null) : null,
      name: part !== '' && sender?.is_bot === true ? null : nameOf(whole),
      text,
      attachments: files,
    },
  };
}

/** The message it replies to; in a topic everything replies to the topic's beginning, which is no reply. */
export function repliedTo(message: JsonRecord): JsonRecord | null {
  const replied = asRecord(message.reply_to_message);
  if (replied === null || message.is_topic_message !== true) return replied;
  const isBeginning =
    replied.forum_topic_created !== undefined ||
    asInteger(replied.message_id) === asInteger(message.message_thread_id);
  return isBeginning ? null : replied;
}

function nameOf(replied: JsonRecord): string | null {
  const origin = asRecord(replied.origin) ?? {};
  const chat = asRecord(replied.sender_chat) ?? asRecord(origin.sender_chat) ?? asRecord(origin.chat);
  const person = asRecord(replied.from) ?? asRecord(origin.sender_user);
  return asText(chat?.title) || mentionOf(person)?.name || asText(origin.sender_user_name) || null;
}

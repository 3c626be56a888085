import { asRecord, asText, type JsonRecord } from '../read-json.ts';
import { mentionOf } from './normalise-text.ts';

const MAX_CHARACTERS = 1_000;

/**
 * What a message replies to, as a quotation: a bot cannot read a chat, so this is all the agent may ever see of it. A
 * whole message of a bot is not quoted: if it was ours, it is in our own record.
 */
export function quoteOf(message: JsonRecord): string {
  const replied = asRecord(message.reply_to_message);
  const part = asText(asRecord(message.quote)?.text);
  const sender = asRecord(replied?.from);
  const whole = sender?.is_bot === true ? '' : asText(replied?.text) || asText(replied?.caption);
  const text = (part || whole).trim();
  if (text === '') return '';
  const name = part !== '' && sender?.is_bot === true ? null : mentionOf(sender)?.name;
  const shown = text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS).toWellFormed()}…` : text;
  return `${name ? `${name.replaceAll('\n', ' ')}: ` : ''}${shown}`.replace(/^/gm, '> ');
}

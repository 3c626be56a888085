import { asRecord, asRecords, asText, type JsonRecord } from '../read-json.ts';

/**
 * Buttons below a message. Telegram sets no limit of its own that people would reach; phones cut longer texts.
 *
 * Source: https://core.telegram.org/bots/api#inlinekeyboardbutton
 */
export const BUTTONS = { max: 12, maxCharacters: 60 } as const;
/** The longest `callback_data`, in bytes. */
const MAX_DATA_BYTES = 64;
/** As many short buttons stand side by side; longer ones stand below each other, or phones cut them. */
const SIDE_BY_SIDE = 3;
const SHORT_CHARACTERS = 14;
const TEXT_PREFIX = '=';
const PLACE_PREFIX = '#';

/** The keyboard of a message; nothing, which also takes one away, if there are no choices. */
export function keyboardArguments(choices: readonly string[] = []): JsonRecord {
  if (choices.length === 0) return {};
  const buttons = choices
    .slice(0, BUTTONS.max)
    .map((text, index) => ({ text, callback_data: dataOf(text, index) }));
  const isShort =
    buttons.length <= SIDE_BY_SIDE && buttons.every(({ text }) => text.length <= SHORT_CHARACTERS);
  return { reply_markup: { inline_keyboard: isShort ? [buttons] : buttons.map((button) => [button]) } };
}

/** The text where it fits: a press of an old message's button then still says what it means. */
function dataOf(text: string, index: number): string {
  const data = TEXT_PREFIX + text;
  return Buffer.byteLength(data) <= MAX_DATA_BYTES ? data : `${PLACE_PREFIX}${index}`;
}

/** What stands on the button that was pressed; empty: nobody knows any more. */
export function choiceOf(data: unknown, message: JsonRecord): string {
  const text = asText(data);
  if (text.startsWith(TEXT_PREFIX)) return text.slice(TEXT_PREFIX.length);
  const rows = asRecord(message.reply_markup)?.inline_keyboard;
  const buttons = (Array.isArray(rows) ? rows : []).flatMap((row) => asRecords(row));
  return asText(buttons.find(({ callback_data }) => text !== '' && callback_data === text)?.text);
}

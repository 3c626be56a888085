/** Letters that no client shows and that Discord keeps, as emoji and Persian are written with them. */
const LETTERS = ['\u200b', '\u200c', '\u200d'] as const;
/** A blank keeps an address at the end of a text from taking the mark for a part of itself. */
const MARK = / ?[\u200b-\u200d]{8,}$/;
const NUMBER = /^(?:0|[1-9]\d{0,17})$/;

/** Of a delivery's id with up to 18 digits, or of a word with up to 11 letters. */
export const MAX_MARK_CHARACTERS = 60;
/** Shorter ones might be somebody's own. */
const MIN_MARK_CHARACTERS = 8;

/**
 * A text with the id of its delivery behind it, so that people do not see it and we find the message again: Discord keeps
 * a message's nonce for some minutes and gives it back to nobody who reads the channel.
 */
export function withMark(text: string, deliveryId: string): string {
  const isNumber = NUMBER.test(deliveryId);
  const value = isNumber ? BigInt(deliveryId) : BigInt(`0x01${Buffer.from(deliveryId).toString('hex')}`);
  const digits = (value * 2n + (isNumber ? 1n : 0n)).toString(3).padStart(MIN_MARK_CHARACTERS, '0');
  if (digits.length >= MAX_MARK_CHARACTERS) return text;
  return `${text} ${[...digits].map((digit) => LETTERS[Number(digit)]).join('')}`;
}

/** The text without its mark, and the id that it carried; `null`: none. */
export function readMark(text: string): { readonly text: string; readonly deliveryId: string | null } {
  const mark = MARK.exec(text)?.[0];
  if (mark === undefined) return { text, deliveryId: null };
  const digits = [...mark.trimStart()].map((letter) => LETTERS.indexOf(letter as (typeof LETTERS)[number]));
  let value = 0n;
  for (const digit of digits) value = value * 3n + BigInt(digit);
  const plain = text.slice(0, -mark.length);
  if (value % 2n === 1n) return { text: plain, deliveryId: String(value / 2n) };
  const hex = (value / 2n).toString(16).padStart(2, '0');
  // The 1 that kept leading zeros goes.
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex.slice(2) : hex.slice(1), 'hex');
  return { text: plain, deliveryId: bytes.toString('utf8') };
}

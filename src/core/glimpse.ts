/**
 * A piece of an answer that is being written, as it travels from the worker that writes it to the browsers that show it.
 * Glimpses are not kept: each says only what is new, and now and then all of the text comes again, in pieces.
 */
export interface Glimpse {
  /** The placeholder that the text stands in. */
  readonly messageId: string;
  /** Where the piece begins, in UTF-16 units of the whole text. */
  readonly from: number;
  readonly text: string;
  /** Of the whole text. */
  readonly length: number;
}

/** Puts a piece into what is known of the text. `null`: something before it is missing, so it cannot be shown. */
export function applyGlimpse(
  known: string,
  { from, text, length }: Omit<Glimpse, 'messageId'>,
): string | null {
  if (known.length < from) return null;
  return (known.slice(0, from) + text + known.slice(from + text.length)).slice(0, length);
}

/** How much of a text stays as it was, in UTF-16 units: the piece that follows begins there. */
export function commonLength(one: string, other: string): number {
  if (other.startsWith(one)) return one.length; // as good as always
  let length = 0;
  while (length < one.length && one[length] === other[length]) length += 1;
  return length;
}

/** Letters that no client shows: two bits each. */
const LETTERS = ['\u200b', '\u200c', '\u200d', '\u2060'] as const;
const EDGE = '\u2063';
const MARK = new RegExp(`${EDGE}([${LETTERS.join('')}]*)${EDGE}`, 'u');

/**
 * A text with a word behind it that people do not see. A message with a file takes no metadata, so this is how one of ours
 * is found again: by the title of its file.
 */
export function withInvisibleMark(text: string, word: string): string {
  const letters = [...Buffer.from(word)].flatMap((byte) =>
    [6, 4, 2, 0].map((shift) => LETTERS[(byte >> shift) & 3]),
  );
  return `${text}${EDGE}${letters.join('')}${EDGE}`;
}

/** `null`: there is none. */
export function readInvisibleMark(text: string): string | null {
  const letters = MARK.exec(text)?.[1];
  if (letters === undefined || letters.length % 4 !== 0) return null;
  const bits = [...letters].map((letter) => LETTERS.indexOf(letter as (typeof LETTERS)[number]));
  const bytes = Buffer.alloc(bits.length / 4);
  for (const [index, value] of bits.entries()) bytes[index >> 2] = ((bytes[index >> 2] ?? 0) << 2) | value;
  return bytes.toString('utf8');
}

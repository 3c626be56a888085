import { splitMarkdown } from '../split-markdown.ts';
import { certainCodeRanges, fencedRanges, outside, type TextRange } from './code-ranges.ts';

/**
 * The longest text of one post, in characters; servers from before 2017 whose database was never converted take 4,000, which
 * `konstruct doctor` finds out.
 *
 * Source: https://docs.mattermost.com/configure/ ("Post size"), `PostMessageMaxRunesV2` of the server
 */
export const MAX_CHARACTERS = 16_383;
const PART_CHARACTERS = 15_000;
/** A part that grows beyond the limit is cut again; what is as short as this cannot. */
const SMALLEST_CUT = 800;

/** No character that anybody sees: with it behind them, signs are only signs. */
const APART = '\u200b';
/**
 * How somebody is called: everybody, a group, or one person by the username. Behind a letter or a digit it calls nobody, as in
 * an e-mail address.
 */
const MENTION = /(?<![\p{L}\p{N}])@(?=[\p{L}\p{N}._:\-\\&])/gu;
/** In an address a sign apart would lead elsewhere, and written like this it means the same. */
const IN_ADDRESS = '%40';
const MAX_ADDRESS_CHARACTERS = 2_000;
const BLANKS = [' ', '\t', '\n', '<', '>'];
const ADDRESS = /[a-z]:\/\/|\bwww\d{0,3}\./i;
/** Characters written by their number: Mattermost looks for mentions when it has read them. */
const BY_NUMBER = /&(?=(?:#(\d{1,10})|#x([\da-f]{1,8})|commat);?)/gi;
/** A picture is fetched from wherever the text says, with all that its address holds. */
const PICTURE = /!(?=\[)/g;

/**
 * Mattermost reads markdown as it is written. Only what would call somebody is kept apart, and what would fetch a picture by
 * itself. In code nobody is called, and it stays as it is: blocks to the last character, and within lines all but pictures,
 * where it is certain.
 *
 * Source: `ProcessText` in the server's `channels/app/mention_parser_standard.go`
 */
export function renderForMattermost(markdown: string): string {
  const text = markdown.toWellFormed().replaceAll(/\r\n?/g, '\n');
  const called = replaceOutside(text, certainCodeRanges(text), (part, start) =>
    part
      .replaceAll(MENTION, (_sign, at: number) => apart(text, start + at))
      .replaceAll(BY_NUMBER, (sign, decimal?: string, hex?: string) => {
        const code = decimal === undefined ? Number.parseInt(hex ?? '40', 16) : Number(decimal);
        return code < 128 ? sign + APART : sign;
      }),
  );
  return replaceOutside(called, fencedRanges(called), (part) => part.replaceAll(PICTURE, `!${APART}`));
}

/** Clients make a link of an address, and the server still looks for names in it. */
function apart(text: string, at: number): string {
  const before = text.slice(Math.max(0, at - MAX_ADDRESS_CHARACTERS), at);
  const word = before.slice(1 + Math.max(...BLANKS.map((blank) => before.lastIndexOf(blank))));
  return ADDRESS.test(word) ? IN_ADDRESS : `@${APART}`;
}

function replaceOutside(
  text: string,
  ranges: readonly TextRange[],
  replace: (part: string, start: number) => string,
): string {
  let replaced = '';
  let from = 0;
  for (const { start, end } of outside(text, ranges)) {
    replaced += text.slice(from, start) + replace(text.slice(start, end), start);
    from = end;
  }
  return replaced + text.slice(from);
}

/** Cuts markdown into parts of which each is one post. */
export function splitForMattermost(markdown: string): readonly string[] {
  return splitMarkdown(markdown, PART_CHARACTERS).flatMap(cutLong);
}

function cutLong(part: string): readonly string[] {
  if (part.length < SMALLEST_CUT || renderForMattermost(part).length <= MAX_CHARACTERS) return [part];
  const halves = splitMarkdown(part, Math.ceil(part.length / 2) + 50);
  return halves.length < 2 ? [part] : halves.flatMap(cutLong);
}

import { splitMarkdown } from '../split-markdown.ts';
import { fencedRanges, outside } from './code-ranges.ts';

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
/** Whom Mattermost calls: everybody in the channel, or everybody who is there. */
const EVERYBODY = /@(?=(?:channel|all|here)(?![\p{L}\p{N}]))/giu;
/** Characters written by their number: Mattermost looks for mentions when it has read them. */
const BY_NUMBER = /&(?=(?:#(\d{1,10})|#x([\da-f]{1,8})|commat);?)/gi;
/** A picture is fetched from wherever the text says, with all that its address holds. */
const PICTURE = /!(?=\[)/g;

/**
 * Mattermost reads markdown as it is written. Only what would call everybody is kept apart, and what would fetch a picture by
 * itself; blocks of code stay as they are to the last character.
 */
export function renderForMattermost(markdown: string): string {
  const text = markdown.toWellFormed();
  let rendered = '';
  let from = 0;
  for (const { start, end } of outside(text, fencedRanges(text))) {
    rendered += text.slice(from, start) + harmless(text.slice(start, end));
    from = end;
  }
  return rendered + text.slice(from);
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

function harmless(text: string): string {
  return text
    .replaceAll(EVERYBODY, `@${APART}`)
    .replaceAll(PICTURE, `!${APART}`)
    .replaceAll(BY_NUMBER, (sign, decimal?: string, hex?: string) => {
      const code = decimal === undefined ? Number.parseInt(hex ?? '40', 16) : Number(decimal);
      return code < 128 ? sign + APART : sign;
    });
}

import type { FormattedText, TextEntity } from '../formatted-text.ts';
import type { JsonRecord } from '../read-json.ts';

const NO_BREAK_SPACE = '\u00a0';

/**
 * A text with entities as elements of an adaptive card. Runs of text (`TextRun`) know no markup, so there is nothing to escape and
 * nothing can become any; a `TextBlock` reads a markdown of its own, without headings, tables or code. Line breaks stand within
 * runs: where one begins or ends with them, Android leaves them out (microsoft/AdaptiveCards#4914), so there a new block begins.
 *
 * Source: https://adaptivecards.io/explorer/TextRun.html
 */
export function cardText({ text, entities }: FormattedText): readonly JsonRecord[] {
  const elements: JsonRecord[] = [];
  let at = 0;
  const write = (to: number): void => {
    if (to > at) elements.push(...blocksOf(text, entities, at, to));
  };
  for (const { type, offset, length } of entities) {
    if (type !== 'pre' && type !== 'blockquote') continue;
    write(offset);
    const end = offset + length;
    const items = type === 'pre' ? codeBlock(text.slice(offset, end)) : blocksOf(text, entities, offset, end);
    if (items.length > 0) elements.push({ type: 'Container', style: 'emphasis', items });
    at = end;
  }
  write(text.length);
  return elements;
}

function codeBlock(code: string): readonly JsonRecord[] {
  if (code.trim() === '') return [];
  return [{ type: 'RichTextBlock', inlines: [run(withBlanks(code, true), ['code'])] }];
}

/** Paragraphs, and lines where a break cannot stand within a run. */
function blocksOf(
  text: string,
  entities: readonly TextEntity[],
  from: number,
  to: number,
): readonly JsonRecord[] {
  const blocks: JsonRecord[] = [];
  let inlines: (string | JsonRecord)[] = [];
  let isParagraph = true;
  const finish = (endsParagraph: boolean): void => {
    const shows = inlines.some((each) => typeof each !== 'string' || each.trim() !== '');
    if (shows) blocks.push({ type: 'RichTextBlock', ...(isParagraph ? {} : { spacing: 'None' }), inlines });
    isParagraph = endsParagraph || (isParagraph && !shows);
    inlines = [];
  };
  for (const { start, end, within } of stretches(entities, from, to)) {
    for (const piece of text.slice(start, end).split(/(\n{2,}|^\n|\n$)/)) {
      if (/^\n+$/.test(piece)) finish(piece.length > 1);
      else if (piece !== '')
        inlines.push(
          run(
            withBlanks(piece, inlines.length === 0),
            within.map(({ type }) => type),
            within,
          ),
        );
    }
  }
  finish(true);
  return blocks;
}

interface Stretch {
  readonly start: number;
  readonly end: number;
  /** The entities that it stands in. */
  readonly within: readonly TextEntity[];
}

function stretches(entities: readonly TextEntity[], from: number, to: number): readonly Stretch[] {
  const inside = entities.filter(
    ({ type, offset, length }) => type !== 'blockquote' && offset >= from && offset + length <= to,
  );
  const borders = new Set([from, to, ...inside.flatMap(({ offset, length }) => [offset, offset + length])]);
  const sorted = [...borders].sort((a, b) => a - b);
  return sorted.slice(1).map((end, index) => {
    const start = sorted[index] as number;
    const within = inside.filter(({ offset, length }) => offset <= start && end <= offset + length);
    return { start, end, within };
  });
}

function run(
  text: string,
  types: readonly TextEntity['type'][],
  within: readonly TextEntity[] = [],
): string | JsonRecord {
  if (types.length === 0) return text;
  const url = within.find(({ type }) => type === 'text_link')?.url;
  return {
    type: 'TextRun',
    text,
    ...(types.includes('bold') ? { weight: 'Bolder' } : {}),
    ...(types.includes('italic') ? { italic: true } : {}),
    ...(types.includes('strikethrough') ? { strikethrough: true } : {}),
    ...(types.includes('code') ? { fontType: 'Monospace' } : {}),
    ...(url === undefined ? {} : { selectAction: { type: 'Action.OpenUrl', url } }),
  };
}

/** Browsers would make one of several blanks, and none of those that begin a line. */
function withBlanks(text: string, beginsLine: boolean): string {
  const indent = beginsLine ? /^ +| {2,}/gm : /(?<=\n) +| {2,}/g;
  return text.replaceAll('\t', '    ').replaceAll(indent, (blanks) => NO_BREAK_SPACE.repeat(blanks.length));
}

/** A stretch of a text, from its first character to behind its last. */
export interface TextRange {
  readonly start: number;
  readonly end: number;
}

const FENCE = /^(`{3,}|~{3,})([^\n]*)$/;
/** Behind blanks, or within a list or a quotation. */
const INNER_FENCE = /^[\s>*+\-\d.)]+(?:`{3,}|~{3,})/;
/** Mattermost ends a block here, too, and other readers may not. */
const UNSURE_END = /^\s*(`{3,}|~{3,})[`~\s]*$/;

/**
 * Blocks of code between fences at the very beginning of their lines: whatever stands before them, Mattermost reads them
 * as code, too. A fence that nobody closes lasts to the end. Behind a line of which it is not certain whether it opens or
 * closes a block, nothing is certain, and nothing is taken for code any more.
 */
export function fencedRanges(markdown: string): readonly TextRange[] {
  const ranges: TextRange[] = [];
  let open: { readonly marker: string; readonly start: number } | null = null;
  let start = 0;
  for (const line of markdown.split('\n')) {
    const [, marker = '', info = ''] = FENCE.exec(line) ?? [];
    if (open === null) {
      // With a backtick behind them, waves begin no block either.
      if (INNER_FENCE.test(line) || (marker !== '' && info.includes('`'))) return ranges;
      if (marker !== '') open = { marker, start };
    } else if (marker.startsWith(open.marker) && info.trim() === '') {
      ranges.push({ start: open.start, end: start + line.length });
      open = null;
    } else if (UNSURE_END.exec(line)?.[1]?.startsWith(open.marker)) {
      return [...ranges, { start: open.start, end: start }];
    }
    start += line.length + 1;
  }
  return open === null ? ranges : [...ranges, { start: open.start, end: markdown.length }];
}

/** The same, and code within lines. */
export function codeRanges(markdown: string): readonly TextRange[] {
  const fenced = fencedRanges(markdown);
  const spans = [...outside(markdown, fenced)].flatMap(({ start, end }) =>
    spansIn(markdown.slice(start, end)).map((span) => ({
      start: start + span.start,
      end: start + span.end,
    })),
  );
  return [...fenced, ...spans].sort((a, b) => a.start - b.start);
}

/**
 * Blocks of code, and of the code within lines what Mattermost reads as code however it divides the text into paragraphs,
 * lists and quotations: from a run of backticks to the next one of its length, in lines that hold nothing by which one of them
 * might be no such sign. Behind another line nothing within lines is certain until a paragraph ends.
 */
export function certainCodeRanges(markdown: string): readonly TextRange[] {
  const ranges: TextRange[] = [];
  const fenced = fencedRanges(markdown);
  for (const { start, end } of outside(markdown, fenced)) {
    let at = start;
    let isCertain = true;
    for (const line of markdown.slice(start, end).split('\n')) {
      if (BLANK.test(line)) isCertain = true;
      const spans = isCertain ? certainSpansIn(line) : null;
      if (spans === null) isCertain = false;
      else ranges.push(...spans.map((span) => ({ start: at + span.start, end: at + span.end })));
      at += line.length + 1;
    }
  }
  return [...fenced, ...ranges].sort((a, b) => a.start - b.start);
}

const BLANK = /^[ \t]*$/;
/** Escaped backticks, and addresses, titles and labels of links, in which they are no code. */
const SWALLOWS_BACKTICKS = /\\`|\][([:]/;
/** What may stand between a blank and the sign: an address, which ends at the next blank only, begins with none of these. */
const BEFORE_CODE = /(?:^|[ \t])[([{"'*_~|>-]*$/;
/** What may stand between code and code. */
const BETWEEN_CODE = /^[^\w:]*$/;

/** `null`: what is code in this line, or behind it, depends on what else is read. */
function certainSpansIn(line: string): readonly TextRange[] | null {
  if (SWALLOWS_BACKTICKS.test(line)) return null;
  const runs = [...line.matchAll(/`+/g)].map(({ index, 0: run }) => ({ index, length: run.length }));
  const spans: TextRange[] = [];
  for (let open = 0; open < runs.length; open += 1) {
    const { index, length } = runs[open] as (typeof runs)[number];
    const close = runs.findIndex((run, place) => place > open && run.length === length);
    if (close === -1) return null;
    const before = line.slice(spans.at(-1)?.end ?? 0, index);
    if (!BEFORE_CODE.test(before) && !(open > 0 && BETWEEN_CODE.test(before))) return null;
    spans.push({ start: index, end: (runs[close] as (typeof runs)[number]).index + length });
    open = close;
  }
  return spans;
}

/** From a run of backticks to the next one of the same length. */
function spansIn(text: string): readonly TextRange[] {
  const runs = [...text.matchAll(/`+/g)].map(({ index, 0: run }) => ({ index, length: run.length }));
  const spans: TextRange[] = [];
  for (let open = 0; open < runs.length; open += 1) {
    const { index, length } = runs[open] as (typeof runs)[number];
    const close = runs.findIndex((run, place) => place > open && run.length === length);
    if (close === -1) continue;
    spans.push({ start: index, end: (runs[close] as (typeof runs)[number]).index + length });
    open = close;
  }
  return spans;
}

/** What lies between ranges that are in order. */
export function* outside(text: string, ranges: readonly TextRange[]): Generator<TextRange> {
  let from = 0;
  for (const { start, end } of ranges) {
    if (start > from) yield { start: from, end: start };
    from = end;
  }
  if (from < text.length) yield { start: from, end: text.length };
}

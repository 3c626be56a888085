/** A stretch of a text, from its first character to behind its last. */
export interface TextRange {
  readonly start: number;
  readonly end: number;
}

const FENCE = /^(`{3,}|~{3,})([^\n]*)$/;
/** Behind blanks, or within a list or a quotation. */
const INNER_FENCE = /^[\s>*+\-\d.)]+(?:`{3,}|~{3,})/;
const INDENTED_END = /^[ \t]+(`{3,}|~{3,})[ \t]*$/;

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
      if (INNER_FENCE.test(line) || (marker.startsWith('`') && info.includes('`'))) return ranges;
      if (marker !== '') open = { marker, start };
    } else if (marker.startsWith(open.marker) && info.trim() === '') {
      ranges.push({ start: open.start, end: start + line.length });
      open = null;
    } else if (INDENTED_END.exec(line)?.[1]?.startsWith(open.marker)) {
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

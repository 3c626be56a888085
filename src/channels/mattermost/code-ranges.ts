/** A stretch of a text, from its first character to behind its last. */
export interface TextRange {
  readonly start: number;
  readonly end: number;
}

const FENCE = /^(`{3,}|~{3,})([^\n]*)$/;

/**
 * Blocks of code between fences at the very beginning of their lines: whatever stands before them, Mattermost reads them
 * as code, too. A fence that nobody closes lasts to the end.
 */
export function fencedRanges(markdown: string): readonly TextRange[] {
  const ranges: TextRange[] = [];
  let open: { readonly marker: string; readonly start: number } | null = null;
  let start = 0;
  for (const line of markdown.split('\n')) {
    const end = start + line.length;
    const [, marker = '', info = ''] = FENCE.exec(line) ?? [];
    if (marker !== '') {
      if (open === null) {
        if (!marker.startsWith('`') || !info.includes('`')) open = { marker, start };
      } else if (marker.startsWith(open.marker) && info.trim() === '') {
        ranges.push({ start: open.start, end });
        open = null;
      }
    }
    start = end + 1;
  }
  if (open !== null) ranges.push({ start: open.start, end: markdown.length });
  return ranges;
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

/** A border in the first part of the window would make a needlessly short message. */
const EARLIEST = 0.25;

/** A code fence that is open at some place in the text. */
interface Fence {
  readonly indent: string;
  readonly marker: string;
  readonly info: string;
}

/** Where a part ends and the next begins (what lies between is whitespace), and the fence that is open there. */
interface Cut {
  readonly end: number;
  readonly next: number;
  readonly fence: Fence | null;
}

/**
 * Cuts markdown into parts that a platform accepts: at a border between paragraphs, else between lines, else between words,
 * else anywhere but within a surrogate pair. A code fence that is open at a cut is closed there and opened again with
 * its info string. Nothing is lost but whitespace at the borders. At least one part.
 *
 * @param maxCharacters of one part, in UTF-16 units; at least 400, to leave room for the fences
 */
export function splitMarkdown(markdown: string, maxCharacters: number): readonly string[] {
  if (markdown.length <= maxCharacters) return [markdown];
  const parts: string[] = [];
  let fence: Fence | null = null;
  let start = 0;
  for (;;) {
    const opening = fence === null ? '' : `${openingLine(fence)}\n`;
    const rest = markdown.length - start;
    if (opening.length + rest <= maxCharacters) {
      const last = markdown.slice(start);
      if (last.trim() !== '') parts.push(opening + last);
      return parts;
    }
    const cut = findCut(markdown, start, maxCharacters - opening.length, fence);
    const text = markdown.slice(start, cut.end);
    if (text.trim() !== '')
      parts.push(opening + (cut.fence === null ? text.trimEnd() : closed(text, cut.fence)));
    fence = cut.fence;
    start = cut.next;
    const afterClosing = fence === null ? -1 : skipClosingLine(markdown, start, fence);
    if (afterClosing !== -1) {
      start = afterClosing;
      fence = null;
    }
    if (fence === null) while (markdown[start] === '\n') start += 1;
  }
}

function closed(text: string, fence: Fence): string {
  return `${text}\n${closingLine(fence)}`;
}

/** Where the text goes on if the next line only closes the fence, which then needs no opening again; else -1. */
function skipClosingLine(markdown: string, start: number, fence: Fence): number {
  if (markdown[start - 1] !== '\n') return -1;
  const newline = markdown.indexOf('\n', start);
  const end = newline === -1 ? markdown.length : newline;
  return nextFence(fence, markdown.slice(start, end)) === null ? end : -1;
}

/** The best cut so that what comes before it, with its closing fence, has at most `room` characters. */
function findCut(markdown: string, start: number, room: number, openFence: Fence | null): Cut {
  const limit = start + room;
  let fence = openFence;
  let paragraph: Cut | null = null;
  let line: Cut | null = null;
  let lineStart = start;
  let afterBlank = false;
  let justOpened = false;
  for (;;) {
    const newline = markdown.indexOf('\n', lineStart);
    const lineEnd = newline === -1 || newline > limit ? -1 : newline;
    const content = markdown.slice(lineStart, lineEnd === -1 ? limit : lineEnd);
    const next = nextFence(fence, content);
    if (lineStart > start && !justOpened && lineStart - 1 + closingLength(fence) <= limit) {
      const cut = { end: lineStart - 1, next: lineStart, fence };
      line = cut;
      if (fence === null && (afterBlank || next !== null)) paragraph = cut;
    }
    if (lineEnd === -1) break;
    afterBlank = content.trim() === '';
    justOpened = fence === null && next !== null;
    fence = next;
    lineStart = lineEnd + 1;
  }
  const earliest = start + room * EARLIEST;
  if (paragraph !== null && paragraph.end >= earliest) return paragraph;
  if (line !== null && line.end >= earliest) return line;
  return findCutInLine(markdown, start, lineStart, limit - closingLength(fence), fence);
}

/** Cuts the line that begins at `lineStart` and is too long, at its last space or, without one, at the limit. */
function findCutInLine(
  markdown: string,
  start: number,
  lineStart: number,
  limit: number,
  fence: Fence | null,
): Cut {
  const from = Math.max(lineStart, start + 1);
  const window = markdown.slice(from, limit + 1);
  const space = Math.max(window.lastIndexOf(' '), window.lastIndexOf('\t'));
  if (space > window.length * EARLIEST) return { end: from + space, next: from + space + 1, fence };
  const end = splitsPair(markdown, limit) ? limit - 1 : limit;
  return { end, next: end, fence };
}

function splitsPair(text: string, index: number): boolean {
  const before = text.charCodeAt(index - 1);
  const after = text.charCodeAt(index);
  return before >= 0xd800 && before <= 0xdbff && after >= 0xdc00 && after <= 0xdfff;
}

const FENCE_LINE = /^([ \t]{0,20})(`{3,32}|~{3,32})([^\n]{0,100})$/;

/** The fence that is open after a line, given the one that was open before it. */
function nextFence(fence: Fence | null, line: string): Fence | null {
  const match = FENCE_LINE.exec(line.trimEnd());
  if (match === null) return fence;
  const [, indent = '', marker = '', rest = ''] = match;
  const info = rest.trim();
  if (fence === null) return marker.startsWith('`') && info.includes('`') ? null : { indent, marker, info };
  const closes = info === '' && marker.startsWith(fence.marker);
  return closes ? null : fence;
}

function openingLine({ indent, marker, info }: Fence): string {
  return indent + marker + info;
}

function closingLine({ indent, marker }: Fence): string {
  return indent + marker;
}

/** Characters that closing the fence adds, its newline included. */
function closingLength(fence: Fence | null): number {
  return fence === null ? 0 : closingLine(fence).length + 1;
}

/** A border in the first part of the window would make a needlessly short message. */
const EARLIEST = 0.25;

/** A code fence that is open at some place in the text. */
interface Fence {
  /** The signs of the quote that it stands in. */
  readonly quote: string;
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
    const opening = fence === null ? '' : `${openingLine(fence)}\n${missingQuote(markdown, start, fence)}`;
    const rest = markdown.length - start;
    if (opening.length + rest <= maxCharacters) {
      const last = markdown.slice(start);
      if (last.trim() !== '') parts.push(opening + last);
      return parts.length === 0 ? [''] : parts;
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
  return isClosing(fence, markdown.slice(start, end)) ? end : -1;
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
    const beginning = /^[^\n]*/.exec(markdown.slice(lineStart, limit + MAX_FENCE_CHARACTERS))?.[0] ?? '';
    const content = lineStart === start ? missingQuote(markdown, start, fence) + beginning : beginning;
    fence = stillOpen(fence, content);
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

/** What a line says of fences is said within this. */
const MAX_FENCE_CHARACTERS = 240;
const QUOTE = /^(?: {0,3}>[ \t]?){0,8}/;
const FENCE_LINE = /^([ \t]{0,20})((?:[-*+]|\d{1,9}[.)])[ \t]{1,8})?(`{3,32}|~{3,32})([^\n]{0,100})$/;

/** The fence that is open after a line, given the one that was open before it and has not ended with its quote. */
function nextFence(fence: Fence | null, line: string): Fence | null {
  if (fence !== null) return isClosing(fence, line) ? null : fence;
  const quote = QUOTE.exec(line)?.[0] ?? '';
  const [, indent = '', item = '', marker = '', rest = ''] =
    FENCE_LINE.exec(line.slice(quote.length).trimEnd()) ?? [];
  const info = rest.trim();
  if (marker === '' || (marker.startsWith('`') && info.includes('`'))) return null;
  return { quote, indent: indent + item.replaceAll(/\S/g, ' '), marker, info };
}

function isClosing({ quote, marker: opening }: Fence, line: string): boolean {
  const sign = QUOTE.exec(line)?.[0] ?? '';
  if (depthOf(sign) !== depthOf(quote)) return false;
  const [, , item, marker = '', rest = ''] = FENCE_LINE.exec(line.slice(sign.length).trimEnd()) ?? [];
  return item === undefined && rest.trim() === '' && marker.startsWith(opening);
}

/** A fence ends with the quote that it stands in. */
function stillOpen(fence: Fence | null, line: string): Fence | null {
  if (fence === null || depthOf(QUOTE.exec(line)?.[0] ?? '') >= depthOf(fence.quote)) return fence;
  return null;
}

function depthOf(quote: string): number {
  return quote.split('>').length - 1;
}

/** The signs of the quote that what begins within a line of code has to begin with. */
function missingQuote(markdown: string, start: number, fence: Fence | null): string {
  return fence === null || start === 0 || markdown[start - 1] === '\n' ? '' : fence.quote;
}

function openingLine({ quote, indent, marker, info }: Fence): string {
  return quote + indent + marker + info;
}

function closingLine({ quote, indent, marker }: Fence): string {
  return quote + indent + marker;
}

/** Characters that closing the fence adds, its newline included. */
function closingLength(fence: Fence | null): number {
  return fence === null ? 0 : closingLine(fence).length + 1;
}

import { type FormattedText, FormattedTextBuilder } from './formatted-text.ts';
import { renderInline } from './render-inline.ts';

const FENCE = /^[ \t]*(`{3,}|~{3,})[ \t]*([^\n]*)$/;
const HEADING = /^ {0,3}#{1,6}[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*$/;
const RULE = /^ {0,3}(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const QUOTE = /^( {0,3}> ?)(.*)$/;
const BULLET = /^([ \t]*)[-*+][ \t]+(.*)$/;
const NUMBERED = /^([ \t]*\d{1,9}[.)][ \t]+)(.*)$/;
const TABLE_RULE = /^[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)+\|?[ \t]*$/;
const LANGUAGE = /^[A-Za-z0-9+#._-]{1,32}$/;
const INDENT = /^(?: {4}| {0,3}\t)/;
const BLANK = /^[ \t]*$/;
/** Quotes within quotes beyond this are no writing. */
const MAX_QUOTES = 8;

interface Line {
  readonly text: string;
  /** What stands before it, where it is quoted within a quote. */
  readonly marker: string;
}

/** What a line follows: by that one knows whether its indent makes it code. */
type Above = 'nothing' | 'blank' | 'paragraph' | 'block';

/**
 * Markdown as text with entities: stretches of plain text that are shown in their own way. There is nothing to escape,
 * so nothing in a model's text can break or inject markup (docs/decisions/0013-telegram.md).
 *
 * Headings become bold, bullets `•`, tables code. What is incomplete stays as it stands. The text is never longer than
 * the markdown.
 */
export function renderMarkdown(markdown: string, maxEntities?: number): FormattedText {
  const builder = new FormattedTextBuilder();
  const lines = markdown.toWellFormed().split('\n');
  renderBlocks(
    builder,
    lines.map((text) => ({ text, marker: '' })),
    0,
  );
  return builder.build(maxEntities);
}

function renderBlocks(builder: FormattedTextBuilder, lines: readonly Line[], quotes: number): void {
  let above: Above = 'nothing';
  let isInList = false;
  let index = 0;
  while (index < lines.length) {
    const { text } = lines[index] as Line;
    if (index > 0) builder.append('\n');
    const isItem = BULLET.test(text) || NUMBERED.test(text);
    // A part of a message may begin within a list.
    const mayBeCode: boolean = above === 'nothing' ? !isItem : above !== 'paragraph';
    const isCode = mayBeCode && !isInList && INDENT.test(text) && !BLANK.test(text) && fenceAt(text) === null;
    if (!isCode && isItem) isInList = true;
    else if (/^[^ \t]/.test(text) && above !== 'paragraph') isInList = false;
    const rendered: Rendered = isCode
      ? renderIndented(builder, lines, index)
      : renderBlock(builder, lines, index, quotes);
    index = rendered.next;
    above = rendered.above;
  }
}

interface Rendered {
  /** The line behind it. */
  readonly next: number;
  readonly above: Above;
}

function renderBlock(
  builder: FormattedTextBuilder,
  lines: readonly Line[],
  start: number,
  quotes: number,
): Rendered {
  const { text, marker } = lines[start] as Line;
  const fence = fenceAt(text);
  if (fence !== null) return renderFence(builder, lines, start, fence);
  if (text.includes('|') && TABLE_RULE.test(lines[start + 1]?.text ?? ''))
    return renderTable(builder, lines, start);
  if (quotes < MAX_QUOTES && QUOTE.test(text)) return renderQuote(builder, lines, start, quotes);
  builder.append(marker);
  const next = start + 1;
  if (RULE.test(text)) {
    builder.append('———');
    return { next, above: 'block' };
  }
  const heading = HEADING.exec(text)?.[1];
  if (heading) {
    builder.styled('bold', () => renderInline(builder, heading));
    return { next, above: 'block' };
  }
  const [, indent = '', bulleted] = BULLET.exec(text) ?? [];
  const [, number = '', numbered] = NUMBERED.exec(text) ?? [];
  const item = bulleted ?? numbered;
  builder.append(bulleted === undefined ? number : `${indent}• `);
  const itemFence = item === undefined ? null : fenceAt(item);
  if (itemFence !== null) {
    builder.append('\n');
    return renderFence(builder, lines, start, itemFence);
  }
  renderInline(builder, item ?? text);
  return { next, above: BLANK.test(text) ? 'blank' : 'paragraph' };
}

interface Fence {
  readonly marker: string;
  readonly info: string;
}

function fenceAt(text: string): Fence | null {
  const [, marker = '', info = ''] = FENCE.exec(text) ?? [];
  return marker === '' || (marker.startsWith('`') && info.includes('`')) ? null : { marker, info };
}

function renderFence(
  builder: FormattedTextBuilder,
  lines: readonly Line[],
  start: number,
  { marker, info }: Fence,
): Rendered {
  let end = start + 1;
  while (end < lines.length && !closes((lines[end] as Line).text, marker)) end += 1;
  const content = lines.slice(start + 1, end).map(({ text }) => text);
  const label = info.trim();
  const language = content.some((each) => each !== '') && LANGUAGE.test(label) ? label : '';
  // What is more than the name of a language is shown: it may be words that were meant to be read.
  builder.pre([...(label === language ? [] : [label]), ...content].join('\n'), language);
  return { next: Math.min(end + 1, lines.length), above: 'block' };
}

function closes(line: string, marker: string): boolean {
  const [, other = '', info = ''] = FENCE.exec(line) ?? [];
  return info.trim() === '' && other.startsWith(marker);
}

/** Code by its indent, as CommonMark has it: not below a paragraph, and here not within a list either. */
function renderIndented(builder: FormattedTextBuilder, lines: readonly Line[], start: number): Rendered {
  let end = start;
  for (let at = start; at < lines.length; at += 1) {
    const { text } = lines[at] as Line;
    if (BLANK.test(text)) continue;
    if (!INDENT.test(text)) break;
    end = at + 1;
  }
  const code = lines.slice(start, end).map(({ text }) => text.replace(/^(?: {1,4}| {0,3}\t)/, ''));
  builder.pre(code.join('\n'), '');
  return { next: end, above: 'block' };
}

/** A phone has no room for a table, but code keeps its columns apart. */
function renderTable(builder: FormattedTextBuilder, lines: readonly Line[], start: number): Rendered {
  let end = start + 2;
  while (end < lines.length && lines[end]?.text.includes('|')) end += 1;
  const rows = lines.slice(start, end).map(({ text }) => text);
  builder.pre(rows.join('\n'), '');
  return { next: end, above: 'block' };
}

/** Platforms know no quotes within quotes: there the signs stand before what is quoted, but not before code. */
function renderQuote(
  builder: FormattedTextBuilder,
  lines: readonly Line[],
  start: number,
  quotes: number,
): Rendered {
  const quoted: Line[] = [];
  for (let index = start; index < lines.length; index += 1) {
    const { text, marker } = lines[index] as Line;
    const [, sign, content] = QUOTE.exec(text) ?? [];
    if (sign === undefined || content === undefined) break;
    quoted.push({ text: content, marker: quotes === 0 ? '' : marker + sign });
  }
  if (quotes === 0) builder.blockquote(() => renderBlocks(builder, quoted, 1));
  else renderBlocks(builder, quoted, quotes + 1);
  return { next: start + quoted.length, above: 'paragraph' };
}

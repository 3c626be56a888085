import { type FormattedText, FormattedTextBuilder } from './formatted-text.ts';
import { renderInline } from './render-inline.ts';

const FENCE = /^[ \t]*(`{3,}|~{3,})[ \t]*([^\n]*)$/;
const HEADING = /^ {0,3}#{1,6}[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*$/;
const RULE = /^ {0,3}(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const QUOTE = /^ {0,3}> ?(.*)$/;
const BULLET = /^([ \t]*)[-*+][ \t]+(.*)$/;
const TABLE_RULE = /^[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)+\|?[ \t]*$/;
const LANGUAGE = /^[A-Za-z0-9+#._-]{1,32}$/;

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
  let index = 0;
  let isFirst = true;
  while (index < lines.length) {
    if (!isFirst) builder.append('\n');
    isFirst = false;
    index = renderBlock(builder, lines, index);
  }
  return builder.build(maxEntities);
}

/** Writes the block that begins at a line; returns the line after it. */
function renderBlock(builder: FormattedTextBuilder, lines: readonly string[], start: number): number {
  const line = lines[start] as string;
  const fence = FENCE.exec(line);
  if (fence !== null && !(fence[1]?.startsWith('`') && fence[2]?.includes('`'))) {
    return renderFence(builder, lines, start, fence[1] ?? '', fence[2] ?? '');
  }
  if (line.includes('|') && TABLE_RULE.test(lines[start + 1] ?? ''))
    return renderTable(builder, lines, start);
  if (QUOTE.test(line)) return renderQuote(builder, lines, start);
  if (RULE.test(line)) {
    builder.append('———');
    return start + 1;
  }
  const heading = HEADING.exec(line)?.[1];
  if (heading) {
    builder.styled('bold', () => renderInline(builder, heading));
    return start + 1;
  }
  const [, indent = '', item] = BULLET.exec(line) ?? [];
  if (item !== undefined) {
    builder.append(`${indent}• `);
    renderInline(builder, item);
    return start + 1;
  }
  renderInline(builder, line);
  return start + 1;
}

function renderFence(
  builder: FormattedTextBuilder,
  lines: readonly string[],
  start: number,
  marker: string,
  info: string,
): number {
  let end = start + 1;
  while (end < lines.length && !closes(lines[end] as string, marker)) end += 1;
  const label = info.trim();
  const hasCode = lines.slice(start + 1, end).some((each) => each !== '');
  const language = hasCode && LANGUAGE.test(label) ? label : '';
  // What is more than the name of a language is shown: it may be words that were meant to be read.
  const code = [...(label === language ? [] : [label]), ...lines.slice(start + 1, end)];
  builder.pre(code.join('\n'), language);
  return Math.min(end + 1, lines.length);
}

function closes(line: string, marker: string): boolean {
  const [, other = '', info = ''] = FENCE.exec(line) ?? [];
  return info.trim() === '' && other.startsWith(marker);
}

/** A phone has no room for a table, but code keeps its columns apart. */
function renderTable(builder: FormattedTextBuilder, lines: readonly string[], start: number): number {
  let end = start + 2;
  while (end < lines.length && lines[end]?.includes('|')) end += 1;
  builder.pre(lines.slice(start, end).join('\n'), '');
  return end;
}

function renderQuote(builder: FormattedTextBuilder, lines: readonly string[], start: number): number {
  let end = start;
  builder.blockquote(() => {
    for (; end < lines.length; end += 1) {
      const quoted = QUOTE.exec(lines[end] as string)?.[1];
      if (quoted === undefined) return;
      if (end > start) builder.append('\n');
      renderInline(builder, quoted);
    }
  });
  return end;
}

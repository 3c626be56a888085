import type { Align, Block, ListItem, Notation, TableCell } from './markdown-tree.ts';
import { decodeEntities, parseInline } from './parse-inline.ts';

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([^\s`]*)[^`]*$/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$/;
const RULE = /^ {0,3}(?:(?:\*\s*){3,}|(?:-\s*){3,}|(?:_\s*){3,})$/;
const QUOTE = /^ {0,3}(?:>|&gt;) ?(.*)$/;
const ITEM = /^(\s*)([-*+•]|\d{1,9}[.)])\s+(.*)$/;
const TABLE_DIVIDER = /^\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$/;
const MAX_DEPTH = 6;

/**
 * Parses the subset of GitHub's markdown that models write: headings, lists, task lists, quotes, tables, fenced code,
 * rules. Never fails, and an unfinished text (a fence not yet closed) parses as what it is going to be.
 */
export function parseMarkdown(source: string, notation: Notation = 'markdown'): readonly Block[] {
  return parseLines(source.replace(/\r\n?/g, '\n').split('\n'), notation, 0);
}

interface Step {
  readonly block: Block;
  /** Index of the first line after the block. */
  readonly next: number;
}

function parseLines(lines: readonly string[], notation: Notation, depth: number): readonly Block[] {
  const blocks: Block[] = [];
  let index = 0;
  while (index < lines.length) {
    if (!lines[index]?.trim()) {
      index += 1;
      continue;
    }
    const step = parseSpecial(lines, index, notation, depth) ?? parseParagraph(lines, index, notation, depth);
    blocks.push(step.block);
    index = step.next;
  }
  return blocks;
}

function parseSpecial(
  lines: readonly string[],
  index: number,
  notation: Notation,
  depth: number,
): Step | null {
  if (depth >= MAX_DEPTH) return null;
  const code = parseFence(lines, index);
  if (code) return code;
  if (notation === 'markdown') {
    const block = parseHeadingOrRule(lines[index] ?? '');
    if (block) return { block, next: index + 1 };
    const table = parseTable(lines, index);
    if (table) return table;
  }
  return parseQuote(lines, index, notation, depth) ?? parseList(lines, index, notation, depth);
}

function parseParagraph(lines: readonly string[], index: number, notation: Notation, depth: number): Step {
  let next = index + 1;
  while (next < lines.length && lines[next]?.trim() && !parseSpecial(lines, next, notation, depth)) next += 1;
  const text = lines
    .slice(index, next)
    .map((line) => line.trim())
    .join('\n');
  return { block: { type: 'paragraph', children: parseInline(text, notation) }, next };
}

function parseFence(lines: readonly string[], index: number): Step | null {
  const open = FENCE.exec(lines[index] ?? '');
  if (!open) return null;
  const [, fence = '```', language = ''] = open;
  let next = index + 1;
  const text: string[] = [];
  while (next < lines.length && !isFenceEnd(lines[next] ?? '', fence)) {
    text.push(decodeEntities(lines[next] ?? ''));
    next += 1;
  }
  return { block: { type: 'code', language, text: text.join('\n') }, next: next + 1 };
}

function isFenceEnd(line: string, fence: string): boolean {
  const trimmed = line.trim();
  return trimmed.startsWith(fence) && trimmed.replaceAll(fence[0] ?? '`', '') === '';
}

function parseHeadingOrRule(line: string): Block | null {
  const heading = HEADING.exec(line);
  if (heading) {
    return { type: 'heading', level: heading[1]?.length ?? 1, children: parseInline(heading[2] ?? '') };
  }
  return RULE.test(line) ? { type: 'rule' } : null;
}

function parseQuote(lines: readonly string[], index: number, notation: Notation, depth: number): Step | null {
  const inner: string[] = [];
  let next = index;
  for (; next < lines.length; next += 1) {
    const match = QUOTE.exec(lines[next] ?? '');
    if (!match) break;
    inner.push(match[1] ?? '');
  }
  if (next === index) return null;
  return { block: { type: 'quote', blocks: parseLines(inner, notation, depth + 1) }, next };
}

function parseList(lines: readonly string[], index: number, notation: Notation, depth: number): Step | null {
  const first = ITEM.exec(lines[index] ?? '');
  if (!first) return null;
  const indent = first[1]?.length ?? 0;
  const ordered = /\d/.test(first[2] ?? '');
  const items: ListItem[] = [];
  let next = index;
  while (next < lines.length) {
    const item = ITEM.exec(lines[next] ?? '');
    const sameList =
      item && /\d/.test(item[2] ?? '') === ordered && Math.abs((item[1]?.length ?? 0) - indent) < 2;
    if (!sameList) break;
    const contents = [item[3] ?? ''];
    next += 1;
    while (next < lines.length && belongsToItem(lines, next, indent)) {
      contents.push((lines[next] ?? '').replace(new RegExp(`^\\s{0,${indent + 2}}`), ''));
      next += 1;
    }
    items.push(listItem(contents, notation, depth));
    if (!lines[next]?.trim() && ITEM.exec(lines[next + 1] ?? '')?.[1]?.length === indent) next += 1;
  }
  return { block: { type: 'list', ordered, start: Number.parseInt(first[2] ?? '1', 10) || 1, items }, next };
}

/** Indented lines, also after one blank line, and lazy continuations without a block of their own. */
function belongsToItem(lines: readonly string[], index: number, indent: number): boolean {
  const line = lines[index] ?? '';
  const indented = (text: string): boolean => text.search(/\S/) >= indent + 2;
  if (!line.trim()) return indented(lines[index + 1] ?? '');
  if (indented(line)) return true;
  const afterBlank = !lines[index - 1]?.trim();
  return !afterBlank && !ITEM.test(line) && !FENCE.test(line) && !HEADING.test(line) && !QUOTE.test(line);
}

function listItem(contents: readonly string[], notation: Notation, depth: number): ListItem {
  const task = /^\[([ xX])\]\s+/.exec(contents[0] ?? '');
  const lines = task ? [(contents[0] ?? '').slice(task[0].length), ...contents.slice(1)] : contents;
  return { done: task ? task[1] !== ' ' : null, blocks: parseLines(lines, notation, depth + 1) };
}

function parseTable(lines: readonly string[], index: number): Step | null {
  const head = lines[index] ?? '';
  const divider = lines[index + 1] ?? '';
  if (!head.includes('|') || !divider.includes('-') || !TABLE_DIVIDER.test(divider)) return null;
  const header = cells(head);
  const align = splitRow(divider).map(alignOf);
  if (align.length !== header.length) return null;
  const rows: (readonly TableCell[])[] = [];
  let next = index + 2;
  for (; next < lines.length && lines[next]?.includes('|'); next += 1) {
    const row = cells(lines[next] ?? '').slice(0, header.length);
    rows.push([...row, ...Array.from({ length: header.length - row.length }, (): TableCell => [])]);
  }
  return { block: { type: 'table', align, header, rows }, next };
}

function cells(line: string): readonly TableCell[] {
  return splitRow(line).map((cell) => parseInline(cell.replaceAll('\\|', '|')));
}

function splitRow(line: string): readonly string[] {
  return line
    .trim()
    .replace(/^\||(?<!\\)\|$/g, '')
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim());
}

function alignOf(divider: string): Align {
  if (divider.startsWith(':') && divider.endsWith(':')) return 'center';
  return divider.endsWith(':') ? 'end' : 'start';
}

import type { Inline, Notation } from './markdown-tree.ts';

const ESCAPABLE = /[\\`*_{}[\]()#+\-.!~|<>]/;
const BARE_URL = /^https?:\/\/[^\s<>]+/;
const TRAILING_PUNCTUATION = /[.,:;!?'"*_~]+$/;
/** Deeper nesting is not writing but an attempt to be slow. */
const MAX_DEPTH = 8;

interface Delimiter {
  readonly mark: string;
  readonly type: 'strong' | 'emphasis' | 'strike';
}

const delimiters: Readonly<Record<Notation, readonly Delimiter[]>> = {
  markdown: [
    { mark: '**', type: 'strong' },
    { mark: '__', type: 'strong' },
    { mark: '~~', type: 'strike' },
    { mark: '*', type: 'emphasis' },
    { mark: '_', type: 'emphasis' },
  ],
  mrkdwn: [
    { mark: '*', type: 'strong' },
    { mark: '_', type: 'emphasis' },
    { mark: '~', type: 'strike' },
  ],
};

/** Parses the text of one paragraph, heading or cell. Never fails: what is not notation is text. */
export function parseInline(source: string, notation: Notation = 'markdown', depth = 0): readonly Inline[] {
  const parts: Inline[] = [];
  let text = '';
  const flush = (): void => {
    if (text) parts.push({ type: 'text', text });
    text = '';
  };
  const unclosed = new Set<string>();
  let index = 0;
  while (index < source.length) {
    const found = depth < MAX_DEPTH ? parseAt(source, index, notation, depth, unclosed) : null;
    if (found) {
      if (found.inline.type === 'text') text += found.inline.text;
      else {
        flush();
        parts.push(found.inline);
      }
      index = found.end;
    } else {
      text += source[index];
      index += 1;
    }
  }
  flush();
  return parts;
}

interface Found {
  readonly inline: Inline;
  readonly end: number;
}

function parseAt(
  source: string,
  index: number,
  notation: Notation,
  depth: number,
  unclosed: Set<string>,
): Found | null {
  switch (source[index]) {
    case '\n':
      return { inline: { type: 'break' }, end: index + 1 };
    case '\\':
      return notation === 'markdown' ? parseEscape(source, index) : null;
    case '`':
      return parseCode(source, index);
    case '<':
      return parseAngle(source, index, notation, depth);
    case '&':
      return parseEntity(source, index);
    case '[':
      return notation === 'markdown' ? parseLink(source, index, notation, depth) : null;
    case 'h':
      return parseBareUrl(source, index);
    case '*':
    case '_':
    case '~':
      return parseDelimited(source, index, notation, depth, unclosed);
    default:
      return null;
  }
}

function parseEscape(source: string, index: number): Found | null {
  const next = source[index + 1];
  if (next === undefined || !ESCAPABLE.test(next)) return null;
  return { inline: { type: 'text', text: next }, end: index + 2 };
}

function parseCode(source: string, index: number): Found {
  const fence = /^`+/.exec(source.slice(index))?.[0] ?? '`';
  const start = index + fence.length;
  for (let close = source.indexOf(fence, start); close !== -1; close = source.indexOf(fence, close + 1)) {
    if (source[close + fence.length] === '`' || source[close - 1] === '`') continue;
    const inner = source.slice(start, close).replace(/\n/g, ' ');
    const text =
      inner.length > 2 && inner.startsWith(' ') && inner.endsWith(' ') ? inner.slice(1, -1) : inner;
    return { inline: { type: 'code', text: decodeEntities(text) }, end: close + fence.length };
  }
  return { inline: { type: 'text', text: fence }, end: start };
}

/** `<https://…>`, and Slack's `<@U…>`, `<#C…|name>`, `<!here>`, `<https://…|label>`. */
function parseAngle(source: string, index: number, notation: Notation, depth: number): Found | null {
  const close = source.indexOf('>', index);
  if (close === -1) return null;
  const [target = '', label = ''] = source.slice(index + 1, close).split('|', 2);
  const end = close + 1;
  if (/^@[UWB][A-Z0-9]+$/.test(target)) return { inline: { type: 'mention', userId: target.slice(1) }, end };
  if (/^#[CG][A-Z0-9]+$/.test(target)) {
    return { inline: { type: 'text', text: `#${label || target.slice(1)}` }, end };
  }
  if (/^!(here|channel|everyone)$/.test(target)) {
    return { inline: { type: 'text', text: `@${target.slice(1)}` }, end };
  }
  const href = safeHref(decodeEntities(target));
  if (!href) return null;
  const children = label
    ? parseInline(label, notation, depth + 1)
    : [{ type: 'text' as const, text: decodeEntities(target) }];
  return { inline: { type: 'link', href, children }, end };
}

const entities: Readonly<Record<string, string>> = { '&amp;': '&', '&lt;': '<', '&gt;': '>' };

function parseEntity(source: string, index: number): Found | null {
  const match = /^&(?:amp|lt|gt);/.exec(source.slice(index, index + 5))?.[0];
  return match
    ? { inline: { type: 'text', text: entities[match] ?? match }, end: index + match.length }
    : null;
}

/** Slack escapes these three, and only these, in every text. */
export function decodeEntities(text: string): string {
  return text.replace(/&(?:amp|lt|gt);/g, (entity) => entities[entity] ?? entity);
}

function parseLink(source: string, index: number, notation: Notation, depth: number): Found | null {
  const match =
    /^\[((?:[^[\]\\]|\\.){1,1000})\]\(<?((?:[^\s()<>]|\([^\s()]*\)){1,2000})>?(?:\s+"[^"]*")?\)/.exec(
      source.slice(index),
    );
  if (!match) return null;
  const href = safeHref(match[2] ?? '');
  const children = parseInline(match[1] ?? '', notation, depth + 1);
  const end = index + match[0].length;
  if (!href) return { inline: { type: 'text', text: match[1] ?? '' }, end };
  return { inline: { type: 'link', href, children }, end };
}

function parseBareUrl(source: string, index: number): Found | null {
  if (/\w/.test(source[index - 1] ?? '')) return null;
  let match = BARE_URL.exec(source.slice(index))?.[0]?.replace(TRAILING_PUNCTUATION, '');
  if (match?.endsWith(')') && !match.includes('(')) match = match.slice(0, -1);
  const href = match ? safeHref(match) : null;
  if (!match || !href) return null;
  return {
    inline: { type: 'link', href, children: [{ type: 'text', text: match }] },
    end: index + match.length,
  };
}

/** @param unclosed Marks without an end further on: looking again from each of them would take quadratic time. */
function parseDelimited(
  source: string,
  index: number,
  notation: Notation,
  depth: number,
  unclosed: Set<string>,
): Found | null {
  for (const { mark, type } of delimiters[notation]) {
    if (unclosed.has(mark) || !source.startsWith(mark, index)) continue;
    const start = index + mark.length;
    const next = source[start];
    if (next === undefined || /\s/.test(next)) continue;
    // snake_case and 2*3*4 are words, not emphasis; Slack is as strict about every mark.
    const insideWord = /\w/.test(source[index - 1] ?? '');
    if (insideWord && (notation === 'mrkdwn' || mark.startsWith('_'))) continue;
    const close = findClose(source, start, mark, notation);
    if (close === -1) {
      unclosed.add(mark);
      continue;
    }
    const children = parseInline(source.slice(start, close), notation, depth + 1);
    return { inline: { type, children }, end: close + mark.length };
  }
  return null;
}

function findClose(source: string, start: number, mark: string, notation: Notation): number {
  const single = mark.length === 1;
  let backticks = 0;
  let counted = start;
  for (let close = source.indexOf(mark, start); close !== -1; close = source.indexOf(mark, close + 1)) {
    const before = source[close - 1] ?? ' ';
    const after = source[close + mark.length] ?? ' ';
    if (close === start || /\s/.test(before) || before === '\\') continue;
    if (single && (after === mark || before === mark)) {
      if (after === mark) close += 1;
      continue;
    }
    if (!single && after === mark[0]) continue;
    if (/\w/.test(after) && (notation === 'mrkdwn' || mark.startsWith('_'))) continue;
    for (; counted < close; counted += 1) if (source[counted] === '`') backticks += 1;
    // Inside of code a mark is a character.
    if (backticks % 2 === 1) continue;
    return close;
  }
  return -1;
}

/** The address if a click on it can do no more than open a page or a mail; `null` otherwise. */
function safeHref(address: string): string | null {
  if (!URL.canParse(address)) return null;
  return ['http:', 'https:', 'mailto:'].includes(new URL(address).protocol) ? address : null;
}

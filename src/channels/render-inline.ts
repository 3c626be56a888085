import type { FormattedTextBuilder, Style } from './formatted-text.ts';

const ESCAPABLE = /[!-/:-@[-`{-~]/;
/** Only what leads out of the platform: a `tg://` link would make a mention of somebody out of a model's text. */
const LINK = /^(?:https?:\/\/|mailto:)[^\s<>]+$/i;
const LINK_TARGET = /^\(\s*<?([^\s()<>]*(?:\([^\s()<>]*\)[^\s()<>]*)*)>?(?:\s+(?:"[^"]*"|'[^']*'))?\s*\)/;
const AUTOLINK = /^<((?:https?:\/\/|mailto:)[^\s<>]+)>/i;
const WORD = /[\p{L}\p{N}_]/u;
/** Emphasis within emphasis beyond this is no writing. */
const MAX_DEPTH = 8;
/** A link's target longer than this is none; it bounds the search for its end. */
const MAX_TARGET_CHARACTERS = 2_048;

const delimiters: readonly (readonly [string, Style])[] = [
  ['**', 'bold'],
  ['__', 'bold'],
  ['~~', 'strikethrough'],
  ['*', 'italic'],
  ['_', 'italic'],
];

/**
 * Writes a line of markdown: emphasis, code, links, escapes. What is not complete stays as it stands, so nothing of a
 * text is ever lost. What comes out is never longer than what went in.
 */
export function renderInline(
  builder: FormattedTextBuilder,
  markdown: string,
  depth = 0,
  inLink = false,
): void {
  /** Delimiters that are known not to be closed any more. */
  const open = new Set<string>();
  let plainFrom = 0;
  let index = 0;
  const flush = (): void => builder.append(markdown.slice(plainFrom, index));
  const goOnAt = (next: number): void => {
    index = next;
    plainFrom = next;
  };
  while (index < markdown.length) {
    const character = markdown[index] as string;
    if (character === '\\' && ESCAPABLE.test(markdown[index + 1] ?? '')) {
      flush();
      builder.append(markdown[index + 1] as string);
      goOnAt(index + 2);
    } else if (character === '`') {
      const span = codeSpan(markdown, index);
      if (span.content === null) {
        index = span.end;
        continue;
      }
      flush();
      // In a link's label code would end the link: there it is text.
      if (inLink) builder.append(span.content);
      else builder.code(span.content);
      goOnAt(span.end);
    } else if (!inLink && (character === '[' || (character === '!' && markdown[index + 1] === '['))) {
      const link = linkAt(markdown, character === '!' ? index + 1 : index);
      if (link === null) {
        index += 1;
        continue;
      }
      flush();
      builder.link(link.url, () => renderInline(builder, link.label, depth + 1, true));
      goOnAt(link.end);
    } else if (character === '<') {
      const url = AUTOLINK.exec(markdown.slice(index, index + MAX_TARGET_CHARACTERS))?.[1];
      if (url === undefined) {
        index += 1;
        continue;
      }
      flush();
      builder.append(url);
      goOnAt(index + url.length + 2);
    } else {
      const emphasis = depth < MAX_DEPTH ? emphasisAt(markdown, index, open) : null;
      if (emphasis === null) {
        index += 1;
        continue;
      }
      flush();
      builder.styled(emphasis.style, () => renderInline(builder, emphasis.content, depth + 1, inLink));
      goOnAt(emphasis.end);
    }
  }
  flush();
}

/** The span that begins at a run of backticks, or `null` and the end of the run. */
function codeSpan(
  markdown: string,
  start: number,
): { readonly content: string | null; readonly end: number } {
  let contentFrom = start;
  while (markdown[contentFrom] === '`') contentFrom += 1;
  const length = contentFrom - start;
  let from = contentFrom;
  for (;;) {
    const close = markdown.indexOf('`', from);
    if (close === -1) return { content: null, end: contentFrom };
    let closeEnd = close;
    while (markdown[closeEnd] === '`') closeEnd += 1;
    if (closeEnd - close === length) {
      const content = markdown.slice(contentFrom, close);
      const padded = content.startsWith(' ') && content.endsWith(' ') && content.trim() !== '';
      return { content: padded ? content.slice(1, -1) : content, end: closeEnd };
    }
    from = closeEnd;
  }
}

function linkAt(
  markdown: string,
  start: number,
): { readonly label: string; readonly url: string; readonly end: number } | null {
  let depth = 0;
  for (let index = start; index < markdown.length; index += 1) {
    const character = markdown[index];
    if (character === '\\') index += 1;
    else if (character === '[') depth += 1;
    else if (character === ']') {
      depth -= 1;
      if (depth > 0) continue;
      const label = markdown.slice(start + 1, index);
      const target = LINK_TARGET.exec(markdown.slice(index + 1, index + 1 + MAX_TARGET_CHARACTERS));
      const url = target?.[1] ?? '';
      if (target === null || label.trim() === '' || !LINK.test(url)) return null;
      return { label, url, end: index + 1 + target[0].length };
    }
  }
  return null;
}

function emphasisAt(
  markdown: string,
  start: number,
  open: Set<string>,
): { readonly style: Style; readonly content: string; readonly end: number } | null {
  const [delimiter, style] = delimiters.find(([text]) => markdown.startsWith(text, start)) ?? [];
  if (delimiter === undefined || style === undefined || open.has(delimiter)) return null;
  const from = start + delimiter.length;
  if (!opens(markdown, start, from, delimiter)) return null;
  const end = closingDelimiter(markdown, from, delimiter);
  if (end === -1) {
    open.add(delimiter);
    return null;
  }
  return { style, content: markdown.slice(from, end), end: end + delimiter.length };
}

function opens(markdown: string, start: number, from: number, delimiter: string): boolean {
  const next = markdown[from];
  if (next === undefined || /\s/.test(next)) return false;
  // `***` opens both, the outer one first.
  const isTriple = delimiter.length === 2 && markdown[from + 1] !== delimiter[0];
  if (next === delimiter[0] && !isTriple) return false;
  return delimiter[0] !== '_' || !WORD.test(markdown[start - 1] ?? '');
}

/** Where the delimiter closes what begins at `from`; -1: nowhere. Code spans and escapes are passed over. */
function closingDelimiter(markdown: string, from: number, delimiter: string): number {
  const mark = delimiter[0] as string;
  let index = from;
  while (index < markdown.length) {
    const character = markdown[index] as string;
    if (character === '\\') index += 2;
    else if (character === '`') index = codeSpan(markdown, index).end;
    else if (character !== mark) index += 1;
    else {
      let runEnd = index;
      while (markdown[runEnd] === mark) runEnd += 1;
      const length = runEnd - index;
      const preceded = index > from && !/\s/.test(markdown[index - 1] as string);
      const followed = mark !== '_' || !WORD.test(markdown[runEnd] ?? '');
      if (preceded && followed) {
        if (length === delimiter.length) return index;
        // `***` closes both: the inner one first.
        if (length === 3 && delimiter.length === 2) return index + 1;
        if (length === 3 && delimiter.length === 1) return index + 2;
      }
      index = runEnd;
    }
  }
  return -1;
}

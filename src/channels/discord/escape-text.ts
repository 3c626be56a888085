/** No character that anybody sees: with it a sign is only a sign. */
const ZERO_WIDTH_SPACE = '\u200b';
/** Whom Discord would call upon. */
const MENTION = /@(?=everyone|here|[!&$]?\d)/gi;
/** In Discord's order: an escape, a block of code, a span of it; and what would call somebody outside of them. */
const CODE_OR_MENTION =
  /\\[^0-9A-Za-z\s@]|```[\s\S]+?```|(`+)[\s\S]*?[^`]\1(?!`)|@(?=everyone|here|[!&$]?\d)/gi;
/** An address is shown as it stands; escapes within it would lead elsewhere. */
const ADDRESS = /https?:\/\/[^\s<>\\`*|~"'[\]]+/gi;
/** What the beginning of a line makes of it: a heading, a quotation, small print. */
const LINE_MARK = /^([ \t]*)(#{1,3}(?=[ \t])|>(?=[ \t]|>>)|-(?=#))/gm;
const MARK = /[\\*_~|`[]/g;
const WORD = /[\p{L}\p{N}]/u;

/** Text that Discord shows as it is. */
export function escapeText(text: string): string {
  let result = '';
  let from = 0;
  for (const match of text.matchAll(ADDRESS)) {
    result += escapeWords(text.slice(from, match.index)) + withoutMentions(match[0]);
    from = match.index + match[0].length;
  }
  return result + escapeWords(text.slice(from));
}

/**
 * A text of which nothing is read as a mention. In code nothing is: there it stays as it is. The whole text is looked at,
 * because two pieces of it may make a mention together.
 */
export function muteMentions(text: string): string {
  return text.replaceAll(CODE_OR_MENTION, (found) => (found === '@' ? `@${ZERO_WIDTH_SPACE}` : found));
}

/** An address in which nothing is read as a mention. */
export function withoutMentions(address: string): string {
  return address.replaceAll(MENTION, '%40');
}

function escapeWords(text: string): string {
  const isLinkLike = text.includes('](');
  return text
    .replaceAll(MARK, (mark, index: number) => {
      const before = text[index - 1] ?? '';
      const after = text[index + 1] ?? '';
      switch (mark) {
        case '\\':
          // Before a letter it is shown anyway, as in the path of a file.
          return after === '' || /[^0-9A-Za-z\s]/.test(after) ? '\\\\' : mark;
        case '_':
          return WORD.test(before) && WORD.test(after) ? mark : '\\_';
        case '~':
        case '|':
          return before === mark || after === mark || after === '' || before === '' ? `\\${mark}` : mark;
        case '[':
          return isLinkLike ? '\\[' : mark;
        default:
          return `\\${mark}`;
      }
    })
    .replaceAll(LINE_MARK, (_line, indent: string, mark: string) => `${indent}\\${mark}`);
}

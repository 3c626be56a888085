/** Only what leads out of the platform: a `tg://` link would make a mention of somebody out of a model's text. */
const LINK = /^(?:https?:\/\/|mailto:)[^\s<>]+$/i;
const LINK_TARGET = /^\(\s*<?([^\s()<>]*(?:\([^\s()<>]*\)[^\s()<>]*)*)>?(?:\s+(?:"[^"]*"|'[^']*'))?\s*\)/;
const AUTOLINK = /^<((?:https?:\/\/|mailto:)[^\s<>]+)>/i;
/** A link's target longer than this is none; it bounds the search for its end. */
const MAX_TARGET_CHARACTERS = 2_048;
/** The same of its label: it is looked for at every bracket. */
const MAX_LABEL_CHARACTERS = 1_000;

/** The span that begins at a run of backticks, or `null` and the end of the run. */
export function codeSpan(
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

/** A link that begins at its `[`; `null`: there is none. */
export function linkAt(
  markdown: string,
  start: number,
): { readonly label: string; readonly url: string; readonly end: number } | null {
  let depth = 0;
  const last = Math.min(markdown.length, start + MAX_LABEL_CHARACTERS + 2);
  for (let index = start; index < last; index += 1) {
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

/** The address that stands between `<` and `>`; `null`: there is none. */
export function autolinkAt(markdown: string, start: number): string | null {
  return AUTOLINK.exec(markdown.slice(start, start + MAX_TARGET_CHARACTERS))?.[1] ?? null;
}

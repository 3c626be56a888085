const FENCE = /^ {0,3}(`{3,}|~{3,})([^\n]*)$/;
/** What Mattermost's own reader keeps together as a word. */
const WORD = /[\p{L}\p{N}:.\-_@]+/gu;
/** Everybody, a group or a person: any name may be one. */
const NAME = /^@[a-z0-9][a-z0-9._-]*$/;
const ESCAPABLE = /[!-/:-@[-`{-~]/;
const REFERENCE = /^&(?:#(\d{1,8})|#x([\da-f]{1,8})|commat|fjlig);/i;
const ADDRESS = /^(?:https?|ftp|mailto|tel|gemini):\/\/[^\s!-/:-@[-`{-~][^ \t\n]*/i;
const WWW = /^www\d{0,3}\.[^\s.]+[^ \t\n]*/i;
const DESTINATION =
  /^\]\(\s*(?:<[^<>\n]*>|(?:[^\s()]|\([^\s()]*\))*)(?:\s+(?:"(?:[^"\\]|\\[\s\S])*"|'(?:[^'\\]|\\[\s\S])*'|\([^()]*\)))?\s*\)/;

/**
 * Who is called by a text, by Mattermost's rules: words of the text once code is taken out, characters written by their number
 * are read and escapes are gone, as they are and cut at dots, dashes and colons. Where one paragraph ends and the next begins
 * depends on lists and quotations; so a text is read both ways, each line by itself and all up to a blank line together, and
 * whoever is called by one of them is called.
 *
 * Source: `getExplicitMentions` and `ProcessText` in the server's `channels/app`, `shared/markdown/inlines.go`
 */
export function pingsOf(text: string): readonly string[] {
  const pings = new Set<string>();
  for (const paragraph of paragraphsOf(text)) {
    for (const block of [paragraph.join('\n'), ...paragraph])
      for (const read of textsIn(block)) for (const ping of pingsIn(read)) pings.add(ping);
  }
  return [...pings];
}

/** Lines between blank ones and blocks of code. */
function paragraphsOf(text: string): readonly (readonly string[])[] {
  let open: string | null = null;
  const paragraphs: string[][] = [[]];
  for (const line of text.split('\n')) {
    const [, marker = '', info = ''] = FENCE.exec(line) ?? [];
    if (open === null && marker !== '' && !info.includes('`')) {
      open = marker;
      paragraphs.push([]);
    } else if (open !== null) {
      const isEnd = marker.startsWith(open) && /^[`~]*$/.test(info.trim());
      if (isEnd) open = null;
    } else if (line.trim() === '') paragraphs.push([]);
    else paragraphs.at(-1)?.push(line);
  }
  return paragraphs;
}

/** What is text in a block, cut where something stands that is none. */
function textsIn(block: string): readonly string[] {
  const texts: string[] = [];
  let current = '';
  let brackets = 0;
  const flush = (next = '') => {
    texts.push(current, next);
    current = '';
  };
  for (let at = 0; at < block.length; ) {
    const rest = block.slice(at);
    const sign = rest[0] as string;
    let length = 1;
    const address = sign === 'w' || sign === 'W' ? WWW.exec(rest)?.[0] : ADDRESS.exec(rest)?.[0];
    const linked = brackets > 0 && sign === ']' ? DESTINATION.exec(rest)?.[0] : undefined;
    if (sign === '\n') flush();
    else if (sign === '\\' && ESCAPABLE.test(rest[1] ?? '')) {
      current += rest[1];
      length = 2;
    } else if (sign === '`') {
      const run = /^`+/.exec(rest)?.[0] as string;
      const end = rest.slice(run.length).search(new RegExp(`(?<!\`)${run}(?!\`)`));
      length = end === -1 ? run.length : run.length + end + run.length;
      if (end !== -1) flush();
      else current += run;
    } else if (REFERENCE.test(rest)) {
      const [whole, decimal, hex] = REFERENCE.exec(rest) as RegExpExecArray;
      const code = decimal === undefined ? Number.parseInt(hex ?? '40', 16) : Number(decimal);
      current +=
        whole === '&fjlig;' ? 'fj' : code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd';
      length = whole.length;
    } else if (address !== undefined && brackets === 0) {
      const shown = address.replace(/[<>].*$/s, '').replace(/[?!.,:*_~'"]+$/, '');
      flush(shown);
      length = Math.max(1, shown.length);
    } else if (linked !== undefined) {
      flush();
      length = linked.length;
      brackets = 0;
    } else {
      if (sign === '[') brackets += 1;
      if (sign === ']') brackets = Math.max(0, brackets - 1);
      current += sign;
    }
    at += length;
  }
  flush();
  return texts;
}

function pingsIn(text: string): readonly string[] {
  return (text.toLowerCase().match(WORD) ?? []).flatMap((whole) => {
    if (whole.startsWith(':') && whole.endsWith(':')) return []; // an emoji
    const word = whole.replace(/^[:.\-_]+/, '');
    const named = [word, word.replace(/[.\-:_]+$/, ''), ...word.split(/[.\-:]/)].filter((part) =>
      NAME.test(part),
    );
    return named.slice(0, 1).map((name) => name.replace(/[.\-:_]+$/, ''));
  });
}

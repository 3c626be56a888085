const FENCE = /^ {0,3}(`{3,}|~{3,})([^\n]*)$/;
const EVERYBODY = new Set(['@channel', '@all', '@here']);
/** What Mattermost's own reader keeps together as a word. */
const WORD = /[\p{L}\p{N}:.\-_@]+/gu;

/**
 * Who is called by a text, by Mattermost's rules: the words of a text once its numbered characters are read, as they are and
 * cut at dots, dashes and colons. Code within lines is taken for text here, because it may not be what it looks like; only
 * blocks between fences at the beginning of lines call nobody.
 *
 * Source: `GetExplicitMentions` in the server's `channels/app/mention_parser_standard.go`
 */
export function pingsOf(text: string): readonly string[] {
  let open: string | null = null;
  const pings: string[] = [];
  for (const line of text.split('\n')) {
    const [, marker = '', info = ''] = FENCE.exec(line) ?? [];
    if (marker !== '' && open === null && (marker.startsWith('~') || !info.includes('`'))) {
      open = marker;
      continue;
    }
    if (open !== null) {
      if (marker.startsWith(open) && info.trim() === '') open = null;
      continue;
    }
    for (const word of decoded(line).match(WORD) ?? []) {
      const parts = [word, word.replace(/[.\-:_]+$/, ''), ...word.split(/[.\-:]/), ...word.split(/(?=@)/)];
      pings.push(...parts.map((part) => part.toLowerCase()).filter((part) => EVERYBODY.has(part)));
    }
  }
  return pings;
}

function decoded(line: string): string {
  return line.replaceAll(
    /&(?:#(\d{1,10})|#x([\da-f]{1,8})|commat);?/gi,
    (whole, decimal?: string, hex?: string) => {
      const code = decimal === undefined ? Number.parseInt(hex ?? '40', 16) : Number(decimal);
      return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
    },
  );
}

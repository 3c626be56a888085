/**
 * Takes the ring out of mentions in an agent's text: what a model writes must not wake a whole channel, nor pass a
 * stranger's `<@U…>` on as a ping.
 *
 * `markdown_text` understands Slack's `<…>` mentions besides Markdown and has no way to switch that off (`parse` and
 * `link_names` belong to `text`), and an escape such as `&lt;` shows differently from client to client. So the token
 * itself goes: `<@U1|bob>` becomes `@bob`, `<!here>` becomes `@here`, with a zero-width space behind the `@`, so that
 * what is left around it cannot make a new token of it. In a span of inline code it keeps its look and gets the
 * zero-width space behind its `<`: whether Slack sees a code span there is for Slack to judge, so it must be harmless
 * either way. Only in a closed fence of backticks, which is unambiguous and
 * there to be copied, nothing is changed.
 */
export function neutraliseMentions(markdown: string): string {
  if (!SUSPICIOUS.test(markdown)) return markdown;
  const lines = markdown.split(/(?<=\n)/);
  let result = '';
  let fencedUntil = -1;
  /** A fence this long was found to stay open: no later one of this length or more can be closed either. */
  let unclosable = Number.POSITIVE_INFINITY;
  for (const [index, line] of lines.entries()) {
    if (index > fencedUntil) {
      const length = fenceLength(line);
      if (length > 0 && length < unclosable) {
        fencedUntil = closingLine(lines, index + 1, length);
        if (fencedUntil === -1) unclosable = length;
      }
    }
    result += index <= fencedUntil ? line : neutraliseLine(line);
  }
  return result;
}

const SUSPICIOUS = /<[!@]|@(?:channel|here|everyone)/i;
/** A whole token; or the beginning of one that is closed elsewhere, for example behind a code span. */
const TOKEN = /<([!@])([^<>]*)>|<(?=[!@][a-z])/gi;
const TOKEN_START = /<(?=[!@][a-z])/gi;
/** The words alone, but not within an address such as `me@here.example`. */
const MASS_WORD = /(?<![\w@.])@(channel|here|everyone)(?!\w)/gi;
const ZERO_WIDTH_SPACE = '\u200b';
const FENCE = /^ {0,3}(`{3,})([^`]*)$/;

function fenceLength(line: string): number {
  return FENCE.exec(line.trimEnd())?.[1]?.length ?? 0;
}

/** The line that closes a fence: at least as many backticks and nothing else; -1 if there is none. */
function closingLine(lines: readonly string[], from: number, length: number): number {
  for (let index = from; index < lines.length; index += 1) {
    const [, fence = '', info] = FENCE.exec((lines[index] ?? '').trimEnd()) ?? [];
    if (info === '' && fence.length >= length) return index;
  }
  return -1;
}

function neutraliseLine(line: string): string {
  if (!SUSPICIOUS.test(line)) return line;
  return line
    .split(/(`+)/)
    .map((piece, index) => (index % 4 === 2 ? neutraliseSpan(piece) : neutraliseText(piece)))
    .join('')
    .replace(MASS_WORD, `@${ZERO_WIDTH_SPACE}$1`);
}

function neutraliseSpan(code: string): string {
  return code.replace(TOKEN_START, `<${ZERO_WIDTH_SPACE}`);
}

function neutraliseText(text: string): string {
  return text.replace(TOKEN, (token: string, sigil: string | undefined, inner: string | undefined) =>
    sigil === undefined || inner === undefined ? `<${ZERO_WIDTH_SPACE}` : plainToken(token, sigil, inner),
  );
}

function plainToken(token: string, sigil: string, inner: string): string {
  // An HTML comment and a date are no mentions.
  if (sigil === '!' && (!/^[a-z]/i.test(inner) || inner.startsWith('date^'))) return token;
  const [target = '', label = ''] = inner.split('|', 2);
  const [command = '', argument = ''] = target.split('^', 2);
  return `@${ZERO_WIDTH_SPACE}${(label || argument || command).replace(/^@/, '')}`;
}

import { autolinkAt, codeSpan, linkAt } from './inline-spans.ts';

export type Delimiter = '**' | '__' | '~~' | '*' | '_';

/** What begins with a delimiter, and where the one that closes it begins. */
export interface Emphasis {
  readonly delimiter: Delimiter;
  readonly end: number;
}

const WORD = /[\p{L}\p{N}_]/u;
const LETTER = /\p{L}/u;
/** Scripts that put no blanks between words: there strong emphasis touches its neighbours. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
/** An asterisk before one of these is meant as such, as in `count(*)` and `*.ts`. */
const BEHIND_ASTERISK = /[)\]},;./]/;
const BEHIND_ASTERISKS = /[)\]},;]/;
/** And so is one behind one of these. */
const BEFORE_ASTERISK = /[([{/]/;
const BEFORE_ASTERISKS = /[([{]/;

/** `x.__name__`, `__init__(y)`, `__init__.py`. */
const NAME = /^(?:\.__\w+__|__\w+__(?=\(|\.\p{L}))/u;
const MAX_WORD_CHARACTERS = 100;

/**
 * Emphasis in a line of markdown, by where it begins. A delimiter is closed by the next one that can, and each closes the
 * nearest that is open, so what is left over is text. It is narrower than CommonMark, so that signs of a text are not taken for marks:
 * `5*3*2`, `x**2**y`, `print(*a,*b)`, `x.__init__(y)` and `src/*.ts and test/*.ts` stay as they are. Code, links and escapes are passed over.
 */
export function findEmphasis(markdown: string, inLink: boolean): ReadonlyMap<number, Emphasis> {
  const found = new Map<number, Emphasis>();
  /** Where those stand that are not closed yet, in order: one list per delimiter, so that none is looked through. */
  const open: Readonly<Record<Delimiter, number[]>> = { '**': [], __: [], '~~': [], '*': [], _: [] };
  const mayLink = !inLink && markdown.includes('](');
  let index = 0;
  while (index < markdown.length) {
    const end = passedOver(markdown, index, mayLink);
    if (end > index) {
      index = end;
      continue;
    }
    const runStart = index;
    const mark = markdown[runStart] as string;
    while (markdown[index] === mark) index += 1;
    const closing = delimitersOf(mark).map(
      (each) => [each, closesFrom(markdown, each, runStart, index)] as const,
    );
    let at = runStart;
    for (;;) {
      let opener: { readonly delimiter: Delimiter; readonly start: number } | null = null;
      for (const [delimiter, from] of closing) {
        const start = open[delimiter].at(-1) ?? -1;
        if (delimiter.length > index - at || start < from) continue;
        if (opener === null || start > opener.start) opener = { delimiter, start };
      }
      if (opener === null) break;
      const { delimiter, start } = opener;
      found.set(start, { delimiter, end: at });
      // Those behind it stay text.
      for (const starts of Object.values(open)) while ((starts.at(-1) ?? -1) >= start) starts.pop();
      at += delimiter.length;
    }
    if (at === runStart) {
      for (const [delimiter, start] of openersIn(markdown, runStart, index)) open[delimiter].push(start);
    }
  }
  return found;
}

/** Where the text goes on behind what holds no delimiter; the same place: a run of marks begins there. */
function passedOver(markdown: string, index: number, mayLink: boolean): number {
  switch (markdown[index]) {
    case '*':
    case '~':
      return index;
    case '_':
      return index + nameLength(markdown, index);
    case '.':
      return index + Math.max(1, nameLength(markdown, index));
    case '\\':
      return index + 2;
    case '`':
      return codeSpan(markdown, index).end;
    case '[':
      return (mayLink ? linkAt(markdown, index) : null)?.end ?? index + 1;
    case '<': {
      const address = autolinkAt(markdown, index);
      return address === null ? index + 1 : index + address.length + 2;
    }
    default:
      return index + 1;
  }
}

function delimitersOf(mark: string): readonly Delimiter[] {
  if (mark === '~') return ['~~'];
  return mark === '*' ? ['**', '*'] : ['__', '_'];
}

function nameLength(markdown: string, index: number): number {
  return NAME.exec(markdown.slice(index, index + MAX_WORD_CHARACTERS))?.[0].length ?? 0;
}

/** Three open both, the outer one first. */
function openersIn(
  markdown: string,
  start: number,
  end: number,
): readonly (readonly [delimiter: Delimiter, start: number])[] {
  const length = end - start;
  const [before, next] = [characterBefore(markdown, start), characterAt(markdown, end)];
  return delimitersOf(markdown[start] as string)
    .filter((each) => each.length === length || (length === 3 && each !== '~~'))
    .filter((each) => opens(each, before, next))
    .map((delimiter) => [delimiter, delimiter.length === 1 ? end - 1 : start]);
}

function opens(delimiter: Delimiter, before: string, next: string): boolean {
  if (next === '' || /\s/.test(next)) return false;
  if (delimiter === '*' && BEHIND_ASTERISK.test(next)) return false;
  if (delimiter === '**' && (BEHIND_ASTERISKS.test(next) || (before === '/' && next === '/'))) return false;
  return !WORD.test(before) || (isStrong(delimiter) && UNSPACED.test(before));
}

/** From where on a run of marks closes what a delimiter has opened; infinity: nothing. */
function closesFrom(markdown: string, delimiter: Delimiter, start: number, end: number): number {
  const length = end - start;
  // Two asterisks are no twice one.
  if (length !== delimiter.length && (length !== 3 || delimiter === '~~')) return Infinity;
  const last = characterBefore(markdown, start);
  const next = characterAt(markdown, end);
  if (last === '' || /\s/.test(last)) return Infinity;
  if (delimiter === '*' && BEFORE_ASTERISK.test(last)) return Infinity;
  if (delimiter === '**' && (BEFORE_ASTERISKS.test(last) || (last === '/' && next === '/'))) return Infinity;
  if (!WORD.test(next)) return 0;
  if (!isStrong(delimiter)) return Infinity;
  if (UNSPACED.test(next)) return 0;
  // Letters behind a single word are its ending: `**API**s`.
  return LETTER.test(next) && WORD.test(last) ? wordStart(markdown, start) : Infinity;
}

function wordStart(markdown: string, end: number): number {
  const before = markdown.slice(Math.max(0, end - MAX_WORD_CHARACTERS), end);
  return end - (/\S*$/.exec(before)?.[0].length ?? 0);
}

function isStrong(delimiter: Delimiter): boolean {
  return delimiter === '**' || delimiter === '~~';
}

function characterBefore(text: string, index: number): string {
  return [...text.slice(Math.max(0, index - 2), index)].at(-1) ?? '';
}

function characterAt(text: string, index: number): string {
  return [...text.slice(index, index + 2)][0] ?? '';
}

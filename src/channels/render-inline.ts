import { type Delimiter, type Emphasis, findEmphasis } from './find-emphasis.ts';
import type { FormattedTextBuilder, Style } from './formatted-text.ts';
import { autolinkAt, codeSpan, linkAt } from './inline-spans.ts';

const ESCAPABLE = /[!-/:-@[-`{-~]/;
/** Emphasis within emphasis beyond this is no writing. */
const MAX_DEPTH = 8;

const styles: Readonly<Record<Delimiter, Style>> = {
  '**': 'bold',
  __: 'bold',
  '~~': 'strikethrough',
  '*': 'italic',
  _: 'italic',
};

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
  const emphasised = depth < MAX_DEPTH ? findEmphasis(markdown, inLink) : new Map<number, Emphasis>();
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
      const url = autolinkAt(markdown, index);
      if (url === null) {
        index += 1;
        continue;
      }
      flush();
      builder.append(url);
      goOnAt(index + url.length + 2);
    } else {
      const emphasis = emphasised.get(index);
      if (emphasis === undefined) {
        index += 1;
        continue;
      }
      const { delimiter, end } = emphasis;
      flush();
      const content = markdown.slice(index + delimiter.length, end);
      builder.styled(styles[delimiter], () => renderInline(builder, content, depth + 1, inLink));
      goOnAt(end + delimiter.length);
    }
  }
  flush();
}

import type { TextEntity } from '../formatted-text.ts';
import { renderMarkdown } from '../render-markdown.ts';
import { splitMarkdown } from '../split-markdown.ts';
import { writeEntities } from '../write-entities.ts';
import { MAX_MARK_CHARACTERS } from './delivery-mark.ts';
import { escapeText, muteMentions, withoutMentions } from './escape-text.ts';

/** Source: https://discord.com/developers/docs/resources/message#create-message-jsonform-params */
const MESSAGE_CHARACTERS = 2_000;
/** The longest text of one message; the rest is for the mark by which it is found again. */
export const MAX_CHARACTERS = MESSAGE_CHARACTERS - MAX_MARK_CHARACTERS;
/** Leaves some room for the signs by which text is kept from being read as markdown. */
const PART_CHARACTERS = 1_850;
/** What is as short as this cannot become too long. */
const SMALLEST_CUT = 700;
const FENCE = '```';

/** Cuts markdown into parts of which each is one message. */
export function splitForDiscord(markdown: string): readonly string[] {
  return splitMarkdown(markdown, PART_CHARACTERS).flatMap(cutLong);
}

function cutLong(part: string): readonly string[] {
  if (part.length < SMALLEST_CUT || renderForDiscord(part).length <= MAX_CHARACTERS) return [part];
  const halves = splitMarkdown(part, Math.max(400, Math.ceil(part.length / 2) + 50));
  return halves.length < 2 ? [part] : halves.flatMap(cutLong);
}

/**
 * Markdown as Discord reads it. Discord's own dialect has escapes, so what is not formatting stays as it was written:
 * what is left over of a model's marks, what looks like a mention, an underscore in a name.
 *
 * Source: https://support.discord.com/hc/en-us/articles/210298617
 */
export function renderForDiscord(markdown: string): string {
  const text = writeEntities(renderMarkdown(markdown), {
    plain: (piece, isCode) => (isCode ? piece : escapeText(piece)),
    enclose,
  });
  return muteMentions(text).replace(/[\u200b-\u200d\s]+$/, ''); // a mark at the end is ours alone
}

function enclose(entity: TextEntity, inner: string, before: string, after: string): string {
  switch (entity.type) {
    case 'bold':
      return styled(inner, '**');
    case 'strikethrough':
      return styled(inner, '~~');
    case 'italic':
      // Beside another asterisk it would be read as part of that.
      return styled(inner, /^\*|\*$/.test(inner) || /\*$/.test(before) || /^\*/.test(after) ? '_' : '*');
    case 'code':
      return inlineCode(inner);
    case 'pre':
      return codeBlock(inner, entity.language ?? '', before, after);
    case 'text_link':
      return link(entity.url ?? '', inner);
    case 'blockquote':
      return inner.replace(/^/gm, '> ');
    default:
      return entity.type satisfies never;
  }
}

/** A mark has to touch its words. */
function styled(inner: string, mark: string): string {
  const [, leading = '', words = '', trailing = ''] = /^(\s*)(.*?)(\s*)$/s.exec(inner) ?? [];
  return words === '' ? inner : `${leading}${mark}${words}${mark}${trailing}`;
}

function inlineCode(inner: string): string {
  if (!inner.includes('`') && inner.trim() !== '') return `\`${inner}\``;
  const fits = !inner.includes('``') && !/^`|`$/.test(inner) && inner.trim() !== '';
  return fits ? `\`\`${inner}\`\`` : escapeText(inner);
}

/** Three backticks would end it, so an invisible space stands between them. */
function codeBlock(inner: string, language: string, before: string, after: string): string {
  if (inner.trim() === '') return inner;
  const code = inner.replaceAll(/`(?=``)/g, '`\u200b').replace(/`$/, '`\u200b');
  const opening = before === '' || before === '\n' ? '' : '\n';
  const closing = after === '' || after === '\n' ? '' : '\n';
  return `${opening}${FENCE}${language}\n${code}\n${FENCE}${closing}`;
}

/** Discord hides an address only behind a label that is none. */
function link(url: string, label: string): string {
  const address = withoutMentions(url);
  if (label === '' || label === escapeText(url)) return address;
  const isPlain = !/[[\]\n]|:\/\//.test(label) && !/[()\s<>\\]/.test(address);
  return isPlain ? `[${label}](${address})` : `${label} (${address})`;
}

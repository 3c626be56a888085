import type { TextEntity } from '../formatted-text.ts';
import { renderMarkdown } from '../render-markdown.ts';
import { splitMarkdown } from '../split-markdown.ts';
import { writeEntities } from '../write-entities.ts';

/**
 * The longest text of one message, in UTF-16 units: Google counts 32,000 bytes with all that belongs to the message, and
 * one unit takes three at most.
 *
 * Source: https://developers.google.com/workspace/chat/api/reference/rest/v1/spaces.messages/create
 */
export const MAX_CHARACTERS = 10_000;
const PART_CHARACTERS = 9_000;
/** The longest text above buttons: six of them take up to 4,000 of the bytes. */
const BYTES_WITH_BUTTONS = 27_000;
/** A part that grows beyond the limit is cut again; what is as short as this cannot. */
const SMALLEST_CUT = 800;

const marks = { bold: '*', italic: '_', strikethrough: '~' } as const;
const WORD = /[\p{L}\p{N}_*~`]/u;
/** What Chat reads as a mention, a link or an emoji of the company's own. */
const REFERENCE = /<(?=users\/|https?:|mailto:|customEmojis\/)/gi;
const MENTION = /<(?=users\/)/gi;
/** No character that anybody sees; with it the sign is only a sign. */
const APART = '<\u200b';

/**
 * Markdown in Chat's own marks: `*bold*`, `_italic_`, `~strike~`, code in backticks, `<address|label>`. They know no
 * escapes; where a mark would not be read as one, or as too much, the words stand without.
 *
 * Source: https://developers.google.com/workspace/chat/format-messages#format-texts
 */
export function renderForGoogleChat(markdown: string): string {
  return writeEntities(renderMarkdown(markdown), { plain, enclose });
}

/** Cuts markdown into parts of which each is one message, the last with buttons for the choices, if there are any. */
export function splitForGoogleChat(markdown: string, choices: readonly string[] = []): readonly string[] {
  const parts = splitMarkdown(markdown, PART_CHARACTERS).flatMap(cutLong);
  return choices.length === 0 ? parts : [...parts.slice(0, -1), ...cutForButtons(parts.at(-1) as string)];
}

function cutForButtons(part: string): readonly string[] {
  if (Buffer.byteLength(JSON.stringify(renderForGoogleChat(part))) <= BYTES_WITH_BUTTONS) return [part];
  const halves = splitMarkdown(part, Math.ceil(part.length / 2) + 50);
  return halves.length < 2 ? [part] : [...halves.slice(0, -1), ...cutForButtons(halves.at(-1) as string)];
}

function cutLong(part: string): readonly string[] {
  if (part.length < SMALLEST_CUT || renderForGoogleChat(part).length <= MAX_CHARACTERS) return [part];
  const halves = splitMarkdown(part, Math.ceil(part.length / 2) + 50);
  return halves.length < 2 ? [part] : halves.flatMap(cutLong);
}

/** In code only what would call somebody: a backtick somewhere before may mean that Chat does not read it as code. */
function plain(text: string, isCode: boolean): string {
  return text.replaceAll(isCode ? MENTION : REFERENCE, APART);
}

function enclose({ type, url = '' }: TextEntity, inner: string, before: string, after: string): string {
  switch (type) {
    case 'bold':
    case 'italic':
    case 'strikethrough':
      return styled(inner, marks[type], before, after);
    case 'code':
      return inner.includes('`') || inner.trim() !== inner ? plain(inner, false) : `\`${inner}\``;
    case 'pre':
      return inner.includes('```') || inner.trim() === '' ? plain(inner, false) : `\`\`\`\n${inner}\n\`\`\``;
    case 'text_link':
      return link(url, inner);
    case 'blockquote':
      return inner.replace(/^/gm, '> ');
    default:
      return type satisfies never;
  }
}

/** A mark has to touch its words and must not touch others; and a mark within would end it. */
function styled(inner: string, mark: string, before: string, after: string): string {
  const touches = WORD.test(before) || WORD.test(after);
  if (touches || inner.includes(mark) || inner.includes('\n')) return inner;
  const [, leading = '', words = '', trailing = ''] = /^(\s*)(.*?)(\s*)$/s.exec(inner) ?? [];
  return words === '' ? inner : `${leading}${mark}${words}${mark}${trailing}`;
}

function link(url: string, label: string): string {
  if (label === url) return url;
  return /[<>|`*_~\n]/.test(label) || /[<>|\s]/.test(url) ? `${label} (${url})` : `<${url}|${label}>`;
}

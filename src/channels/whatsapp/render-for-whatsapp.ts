import type { TextEntity } from '../formatted-text.ts';
import { renderMarkdown } from '../render-markdown.ts';
import { splitMarkdown } from '../split-markdown.ts';
import { writeEntities } from '../write-entities.ts';

/**
 * The longest text of one message, in characters; UTF-16 units are never fewer.
 *
 * Source: https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/text-messages
 */
export const MAX_CHARACTERS = 4096;
/** Parts that grow beyond the limit with WhatsApp's marks are cut again, but not into shreds. */
const SMALLEST_CUT = 800;

const marks = { bold: '*', italic: '_', strikethrough: '~' } as const;
const WORD = /[\p{L}\p{N}_*~`]/u;

/** Cuts markdown into parts of which each is one message. */
export function splitForWhatsApp(markdown: string): readonly string[] {
  return splitMarkdown(markdown, MAX_CHARACTERS).flatMap(cutLong);
}

function cutLong(part: string): readonly string[] {
  if (part.length < SMALLEST_CUT || renderForWhatsApp(part).length <= MAX_CHARACTERS) return [part];
  const halves = splitMarkdown(part, Math.ceil(part.length / 2) + 50);
  return halves.length < 2 ? [part] : halves.flatMap(cutLong);
}

/**
 * Markdown with WhatsApp's own marks: `*bold*`, `_italic_`, `~strike~`, code in backticks, quotes. WhatsApp has no
 * escapes and shows a mark as such where it does not like what stands around it; there the words stand without one.
 * A link shows its address, because WhatsApp hides none.
 *
 * Source: https://faq.whatsapp.com/539178204879377
 */
export function renderForWhatsApp(markdown: string): string {
  return writeEntities(renderMarkdown(markdown), { plain: (text) => text, enclose });
}

function enclose(entity: TextEntity, inner: string, before: string, after: string): string {
  switch (entity.type) {
    case 'bold':
    case 'italic':
    case 'strikethrough':
      return styled(inner, marks[entity.type], before, after);
    case 'code':
      return inner.includes('`') || inner.trim() !== inner ? inner : `\`${inner}\``;
    case 'pre':
      return inner.includes('```') || inner.trim() === '' ? inner : `\`\`\`${inner}\`\`\``;
    case 'text_link':
      return inner === entity.url ? inner : `${inner} (${entity.url})`;
    case 'blockquote':
      return inner.replace(/^/gm, '> ');
    default:
      return entity.type satisfies never;
  }
}

/** A mark has to touch its words and must not touch others; and a mark within would end it. */
function styled(inner: string, mark: string, before: string, after: string): string {
  if (inner.includes(mark) || inner.includes('\n') || WORD.test(before) || WORD.test(after)) return inner;
  const [, leading = '', words = '', trailing = ''] = /^(\s*)(.*?)(\s*)$/s.exec(inner) ?? [];
  return words === '' ? inner : `${leading}${mark}${words}${mark}${trailing}`;
}

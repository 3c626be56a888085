import type { FormattedText, TextEntity } from '../formatted-text.ts';
import { writeEntities } from '../write-entities.ts';

/**
 * A text with entities as the few HTML tags that Teams shows on every device. Everything that is text is escaped: it can
 * be no tag.
 */
export function htmlOf(formatted: FormattedText): string {
  const html = writeEntities(formatted, { plain, enclose });
  // A block stands on lines of its own anyway.
  return html.replaceAll(/<br>(?=<(?:pre|blockquote)>)|(?<=<\/(?:pre|blockquote)>)<br>/g, '');
}

function enclose(entity: TextEntity, inner: string): string {
  switch (entity.type) {
    case 'bold':
      return `<b>${inner}</b>`;
    case 'italic':
      return `<i>${inner}</i>`;
    case 'strikethrough':
      return `<strike>${inner}</strike>`;
    case 'code':
      return `<code>${inner}</code>`;
    case 'pre':
      return `<pre>${inner}</pre>`;
    case 'blockquote':
      return `<blockquote>${inner}</blockquote>`;
    case 'text_link':
      return `<a href="${escapeHtml(entity.url ?? '')}">${inner}</a>`;
    default:
      return entity.type satisfies never;
  }
}

/** Blanks that indent are kept; in code HTML keeps them, and line breaks, by itself. */
function plain(text: string, isCode: boolean): string {
  const escaped = escapeHtml(text);
  return isCode ? escaped : escaped.replaceAll('\n', '<br>').replaceAll('  ', '&nbsp; ');
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

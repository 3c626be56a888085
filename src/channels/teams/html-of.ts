import type { FormattedText, TextEntity } from '../formatted-text.ts';

const BREAK = '<br>';

/**
 * A text with entities as the few HTML tags that Teams shows on every device. Everything that is text is escaped: it can
 * be no tag.
 */
export function htmlOf({ text, entities }: FormattedText): string {
  return write(text, entities, 0, text.length, false);
}

/** Entities come outermost first: those that begin within another end within it. */
function write(
  text: string,
  entities: readonly TextEntity[],
  from: number,
  to: number,
  isCode: boolean,
): string {
  let html = '';
  let at = from;
  for (let index = 0; index < entities.length; ) {
    const entity = entities[index] as TextEntity;
    const end = entity.offset + entity.length;
    let next = index + 1;
    while (next < entities.length && (entities[next] as TextEntity).offset < end) next += 1;
    const inner = write(
      text,
      entities.slice(index + 1, next),
      entity.offset,
      end,
      isCode || isBlockOfCode(entity),
    );
    const isBlock = isBlockOfCode(entity) || entity.type === 'blockquote';
    let before = plain(text.slice(at, entity.offset), isCode);
    at = end;
    if (isBlock) {
      // A block stands on lines of its own anyway.
      if (before.endsWith(BREAK)) before = before.slice(0, -BREAK.length);
      if (text[at] === '\n' && at < to) at += 1;
    }
    html += before + enclose(entity, inner);
    index = next;
  }
  return html + plain(text.slice(at, to), isCode);
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

function isBlockOfCode({ type }: TextEntity): boolean {
  return type === 'pre';
}

/** Blanks that indent are kept; in a block of code HTML keeps them, and line breaks, by itself. */
function plain(text: string, isCode: boolean): string {
  const escaped = escapeHtml(text);
  return isCode ? escaped : escaped.replaceAll('\n', BREAK).replaceAll('  ', '&nbsp; ');
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

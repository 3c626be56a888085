import type { FormattedText, TextEntity } from '../../src/channels/formatted-text.ts';
import type { FormattedText as Formatted } from '../../src/core/outbound.ts';

/** What a platform makes of a formatted text: all that people read, and what of it stands as code. */
export interface ShownText {
  readonly text: string;
  readonly code: readonly string[];
}

/** Reads a channel's formatted text as its platform does, as far as it matters to signs and to code. */
export function shownText(type: string, formatted: Formatted): ShownText {
  const { text } = formatted;
  switch (type) {
    case 'telegram': {
      const { entities } = formatted as FormattedText;
      const code = entities.filter(isCode).map(({ offset, length }) => text.slice(offset, offset + length));
      return { text, code };
    }
    case 'teams': {
      const code = [...text.matchAll(/<(pre|code)>(.*?)<\/\1>/gs)].map((found) => fromHtml(found[2] ?? ''));
      return { text: fromHtml(text), code };
    }
    case 'discord':
      return { text: text.replaceAll(/\\(?=[^0-9A-Za-z\s])/g, ''), code: fenced(text) };
    default:
      return { text, code: fenced(text) };
  }
}

function isCode({ type }: TextEntity): boolean {
  return type === 'pre' || type === 'code';
}

/** Between fences or backticks; what stands before them on their line is no part of it. */
function fenced(text: string): readonly string[] {
  const blocks = [...text.matchAll(/```(?:[a-z]*\n)?([\s\S]*?)\n?```/g)].map((found) => found[1] ?? '');
  const spans = text.replaceAll(/```[\s\S]*?```/g, '').matchAll(/`([^`\n]+)`/g);
  return [...blocks, ...[...spans].map((found) => found[1] ?? '')];
}

function fromHtml(html: string): string {
  return html
    .replaceAll('<br>', '\n')
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll('&nbsp;', ' ')
    .replaceAll('&quot;', '"')
    .replaceAll('&gt;', '>')
    .replaceAll('&lt;', '<')
    .replaceAll('&amp;', '&');
}

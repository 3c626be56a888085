import type { FormattedText, TextEntity } from '../../src/channels/formatted-text.ts';
import { choiceMessage } from '../../src/channels/teams/choice-card.ts';
import type { FormattedText as Formatted } from '../../src/core/outbound.ts';
import { checkMessage } from '../support/teams/check-activity.ts';

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
      return {
        text: text.replaceAll(/\\(?=[^0-9A-Za-z\s])/g, ''),
        code: between(text, /```[\w+#.-]*\n([\s\S]*?)\n```/),
      };
    case 'whatsapp':
      return { text, code: between(text, /```([\s\S]*?)```/) };
    case 'google-chat':
      return { text, code: between(text, /```\n([\s\S]*?)\n```/) };
    default:
      return { text, code: [] }; // the platform reads markdown itself
  }
}

/** The same of the card on which Teams shows a text with buttons, as its elements have it. */
export function shownOnCard(markdown: string, choices: readonly string[]): ShownText {
  const message = choiceMessage(markdown, choices);
  const { shown: text } = checkMessage(message);
  const code = [...JSON.stringify(message).matchAll(/"text":("(?:[^"\\]|\\.)*"),"fontType":"Monospace"/g)];
  return { text, code: code.map(([, run = '""']) => (JSON.parse(run) as string).replaceAll('\u00a0', ' ')) };
}

function isCode({ type }: TextEntity): boolean {
  return type === 'pre' || type === 'code';
}

/** What stands between fences, and between backticks elsewhere. */
function between(text: string, fences: RegExp): readonly string[] {
  const code = new RegExp(`${fences.source}|\`([^\`\\n]+)\``, 'g');
  return [...text.matchAll(code)].map((found) => found[1] ?? found[2] ?? '');
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

import type { FormattedText } from '../formatted-text.ts';
import { renderMarkdown } from '../render-markdown.ts';

/** Telegram ignores what comes after the hundredth. */
export const MAX_ENTITIES = 100;

/** Markdown as Telegram wants to be told of formatting: by entities (docs/decisions/0013-telegram.md). */
export function renderForTelegram(markdown: string): FormattedText {
  return renderMarkdown(markdown, MAX_ENTITIES);
}

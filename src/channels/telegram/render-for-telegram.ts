import type { FormattedText } from '../formatted-text.ts';
import { renderMarkdown } from '../render-markdown.ts';
import { muteMentions } from './mute-mentions.ts';

/** Telegram ignores what comes after the hundredth. */
export const MAX_ENTITIES = 100;

/**
 * Markdown as Telegram wants to be told of formatting: by entities (docs/decisions/0013-telegram.md). It calls upon nobody;
 * otherwise it is never longer than the markdown.
 */
export function renderForTelegram(markdown: string): FormattedText {
  return muteMentions(renderMarkdown(markdown, MAX_ENTITIES));
}

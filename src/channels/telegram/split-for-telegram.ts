import { splitMarkdown } from '../split-markdown.ts';
import { MAX_ENTITIES, renderForTelegram } from './render-for-telegram.ts';

/**
 * The longest text of one message, in UTF-16 units after its formatting was read.
 *
 * Source: https://core.telegram.org/bots/api#sendmessage
 */
export const MAX_CHARACTERS = 4096;
/** Parts with more formatting than Telegram shows are cut again, but not into shreds. */
const SMALLEST_CUT = 800;

/** Cuts markdown into parts of which each is one message: short enough, and with no more formatting than is shown. */
export function splitForTelegram(markdown: string): readonly string[] {
  return splitMarkdown(markdown, MAX_CHARACTERS).flatMap(cutDense);
}

function cutDense(part: string): readonly string[] {
  if (part.length < SMALLEST_CUT) return [part];
  const { text, entities } = renderForTelegram(part);
  if (text.length <= MAX_CHARACTERS && entities.length < MAX_ENTITIES) return [part];
  const halves = splitMarkdown(part, Math.ceil(part.length / 2) + 50);
  return halves.length < 2 ? [part] : halves.flatMap(cutDense);
}

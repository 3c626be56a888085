import { renderMarkdown } from '../render-markdown.ts';
import { splitMarkdown } from '../split-markdown.ts';
import { choiceMessage } from './choice-card.ts';
import { htmlOf } from './html-of.ts';

/**
 * The longest text of one activity, in UTF-16 units: 28 KB of UTF-16, the smallest limit that Microsoft has documented
 * over the years (28, 40, 100 KB); the rest of the activity needs little.
 *
 * Source: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/format-your-bot-messages
 */
export const MAX_CHARACTERS = 14_000;
/** Escapes and tags make a part longer. */
const PART_CHARACTERS = 11_500;
/** A part that grows beyond the limit is cut again; what is as short as this cannot. */
const SMALLEST_CUT = 800;

/**
 * Markdown as Teams' HTML (`textFormat: xml`). Of markdown itself Teams shows lists, strikethrough and headings on some
 * devices and not on others, and single line breaks not at all (docs/decisions/0016-teams.md).
 */
export function renderForTeams(markdown: string): string {
  return htmlOf(renderMarkdown(markdown));
}

/** Cuts markdown into parts of which each is one message, the last with buttons for the choices, if there are any. */
export function splitForTeams(markdown: string, choices: readonly string[] = []): readonly string[] {
  const parts = splitMarkdown(markdown, PART_CHARACTERS).flatMap(cutDense);
  return choices.length === 0
    ? parts
    : [...parts.slice(0, -1), ...cutForButtons(parts.at(-1) as string, choices)];
}

/** A card says in many words what HTML says in few. */
function cutForButtons(part: string, choices: readonly string[]): readonly string[] {
  const fitting = MAX_CHARACTERS / JSON.stringify(choiceMessage(part, choices)).length;
  if (fitting >= 1 || part.length < SMALLEST_CUT) return [part];
  const before = Math.max(1 - 0.9 * fitting, 0.5);
  const pieces = splitMarkdown(part, Math.ceil(before * part.length) + 50);
  if (pieces.length < 2) return [part];
  return [...pieces.slice(0, -1).flatMap(cutDense), ...cutForButtons(pieces.at(-1) as string, choices)];
}

function cutDense(part: string): readonly string[] {
  if (part.length < SMALLEST_CUT || renderForTeams(part).length <= MAX_CHARACTERS) return [part];
  const halves = splitMarkdown(part, Math.ceil(part.length / 2) + 50);
  return halves.length < 2 ? [part] : halves.flatMap(cutDense);
}

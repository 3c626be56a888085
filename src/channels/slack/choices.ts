import { asRecords, asText, type JsonRecord } from '../read-json.ts';
import { holdsTable } from './holds-table.ts';
import { neutraliseMentions } from './outbound-text.ts';

/** Block Kit of messages: a text that holds a table, and buttons, one for each choice. */

/** As many as an actions block holds. https://docs.slack.dev/reference/block-kit/blocks/actions-block */
export const MAX_CHOICES = 25;
/** Of the text on a button. https://docs.slack.dev/reference/block-kit/block-elements/button-element */
export const MAX_CHOICE_CHARACTERS = 75;

/** What our buttons are called, with a number behind it: within a block each has a name of its own. */
const ACTION = 'konstruct_choice_';
const BLOCK = 'konstruct_choices';
/** What notifications and old clients show in place of blocks; `chat.update` takes no more than 4,000. */
const MAX_FALLBACK_CHARACTERS = 3_000;

/**
 * The arguments that show a text: as markdown alone, which Slack forbids beside blocks, or as blocks. Both take 12,000 characters
 * and understand the same, but that `markdown_text` shows a table as it was written, with its strokes.
 *
 * Source: https://docs.slack.dev/reference/block-kit/blocks/markdown-block, korotovsky/slack-mcp-server#330
 */
export function textArguments(markdown: string, choices: readonly string[] = []): JsonRecord {
  const text = neutraliseMentions(markdown);
  if (choices.length === 0 && !holdsTable(text)) return { markdown_text: text };
  const fallback = escapeMarkup(text).slice(0, MAX_FALLBACK_CHARACTERS);
  if (choices.length === 0) return { text: fallback, blocks: [{ type: 'markdown', text }] };
  return {
    text: fallback,
    blocks: [
      { type: 'markdown', text },
      {
        type: 'actions',
        block_id: BLOCK,
        elements: choices.slice(0, MAX_CHOICES).map((choice, index) => ({
          type: 'button',
          action_id: `${ACTION}${index}`,
          text: { type: 'plain_text', text: cut(choice), emoji: true },
          value: choice.slice(0, MAX_VALUE_CHARACTERS),
        })),
      },
    ],
  };
}

const MAX_VALUE_CHARACTERS = 2_000;

/** Slack refuses a text that is too long. */
function cut(choice: string): string {
  if (choice.length <= MAX_CHOICE_CHARACTERS) return choice;
  let text = '';
  for (const character of choice) {
    if (text.length + character.length > MAX_CHOICE_CHARACTERS - 1) break;
    text += character;
  }
  return `${text}…`;
}

/** The choice that an action stands for; `null`: it is no button of ours. */
export function choiceOf(action: JsonRecord): string | null {
  if (action.type !== 'button' || !asText(action.action_id).startsWith(ACTION)) return null;
  return asText(action.value) || null;
}

/** The blocks of a message without its buttons, and with who has chosen what; `null`: it has no buttons (any more). */
export function answeredBlocks(
  blocks: unknown,
  choice: string,
  personId: string,
): readonly JsonRecord[] | null {
  const all = asRecords(blocks);
  const rest = all.filter((block) => block.block_id !== BLOCK);
  if (rest.length === all.length) return null;
  const text = `✓ ${escapeMarkup(choice)} · <@${personId}>`;
  return [...rest, { type: 'context', elements: [{ type: 'mrkdwn', text }] }];
}

/** Source: https://docs.slack.dev/messaging/formatting-message-text#escaping */
function escapeMarkup(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

import { asRecord, type JsonRecord, readRecord } from '../read-json.ts';
import { renderMarkdown } from '../render-markdown.ts';
import { cardText } from './card-text.ts';

/** Teams shows six actions of a card and hides the others behind a menu. */
export const MAX_BUTTONS = 6;
export const MAX_BUTTON_CHARACTERS = 100;

/** What stands where a text has nothing to show: Teams refuses an empty message. */
export const NOTHING = '…';

const MARK = 'konstruct-choice';

/** A message that is nothing but a card. */
export function choiceMessage(markdown: string, choices: readonly string[]): JsonRecord {
  return { type: 'message', attachments: [choiceCard(markdown, choices)] };
}

/**
 * A text with buttons. A press writes what stands on the button into the conversation, as the person's own words
 * (`messageBack`), so everybody there sees what was chosen. Text beside a card would be sent as a second message whose
 * id nobody gets, so the card holds the text.
 *
 * Source: https://learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/cards-actions#adaptive-cards-with-messageback-action
 */
export function choiceCard(markdown: string, choices: readonly string[]): JsonRecord {
  const body = cardText(renderMarkdown(markdown));
  return {
    contentType: 'application/vnd.microsoft.card.adaptive',
    content: {
      $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
      type: 'AdaptiveCard',
      version: '1.4',
      body: body.length === 0 ? cardText({ text: NOTHING, entities: [] }) : body,
      actions: choices.map((choice) => ({
        type: 'Action.Submit',
        title: choice,
        data: {
          mark: MARK,
          choice,
          msteams: { type: 'messageBack', text: choice, displayText: choice, value: { mark: MARK, choice } },
        },
      })),
    },
  };
}

/** What was chosen by a press that came as an activity's `value`; `null`: it is none of ours. */
export function choiceOf(value: unknown): string | null {
  const pressed = typeof value === 'string' ? readRecord(value) : asRecord(value);
  const { mark, choice } = pressed ?? {};
  return mark === MARK && typeof choice === 'string' && choice !== '' ? choice : null;
}

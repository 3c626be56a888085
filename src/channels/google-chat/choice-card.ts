import { asRecord, asRecords, asText, type JsonRecord } from '../read-json.ts';

export const MAX_BUTTONS = 6;
export const MAX_BUTTON_CHARACTERS = 60;

const PARAMETER = 'konstruct_choice';

/**
 * Buttons below a text. Whose app is a Workspace add-on has a press sent to the address that the button names; for any
 * other app that is the name of a function, and can be anything.
 *
 * Source: https://developers.google.com/workspace/chat/design-interactive-card-dialog
 */
export function choiceCard(choices: readonly string[], address: string): JsonRecord {
  const buttons = choices.map((choice) => ({
    text: choice,
    onClick: { action: { function: address, parameters: [{ key: PARAMETER, value: choice }] } },
  }));
  return { cardId: 'choices', card: { sections: [{ widgets: [{ buttonList: { buttons } }] }] } };
}

/** What stands where the buttons were. */
export function chosenCard(choice: string): JsonRecord {
  const text = `✓ ${choice.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')}`;
  return { cardId: 'choices', card: { sections: [{ widgets: [{ textParagraph: { text } }] }] } };
}

/** What was chosen by a press; `null`: it is none of ours. */
export function choiceOf(event: JsonRecord): string | null {
  const action = asRecord(event.action);
  const listed = asRecords(action?.parameters).find(({ key }) => key === PARAMETER)?.value;
  const common = asRecord(event.commonEventObject) ?? asRecord(event.common);
  const choice = asText(listed ?? asRecord(common?.parameters)?.[PARAMETER]);
  return choice === '' ? null : choice;
}

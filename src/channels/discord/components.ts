import { asRecord, asRecords, asText, type JsonRecord } from '../read-json.ts';

/** Source: https://discord.com/developers/docs/components/reference#button */
export const BUTTONS = { max: 25, maxCharacters: 80 } as const;
const IN_A_ROW = 5;
const TYPES = { row: 1, button: 2 } as const;
const SECONDARY = 2;
const PREFIX = 'choice-';

/** The buttons of a message; none take away what there was. */
export function componentsOf(choices: readonly string[] = []): readonly JsonRecord[] {
  const buttons = choices.slice(0, BUTTONS.max).map((label, index) => ({
    type: TYPES.button,
    style: SECONDARY,
    label: label.slice(0, BUTTONS.maxCharacters),
    custom_id: `${PREFIX}${index}`,
  }));
  const rows: JsonRecord[] = [];
  for (let from = 0; from < buttons.length; from += IN_A_ROW) {
    rows.push({ type: TYPES.row, components: buttons.slice(from, from + IN_A_ROW) });
  }
  return rows;
}

/** What stands on the button that was pressed; empty: it is none of ours. */
export function choiceOf(customId: unknown, message: JsonRecord | null): string {
  const id = asText(customId);
  if (!id.startsWith(PREFIX)) return '';
  const buttons = asRecords(message?.components).flatMap((row) => asRecords(asRecord(row)?.components));
  return asText(buttons.find(({ custom_id }) => custom_id === id)?.label);
}

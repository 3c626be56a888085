import { asRecord, asRecords, asText, type JsonRecord } from '../read-json.ts';

const MAX_CHARACTERS = 1_000;
const MAX_DEPTH = 8;
const MAX_PARTS = 200;
const CARD = /^application\/vnd\.microsoft\.(?:card\.|teams\.card\.)/;
/** Fields in which cards say something to people, and those in which they hold more of themselves. */
const SAID = ['title', 'subtitle', 'text', 'value'];
const HELD = [
  'body',
  'items',
  'columns',
  'facts',
  'inlines',
  'sections',
  'rows',
  'cells',
  'content',
  'images',
  'buttons',
];

/** What stands on cards that people send along, as far as it is words. */
export function cardText(activity: JsonRecord): string {
  const cards = asRecords(activity.attachments).filter(({ contentType }) => CARD.test(asText(contentType)));
  return cards
    .map(({ content }) => describe(content))
    .filter((text) => text !== '')
    .join('\n\n');
}

/** What else came, where nothing of it can be read: people see that they have sent something. Empty: nothing came. */
export function unreadable(activity: JsonRecord): string {
  const kinds = asRecords(activity.attachments)
    .map(({ contentType, name }) => asText(name) || asText(contentType))
    .filter((kind) => kind !== '' && kind !== 'text/html')
    .map((kind) => (CARD.test(kind) ? 'card' : kind.slice(0, 200)));
  return kinds.length === 0
    ? ''
    : `[attached, and cannot be shown to you: ${[...new Set(kinds)].slice(0, 5).join(', ')}]`;
}

function describe(content: unknown): string {
  const words: string[] = [];
  collect(content, 0, words);
  const text = words.join(' / ').replaceAll(/\s+/g, ' ');
  if (text === '') return '';
  return `[card: ${text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS).toWellFormed()}…` : text}]`;
}

function collect(value: unknown, depth: number, words: string[]): void {
  if (depth > MAX_DEPTH || words.length >= MAX_PARTS) return;
  if (Array.isArray(value)) {
    for (const each of value.slice(0, MAX_PARTS)) collect(each, depth + 1, words);
    return;
  }
  const record = asRecord(value);
  if (record === null) return;
  for (const field of SAID) {
    const said = asText(record[field]).trim();
    if (said !== '' && words.length < MAX_PARTS) words.push(said);
  }
  for (const field of HELD) collect(record[field], depth + 1, words);
}

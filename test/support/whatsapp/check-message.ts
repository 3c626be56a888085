import {
  type BusinessNumber,
  GraphRefusal,
  invalidParameter,
  type MediaFile,
  type Person,
} from './graph-world.ts';

type Given = Readonly<Record<string, unknown>>;

const COMMON = [
  'messaging_product',
  'recipient_type',
  'to',
  'recipient',
  'type',
  'context',
  'biz_opaque_callback_data',
];
const LIMITS = {
  text: 4096,
  buttonText: 1024,
  listText: 4096,
  button: 20,
  row: 24,
  listButton: 20,
  marker: 512,
};

/** What a number wants to send: whom to, and whether WhatsApp would take it. @throws GraphRefusal in Graph's words */
export function checkMessage(
  given: Given,
  number: BusinessNumber,
  files: ReadonlyMap<string, MediaFile>,
): { readonly person: Person; readonly to: string; readonly body: Given; readonly marker: string | null } {
  if (given.messaging_product !== 'whatsapp') throw missing('messaging_product');
  if ((given.recipient_type ?? 'individual') !== 'individual')
    throw invalidParameter('Invalid recipient_type');
  const { person, to } = recipientOf(given, number);
  const type = typeof given.type === 'string' ? given.type : 'text';
  onlyFields(given, [...COMMON, type], 'message');
  const marker = given.biz_opaque_callback_data;
  if (marker !== undefined && (typeof marker !== 'string' || marker.length > LIMITS.marker)) {
    throw invalidParameter('biz_opaque_callback_data must be a string of at most 512 characters');
  }
  const body = record(given[type], type);
  switch (type) {
    case 'text':
      onlyFields(body, ['body', 'preview_url'], 'text');
      checkText(body.body, LIMITS.text, 'text.body');
      break;
    case 'interactive':
      checkInteractive(body);
      break;
    case 'reaction':
      onlyFields(body, ['message_id', 'emoji'], 'reaction');
      if (!number.incoming.has(String(body.message_id))) {
        throw new GraphRefusal(
          400,
          131009,
          'Parameter value is not valid',
          'Message to react to does not exist',
        );
      }
      checkEmoji(body.emoji);
      break;
    case 'image':
    case 'audio':
    case 'video':
    case 'document': {
      onlyFields(body, type === 'document' ? ['id', 'filename', 'caption'] : ['id', 'caption'], type);
      const file = files.get(String(body.id));
      if (file === undefined) throw invalidParameter('Media ID not found');
      const main = file.mediaType.split('/', 1)[0];
      if (type !== 'document' && main !== type) throw invalidParameter(`Media is no ${type}`);
      break;
    }
    case 'template':
      checkTemplate(body, number);
      break;
    default:
      throw invalidParameter(`Unsupported message type ${type}`);
  }
  return { person, to, body, marker: typeof marker === 'string' ? marker : null };
}

/** A number and an id may both be given; the number counts. */
function recipientOf(given: Given, number: BusinessNumber): { readonly person: Person; readonly to: string } {
  const { to, recipient } = given;
  if (to === undefined && recipient === undefined) throw missing('to');
  const person = number.people.find(({ phone, userId }) =>
    to === undefined ? userId === recipient : phone === String(to).replace(/^\+/, ''),
  );
  if (person === undefined) {
    throw new GraphRefusal(
      400,
      131030,
      'Recipient phone number not in allowed list',
      'Recipient phone number not in allowed list: Add recipient phone number to recipient list and try again.',
    );
  }
  return { person, to: String(to ?? recipient) };
}

function checkInteractive(interactive: Given): void {
  onlyFields(interactive, ['type', 'header', 'body', 'footer', 'action'], 'interactive');
  const body = record(interactive.body, 'body');
  const action = record(interactive.action, 'action');
  if (interactive.type === 'button') {
    checkText(body.text, LIMITS.buttonText, 'interactive.body.text');
    onlyFields(action, ['buttons'], 'action');
    const buttons = (action.buttons as readonly Given[] | undefined) ?? [];
    if (buttons.length < 1 || buttons.length > 3)
      throw invalidParameter('Invalid buttons count. Min allowed buttons: 1, Max allowed buttons: 3');
    const replies = buttons.map((button) => record(button.reply, 'reply'));
    for (const { title } of replies) checkText(title, LIMITS.button, 'button title');
    unique(
      replies.map(({ id }) => id),
      'button id',
    );
    unique(
      replies.map(({ title }) => title),
      'button title',
    );
    return;
  }
  if (interactive.type !== 'list') throw invalidParameter('Unsupported interactive type');
  checkText(body.text, LIMITS.listText, 'interactive.body.text');
  onlyFields(action, ['button', 'sections'], 'action');
  checkText(action.button, LIMITS.listButton, 'list button');
  const sections = (action.sections as readonly Given[] | undefined) ?? [];
  const rows = sections.flatMap((section) => (section.rows as readonly Given[] | undefined) ?? []);
  if (rows.length < 1 || rows.length > 10)
    throw invalidParameter('Total row count exceed max allowed count: 10');
  for (const { title } of rows) checkText(title, LIMITS.row, 'row title');
  unique(
    rows.map(({ id }) => id),
    'row id',
  );
}

function checkTemplate(body: Given, number: BusinessNumber): void {
  onlyFields(body, ['name', 'language', 'components'], 'template');
  const language = record(body.language, 'language');
  if (!number.templates.has(`${body.name}/${language.code}`)) {
    throw new GraphRefusal(
      404,
      132001,
      'Template name does not exist in the translation',
      `template name (${body.name}) does not exist in ${language.code}`,
    );
  }
  const components = (body.components as readonly Given[] | undefined) ?? [];
  const parameters = components.flatMap(
    (component) => (component.parameters as readonly Given[] | undefined) ?? [],
  );
  if (components.length !== 1 || parameters.length !== 1) {
    throw new GraphRefusal(
      400,
      132000,
      'Number of parameters does not match the expected number of params',
      'expected 1',
    );
  }
  const text = parameters[0]?.text;
  checkText(text, 1024, 'template parameter');
  if (/[\n\t]| {5,}/.test(String(text))) {
    throw new GraphRefusal(
      400,
      132018,
      'Template parameter format',
      'Param text cannot have new-line/tab characters or more than 4 consecutive spaces',
    );
  }
}

function checkText(text: unknown, maxCharacters: number, name: string): void {
  if (typeof text !== 'string' || text.trim() === '') throw missing(name);
  if ([...text].length > maxCharacters) {
    throw invalidParameter(`Param ${name} must be at most ${maxCharacters} characters long.`);
  }
}

function checkEmoji(emoji: unknown): void {
  if (emoji === '') return;
  if (typeof emoji !== 'string' || !/^\p{Extended_Pictographic}/u.test(emoji)) {
    throw invalidParameter('Param reaction.emoji must be an emoji');
  }
}

function unique(values: readonly unknown[], name: string): void {
  if (new Set(values).size !== values.length) throw invalidParameter(`Duplicated ${name}`);
}

export function onlyFields(given: Given, known: readonly string[], name: string): void {
  const unknown = Object.keys(given).filter((field) => !known.includes(field));
  if (unknown.length > 0) throw invalidParameter(`Unexpected key "${unknown[0]}" on param "${name}".`);
}

function record(value: unknown, name: string): Given {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw missing(name);
  return value as Given;
}

function missing(name: string): GraphRefusal {
  return new GraphRefusal(400, 131008, 'Required parameter is missing', `The parameter ${name} is required.`);
}

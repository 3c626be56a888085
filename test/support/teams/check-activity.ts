import { type Card, ConnectorRefusal } from './teams-world.ts';

type Given = Readonly<Record<string, unknown>>;

/** 28 KB of UTF-16, the smallest limit that Microsoft has documented. */
const MAX_BYTES = 28 * 1024;
const tags = new Set(['b', 'i', 'strike', 'code', 'pre', 'blockquote', 'a', 'br']);

/** What a message activity says, checked as the Bot Connector checks it and more strictly: no field is ignored. */
export function checkMessage(given: Given): { text: string; shown: string; card: Card | null } {
  const unknown = Object.keys(given).filter(
    (field) => !['type', 'id', 'text', 'textFormat', 'attachments'].includes(field),
  );
  if (unknown.length > 0) throw bad(`Unknown field ${unknown.join()}`);
  if (JSON.stringify(given).length * 2 > MAX_BYTES)
    throw new ConnectorRefusal(413, 'MessageSizeTooBig', 'Message size too large');
  if (given.attachments !== undefined) {
    // Teams would split it into two messages, of which the sender gets no id.
    if (given.text !== undefined) throw bad('Text and attachments in one activity');
    const card = checkCard(given.attachments);
    return { text: card.text, shown: card.text, card };
  }
  if (typeof given.text !== 'string' || given.text.trim() === '') throw bad('Activity without text');
  if (given.textFormat !== 'xml') throw bad(`textFormat ${String(given.textFormat)}`);
  return { text: given.text, shown: readXml(given.text), card: null };
}

/** The text that people see; refuses what is not well-formed or not shown on every device. */
function readXml(xml: string): string {
  const open: string[] = [];
  let shown = '';
  let rest = xml;
  while (rest !== '') {
    const [piece = '', closing, name, attributes = ''] =
      /^<(\/?)([a-z]+)((?: href="[^"<>]*")?)>/.exec(rest) ??
      /^[^<>&]+|^&(?:amp|lt|gt|quot|nbsp);/.exec(rest) ??
      [];
    if (piece === '') throw bad('Text is no well-formed XML');
    rest = rest.slice(piece.length);
    if (name === undefined) {
      shown += piece.startsWith('&') ? (entities[piece] ?? '') : piece;
      continue;
    }
    if (!tags.has(name) || (attributes !== '') !== (name === 'a' && closing === ''))
      throw bad(`Tag ${piece}`);
    if (name === 'br') shown += '\n';
    else if (closing === '') open.push(name);
    else if (open.pop() !== name) throw bad(`Tag ${piece} closes nothing`);
  }
  if (open.length > 0) throw bad(`Tag ${open.join()} is not closed`);
  return shown;
}

const entities: Readonly<Record<string, string>> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&nbsp;': ' ',
};

function checkCard(attachments: unknown): Card {
  if (!Array.isArray(attachments) || attachments.length !== 1) throw bad('One card is expected');
  const [{ contentType, content, ...others }] = attachments as [Given];
  if (Object.keys(others).length > 0 || contentType !== 'application/vnd.microsoft.card.adaptive')
    throw bad('No adaptive card');
  const { type, version, $schema, body, actions, ...unknown } = content as Given;
  if (Object.keys(unknown).length > 0 || type !== 'AdaptiveCard' || !/^1\.[0-5]$/.test(String(version)))
    throw bad('Card of an unknown form');
  if ($schema !== 'http://adaptivecards.io/schemas/adaptive-card.json') throw bad('Card of another schema');
  const text = (body as readonly Given[]).map(readElement).join('\n');
  if (text.trim() === '') throw bad('Card without text');
  const buttons = (actions as readonly Given[]).map(({ type: kind, title, data, ...rest }) => {
    if (kind !== 'Action.Submit' || typeof title !== 'string' || title === '' || Object.keys(rest).length > 0)
      throw bad('Action of an unknown form');
    return { title, data: data as Given };
  });
  if (buttons.length > 6) throw bad('More than six actions');
  return { text, actions: buttons };
}

/** The text that people see of an element; refuses what is not shown as text on every device. */
function readElement({ type, ...fields }: Given): string {
  if (type === 'Container') {
    const { style, items, ...unknown } = fields;
    if (
      style !== 'emphasis' ||
      !Array.isArray(items) ||
      items.length === 0 ||
      Object.keys(unknown).length > 0
    )
      throw bad('Container of an unknown form');
    return (items as readonly Given[]).map(readElement).join('\n');
  }
  const { inlines, spacing, ...unknown } = fields;
  if (type !== 'RichTextBlock' || Object.keys(unknown).length > 0) throw bad(`Element ${String(type)}`);
  if (spacing !== undefined && spacing !== 'None') throw bad(`Spacing ${String(spacing)}`);
  if (!Array.isArray(inlines) || inlines.length === 0) throw bad('Block without inlines');
  return (inlines as readonly unknown[]).map(readInline).join('').replaceAll('\u00a0', ' ');
}

const runFields: Readonly<Record<string, (value: unknown) => boolean>> = {
  type: (value) => value === 'TextRun',
  text: (value) => typeof value === 'string',
  weight: (value) => value === 'Bolder',
  italic: (value) => value === true,
  strikethrough: (value) => value === true,
  fontType: (value) => value === 'Monospace',
  selectAction: (value) => {
    const { type, url, ...unknown } = value as Given;
    const isAddress = typeof url === 'string' && /^(?:https?:\/\/|mailto:)/i.test(url);
    return type === 'Action.OpenUrl' && isAddress && Object.keys(unknown).length === 0;
  },
};

/** Android leaves out a line break that a run begins or ends with, and browsers make one of several blanks. */
function readInline(inline: unknown): string {
  const given: Given = typeof inline === 'string' ? { type: 'TextRun', text: inline } : (inline as Given);
  for (const [field, value] of Object.entries(given))
    if (runFields[field]?.(value) !== true) throw bad(`Field ${field} of a run`);
  if (typeof given.text !== 'string' || given.text === '') throw bad('Run without text');
  return given.text.replaceAll(/^\n+|\n+$/g, '').replaceAll(/ {2,}|^ +/gm, ' ');
}

function bad(message: string): ConnectorRefusal {
  return new ConnectorRefusal(400, 'BadSyntax', message);
}

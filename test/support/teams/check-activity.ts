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
  const [block] = body as readonly Given[];
  if (block?.type !== 'TextBlock' || typeof block.text !== 'string' || block.wrap !== true)
    throw bad('Card without text');
  const buttons = (actions as readonly Given[]).map(({ type: kind, title, data, ...rest }) => {
    if (kind !== 'Action.Submit' || typeof title !== 'string' || title === '' || Object.keys(rest).length > 0)
      throw bad('Action of an unknown form');
    return { title, data: data as Given };
  });
  if (buttons.length > 6) throw bad('More than six actions');
  return { text: block.text, actions: buttons };
}

function bad(message: string): ConnectorRefusal {
  return new ConnectorRefusal(400, 'BadSyntax', message);
}

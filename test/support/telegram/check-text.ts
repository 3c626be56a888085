import { BotApiRefusal, type Entity } from './telegram-world.ts';

const FIELDS: Readonly<Record<string, readonly string[]>> = {
  bold: [],
  italic: [],
  underline: [],
  strikethrough: [],
  spoiler: [],
  code: [],
  blockquote: [],
  pre: ['language'],
  text_link: ['url'],
};
const STYLES = new Set(['bold', 'italic', 'underline', 'strikethrough', 'spoiler']);
const TAG = /<(\/?)([a-z-]+)((?:\s+[a-z-]+="[^"]*")*)>|&(?:lt|gt|amp|quot|#\d+);|[<&]/gi;
const TAGS = new Set([
  'b',
  'strong',
  'i',
  'em',
  'u',
  's',
  'del',
  'code',
  'pre',
  'a',
  'blockquote',
  'tg-spoiler',
]);

/** A text as Telegram keeps it. @throws BotApiRefusal in Telegram's words for what it does not take */
export function checkText(
  text: unknown,
  entities: unknown,
  parseMode: unknown,
): { readonly text: string; readonly entities: readonly Entity[] } {
  if (typeof text !== 'string' || text.trim() === '')
    throw new BotApiRefusal(400, 'Bad Request: message text is empty');
  if (!text.isWellFormed()) throw new BotApiRefusal(400, 'Bad Request: strings must be encoded in UTF-8');
  if (parseMode !== undefined && entities !== undefined)
    throw new BotApiRefusal(400, 'Bad Request: parse_mode and entities');
  const shown = parseMode === undefined ? text : stripHtml(text, parseMode);
  if (shown.length > 4096) throw new BotApiRefusal(400, 'Bad Request: message is too long');
  return { text: shown, entities: entities === undefined ? [] : checkEntities(shown, entities) };
}

function checkEntities(text: string, value: unknown): readonly Entity[] {
  if (!Array.isArray(value) || value.length > 100) throw refusal('expected an array of at most 100 entities');
  const entities = value as readonly Entity[];
  for (const entity of entities) {
    const { type, offset, length } = entity;
    const extra = FIELDS[type];
    if (extra === undefined) throw refusal(`unsupported type "${type}"`);
    const fields = Object.keys(entity).filter((key) => !['type', 'offset', 'length', ...extra].includes(key));
    if (fields.length > 0) throw refusal(`unexpected ${fields.join()}`);
    if (
      !Number.isInteger(offset) ||
      !Number.isInteger(length) ||
      offset < 0 ||
      length <= 0 ||
      offset + length > text.length
    )
      throw new BotApiRefusal(400, 'Bad Request: ENTITY_BOUNDS_INVALID');
    if (!text.slice(offset, offset + length).isWellFormed()) throw refusal('an entity cuts a character');
    if (type === 'text_link' && !URL.canParse(entity.url ?? '')) throw refusal('a link without an address');
  }
  for (const [index, a] of entities.entries()) {
    for (const b of entities.slice(index + 1)) checkPair(a, b);
  }
  return entities;
}

/** Two entities are apart or one is inside of the other; code takes no style, and what is no style takes only styles. */
function checkPair(a: Entity, b: Entity): void {
  const [aEnd, bEnd] = [a.offset + a.length, b.offset + b.length];
  if (aEnd <= b.offset || bEnd <= a.offset) return;
  const nested = (a.offset <= b.offset && bEnd <= aEnd) || (b.offset <= a.offset && aEnd <= bEnd);
  if (!nested) throw refusal(`${a.type} and ${b.type} overlap`);
  const types = [a.type, b.type];
  const hasCode = types.includes('code') || types.includes('pre');
  if (hasCode && !types.includes('blockquote')) throw refusal(`${types.join(' and ')} contain each other`);
  const neither = types.every((type) => !STYLES.has(type));
  if (neither && !types.includes('blockquote')) throw refusal(`${types.join(' and ')} contain each other`);
}

/** Reads HTML as Telegram does: a few tags, closed in order, and everything else escaped. */
function stripHtml(html: string, parseMode: unknown): string {
  if (String(parseMode).toLowerCase() !== 'html')
    throw new BotApiRefusal(400, 'Bad Request: unsupported parse_mode');
  const open: string[] = [];
  let text = '';
  let from = 0;
  for (const match of html.matchAll(TAG)) {
    const [token, closing, name = ''] = match;
    text += html.slice(from, match.index);
    from = match.index + token.length;
    if (token.startsWith('&') && token.length > 1) text += 'x';
    else if (name === '') throw refusal(`unexpected "${token}" at byte offset ${match.index}`);
    else if (!TAGS.has(name.toLowerCase()))
      throw refusal(`Unsupported start tag "${name}" at byte offset ${match.index}`);
    else if (closing === '') open.push(name);
    else if (open.pop() !== name) throw refusal(`Unmatched end tag at byte offset ${match.index}`);
  }
  if (open.length > 0) throw refusal(`Can't find end tag corresponding to start tag "${open.at(-1)}"`);
  return text + html.slice(from);
}

function refusal(reason: string): BotApiRefusal {
  return new BotApiRefusal(400, `Bad Request: can't parse entities: ${reason}`);
}

import type { APIMessage, APIUser } from 'discord-api-types/v10';
import { DiscordRefusal, invalidForm, type World } from './discord-world.ts';

type Given = Readonly<Record<string, unknown>>;

const FIELDS = new Set([
  'content',
  'nonce',
  'enforce_nonce',
  'tts',
  'embeds',
  'allowed_mentions',
  'message_reference',
  'components',
  'attachments',
  'flags',
]);
const SETTABLE_FLAGS = (1 << 2) | (1 << 6) | (1 << 12);
const MENTION = /<@!?(\d{15,20})>|<@&(\d{15,20})>|@(everyone|here)/g;

export interface CheckedMessage {
  readonly content: string;
  readonly components: NonNullable<APIMessage['components']>;
  readonly flags: number;
  readonly pings: readonly string[];
}

/** A message as Discord keeps it. @throws DiscordRefusal in Discord's words for what it does not take */
export function checkMessage(given: Given, hasFile: boolean, isEdit: boolean): CheckedMessage {
  for (const field of Object.keys(given)) if (!FIELDS.has(field)) throw invalidForm(field, 'Unknown field');
  const content = checkContent(given.content);
  const components = checkComponents(given.components);
  const { nonce, flags = 0 } = given;
  if (nonce !== undefined && (typeof nonce !== 'string' || nonce.length > 25))
    throw invalidForm('nonce', 'Must be 25 or fewer in length.');
  if (typeof flags !== 'number' || (flags & ~SETTABLE_FLAGS) !== 0)
    throw invalidForm('flags', 'Invalid flags');
  if (!isEdit && content === '' && !hasFile)
    throw new DiscordRefusal(400, 50006, 'Cannot send an empty message');
  checkReference(given.message_reference);
  return { content, components, flags, pings: allowedPings(content, given.allowed_mentions) };
}

function checkContent(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value !== 'string') throw invalidForm('content', 'This field must be a string');
  if (!value.isWellFormed()) throw invalidForm('content', 'Invalid unicode');
  if (value.length > 2_000) throw invalidForm('content', 'Must be 2000 or fewer in length.');
  return value.replace(/^[ \n\t\r]+|[ \n\t\r]+$/g, ''); // what is seen at the edges of a message
}

function checkReference(value: unknown): void {
  if (value === undefined) return;
  const { message_id, fail_if_not_exists, ...more } = value as Given;
  if (
    Object.keys(more).length > 0 ||
    typeof message_id !== 'string' ||
    typeof fail_if_not_exists !== 'boolean'
  )
    throw invalidForm('message_reference', 'Invalid reference');
}

function checkComponents(value: unknown): NonNullable<APIMessage['components']> {
  if (value === undefined) return [];
  const rows = value as readonly Given[];
  if (!Array.isArray(value) || rows.length > 5)
    throw invalidForm('components', 'Must be 5 or fewer in length.');
  const ids = new Set<unknown>();
  for (const row of rows) {
    const buttons = row.components as readonly Given[];
    if (row.type !== 1 || !Array.isArray(buttons) || buttons.length < 1 || buttons.length > 5)
      throw invalidForm('components', 'Must be between 1 and 5 in length.');
    for (const { type, style, label, custom_id, ...more } of buttons) {
      const fits = typeof label === 'string' && label.length >= 1 && label.length <= 80;
      const isNamed = typeof custom_id === 'string' && custom_id.length >= 1 && custom_id.length <= 100;
      if (
        type !== 2 ||
        !fits ||
        !isNamed ||
        ![1, 2, 3, 4].includes(Number(style)) ||
        Object.keys(more).length > 0
      )
        throw invalidForm('components', 'Invalid button');
      if (ids.has(custom_id)) throw invalidForm('components', 'Component custom id cannot be duplicated');
      ids.add(custom_id);
    }
  }
  return value as NonNullable<APIMessage['components']>;
}

/**
 * Whom a text calls upon by Discord's rules: not in code, and not what is escaped.
 */
export function mentionsIn(content: string): readonly string[] {
  return [...withoutCode(content).matchAll(MENTION)].map(
    ([, user, role, mass]) => user ?? (role ? `&${role}` : `@${mass}`),
  );
}

/** In Discord's order: an escape, a block of code, a span of it. */
function withoutCode(content: string): string {
  return content.replaceAll(/\\[^0-9A-Za-z\s]|```[\s\S]+?```|(`+)[\s\S]*?[^`]\1(?!`)/g, (part) =>
    part.startsWith('\\') ? part : ' ',
  );
}

function allowedPings(content: string, allowed: unknown): readonly string[] {
  const {
    parse = [],
    users = [],
    roles = [],
    replied_user: _ring,
    ...more
  } = (allowed ?? {
    parse: ['users', 'roles', 'everyone'],
  }) as { parse?: string[]; users?: string[]; roles?: string[]; replied_user?: boolean };
  if (Object.keys(more).length > 0) throw invalidForm('allowed_mentions', 'Unknown field');
  return mentionsIn(content).filter((mention) => {
    if (mention.startsWith('@')) return parse.includes('everyone');
    if (mention.startsWith('&')) return parse.includes('roles') || roles.includes(mention.slice(1));
    return parse.includes('users') || users.includes(mention);
  });
}

/** The users that a person's message names. */
export function mentionedUsers(world: World, content: string): APIUser[] {
  const ids = new Set(mentionsIn(content).filter((each) => /^\d/.test(each)));
  return [...ids].flatMap((id) => world.users.get(id) ?? []);
}

export function mentionedRoles(content: string): string[] {
  return [...new Set(mentionsIn(content).filter((each) => each.startsWith('&')))].map((each) =>
    each.slice(1),
  );
}

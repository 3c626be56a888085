import type { Mention } from '../../core/channel-event.ts';
import { asId, asRecord, asRecords, asText, type JsonRecord } from '../read-json.ts';
import { asInteger } from './ids.ts';

/** A text with its entities as the agent reads it. */
export interface NormalisedText {
  /** Mentions as `@` + external id, links as `label (url)`, commands without the bot they are for. */
  readonly text: string;
  readonly mentions: readonly Mention[];
  /** Whose mention the text begins with. */
  readonly addressee: string | null;
  /** The command it begins with, without its slash. */
  readonly command: string | null;
}

interface Replacement {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly mention: Mention | null;
}

/** Emoji are made of symbols, marks and joiners. */
const ONLY_PUNCTUATION = /^[\s\p{P}\p{S}\p{M}\p{Cf}]*$/u;
const MAX_PREFIX_CHARACTERS = 64;

/**
 * Applies a text's entities. Their offsets count UTF-16 units, as JavaScript's do. Whom a `@username` stands for
 * Telegram does not say, so people with a username are known by it wherever they are mentioned, and only people
 * without one by their number.
 */
export function normaliseText(text: string, entities: unknown): NormalisedText {
  const replacements = asRecords(entities)
    .map((entity) => replacementFor(text, entity))
    .filter((each) => each !== null)
    .sort((a, b) => a.start - b.start);
  const mentions = new Map<string, Mention>();
  let addressee: string | null = null;
  let result = '';
  let from = 0;
  for (const { start, end, text: shown, mention } of replacements) {
    if (start < from) continue; // within one that was replaced
    result += text.slice(from, start);
    if (mention !== null) {
      if (mentions.size === 0 && result.length <= MAX_PREFIX_CHARACTERS && ONLY_PUNCTUATION.test(result)) {
        addressee = mention.externalId;
      }
      if (!mentions.has(mention.externalId)) mentions.set(mention.externalId, mention);
    }
    result += shown;
    from = end;
  }
  return {
    text: asText(result + text.slice(from)).trim(),
    mentions: [...mentions.values()],
    addressee,
    command: commandOf(text, entities),
  };
}

/** What we call a user in mentions: the username, in lower case as Telegram compares it, or else the number. */
export function mentionOf(user: JsonRecord | null): Mention | null {
  if (user === null) return null;
  const id = asInteger(user.id);
  const username = asId(user.username);
  const name = [asText(user.first_name), asText(user.last_name)].filter(Boolean).join(' ') || null;
  if (username !== null) return { externalId: username.toLowerCase(), name: name ?? username };
  return id === null ? null : { externalId: String(id), name };
}

function replacementFor(text: string, entity: JsonRecord): Replacement | null {
  const start = asInteger(entity.offset);
  const length = asInteger(entity.length);
  if (start === null || length === null || start < 0 || length <= 0 || start + length > text.length)
    return null;
  const end = start + length;
  const shown = text.slice(start, end);
  switch (entity.type) {
    case 'mention': {
      const username = /^@([A-Za-z0-9_]{1,64})$/.exec(shown)?.[1];
      if (username === undefined) return null;
      const mention = { externalId: username.toLowerCase(), name: username };
      return { start, end, text: `@${mention.externalId}`, mention };
    }
    case 'text_mention': {
      const mention = mentionOf(asRecord(entity.user));
      return mention === null ? null : { start, end, text: `@${mention.externalId}`, mention };
    }
    case 'text_link': {
      const url = asText(entity.url);
      return url === '' || url === shown ? null : { start, end, text: `${shown} (${url})`, mention: null };
    }
    case 'bot_command': {
      const [, command, bot] = /^\/([A-Za-z0-9_]{1,64})@([A-Za-z0-9_]{1,64})$/.exec(shown) ?? [];
      if (command === undefined || bot === undefined) return null;
      return { start, end, text: `/${command}`, mention: { externalId: bot.toLowerCase(), name: bot } };
    }
    default:
      return null;
  }
}

function commandOf(text: string, entities: unknown): string | null {
  const isCommand = asRecords(entities).some(({ type, offset }) => type === 'bot_command' && offset === 0);
  return isCommand ? (/^\/([A-Za-z0-9_]+)/.exec(text)?.[1]?.toLowerCase() ?? null) : null;
}

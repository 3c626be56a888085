import type { Mention } from '../../core/channel-event.ts';
import { asText } from '../read-json.ts';
import { codeRanges } from './code-ranges.ts';

/** A message as the agent reads it. */
export interface NormalisedText {
  /** Markdown as it was written, mentions as `@` and the username in lower case. */
  readonly text: string;
  readonly mentions: readonly Mention[];
  /** Whose mention the text begins with. */
  readonly addressee: string | null;
}

/** Usernames hold letters, digits, dots, dashes and underscores. */
const MENTION = /(?<!\w)@([a-z0-9][a-z0-9._-]{0,63})/gi;
/** What ends a sentence ends no username. */
const TRAILING = /[._-]+$/;
const EVERYBODY = new Set(['channel', 'all', 'here']);
/** Emoji are made of symbols, marks and joiners. */
const ONLY_PUNCTUATION = /^[\s\p{P}\p{S}\p{M}\p{Cf}]*$/u;
const MAX_PREFIX_CHARACTERS = 64;

/**
 * Whom a text mentions. Mattermost tells whom it has notified, which is more: everybody by `@channel`, and whoever follows
 * the thread. So mentions are read as Mattermost reads them: by username, and not in code.
 *
 * Source: https://docs.mattermost.com/collaborate/mention-people.html
 */
export function normaliseText(message: unknown): NormalisedText {
  const written = asText(message);
  const mentions = new Map<string, Mention>();
  let addressee: string | null = null;
  const code = written.includes('@') ? codeRanges(written) : [];
  const text = written.replace(MENTION, (whole, word: string, index: number) => {
    if (code.some(({ start, end }) => index >= start && index < end)) return whole;
    const tail = TRAILING.exec(word)?.[0] ?? '';
    const username = word.slice(0, word.length - tail.length).toLowerCase();
    if (EVERYBODY.has(username)) return whole;
    const before = written.slice(0, index);
    if (mentions.size === 0 && index <= MAX_PREFIX_CHARACTERS && ONLY_PUNCTUATION.test(before))
      addressee = username;
    mentions.set(username, { externalId: username, name: username });
    return `@${username}${tail}`;
  });
  return { text: text.trim(), mentions: [...mentions.values()], addressee };
}

import type { Mention } from '../../core/channel-event.ts';
import { asRecord, asRecords, asText, type JsonRecord } from '../read-json.ts';
import { asSnowflake, nameOf } from './ids.ts';

/** A message's text as the agent reads it. */
export interface NormalisedText {
  /** Mentions as `@` + external id, emoji of a server's own as `:name:`, times as such. */
  readonly text: string;
  readonly mentions: readonly Mention[];
  /** Whose mention the text begins with. */
  readonly addressee: string | null;
}

/** What the bot's own roles are, by which people call it as well: Discord offers them beside its name. */
export interface OwnRoles {
  readonly userId: string;
  readonly roleIds: ReadonlySet<string>;
}

const TOKEN =
  /<(?:@!?(?<user>\d{15,20})|@&(?<role>\d{15,20})|#(?<channel>\d{15,20})|a?:(?<emoji>\w{1,64}):\d{15,20}|t:(?<time>-?\d{1,13})(?::[a-zA-Z])?|\/(?<command>[^:<>\n]{1,100}):\d{15,20})>/g;
const ONLY_PUNCTUATION = /^[\s\p{P}\p{S}\p{M}\p{Cf}]*$/u;
const MAX_PREFIX_CHARACTERS = 64;
const MAX_TIME_SECONDS = 8_640_000_000_000;

/**
 * Source: https://discord.com/developers/docs/reference#message-formatting
 *
 * @param own absent: nobody's role is known
 */
export function normaliseText(message: JsonRecord, own?: OwnRoles): NormalisedText {
  const content = asText(message.content);
  const users = new Map(asRecords(message.mentions).map((user) => [user.id, user]));
  const channels = new Map(asRecords(message.mention_channels).map((channel) => [channel.id, channel]));
  const mentions = new Map<string, Mention>();
  let addressee: string | null = null;
  let result = '';
  let from = 0;
  for (const match of content.matchAll(TOKEN)) {
    const { user, role, channel, emoji, time, command } = match.groups ?? {};
    result += content.slice(from, match.index);
    from = match.index + match[0].length;
    const isOwnRole = role !== undefined && own?.roleIds.has(role) === true;
    const mentioned = isOwnRole ? own?.userId : user;
    if (mentioned !== undefined) {
      const begins = result.length <= MAX_PREFIX_CHARACTERS && ONLY_PUNCTUATION.test(result);
      if (mentions.size === 0 && begins) addressee = mentioned;
      const record = asRecord(users.get(mentioned));
      if (!mentions.has(mentioned))
        mentions.set(mentioned, { externalId: mentioned, name: nameOf(record, asRecord(record?.member)) });
      result += `@${mentioned}`;
    } else if (role !== undefined) result += '@role';
    else if (channel !== undefined) result += `#${asText(channels.get(channel)?.name) || channel}`;
    else if (emoji !== undefined) result += `:${emoji}:`;
    else if (time !== undefined) result += timeOf(Number(time));
    else result += `/${command ?? ''}`;
  }
  return { text: (result + content.slice(from)).trim(), mentions: [...mentions.values()], addressee };
}

/** Users that Discord says are mentioned: those named in the text, and whoever's message is replied to with a ring. */
export function ringsFor(message: JsonRecord, userId: string): boolean {
  return asRecords(message.mentions).some(({ id }) => asSnowflake(id) === userId);
}

function timeOf(seconds: number): string {
  return Math.abs(seconds) > MAX_TIME_SECONDS ? String(seconds) : new Date(seconds * 1_000).toISOString();
}

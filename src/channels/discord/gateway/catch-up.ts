import type { ChannelEvent } from '../../../core/channel-event.ts';
import { isKonstructError } from '../../../core/errors.ts';
import type { Log } from '../../../core/log.ts';
import type { ConnectionAccess } from '../../../core/outbound.ts';
import { asRecords, type JsonRecord } from '../../read-json.ts';
import type { DiscordClient } from '../client.ts';
import { isRefusal } from '../discord-error.ts';
import { asSnowflake, destinationOf, type Place, placeOf, snowflakeAt, snowflakeMs } from '../ids.ts';
import type { OwnRoles } from '../normalise-text.ts';
import { parseMessage } from '../parse-message.ts';
import { PAGE, readPage } from '../read.ts';

/** What of a channel is read at most: the newest, and no more than a day of it. */
const MAX_PAGES = 10;
const MAX_AGE_MS = 24 * 60 * 60_000;

/** A channel in which something may have been said meanwhile. */
export interface MissedChannel {
  /** Of the channel or thread itself. */
  readonly channelId: string;
  readonly place: Place;
}

export interface CatchUpOptions {
  readonly client: DiscordClient;
  readonly access: ConnectionAccess;
  readonly log: Log;
  readonly own: OwnRoles;
  readonly receive: (events: readonly ChannelEvent[]) => Promise<void>;
}

/** From when on something is missing, in ms since 1970: not more than a day ago. */
export function missingSince(lastMs: number, nowMs: number): number {
  return Math.max(lastMs, nowMs - MAX_AGE_MS);
}

/** The channels and threads of a server in which somebody has written since. */
export function missedChannels(server: JsonRecord, sinceMs: number): readonly MissedChannel[] {
  return [...asRecords(server.channels), ...asRecords(server.threads)].flatMap((channel) => {
    const place = placeOf(channel);
    const channelId = asSnowflake(channel.id);
    const lastId = asSnowflake(channel.last_message_id);
    if (place === null || channelId === null || lastId === null || snowflakeMs(lastId) <= sinceMs) return [];
    return [{ channelId, place }];
  });
}

export function missedDirect(channelIds: readonly string[]): readonly MissedChannel[] {
  return channelIds.flatMap((channelId) => {
    const destination = destinationOf({ channelId, threadId: null });
    if (destination === null) return [];
    const place: Place = { channelId, threadId: null, scope: 'direct', beginsThreads: false };
    return [{ channelId: destination.channelId, place }];
  });
}

/** Reads what was said in a channel since, oldest first, and hands it on. Where we may not read, nothing was missed. */
export async function catchUp(
  { client, access, log, own, receive }: CatchUpOptions,
  { channelId, place }: MissedChannel,
  sinceMs: number,
  signal: AbortSignal,
): Promise<void> {
  const after = snowflakeAt(sinceMs);
  const missed: JsonRecord[] = [];
  try {
    for (let page = 0; ; page += 1) {
      if (page === MAX_PAGES) {
        log.warn('discord.catch_up_cut', {
          connectionId: access.connectionId,
          channelId,
          messages: missed.length,
        });
        break;
      }
      const before = asSnowflake(missed.at(-1)?.id);
      const query = { limit: String(PAGE), ...(before !== null && { before }) };
      const messages = await readPage(client, access, channelId, query, signal);
      missed.push(...messages.filter(({ id }) => isNewer(id, after)));
      const last = asSnowflake(messages.at(-1)?.id);
      if (messages.length < PAGE || last === null || !isNewer(last, after)) break;
    }
  } catch (error) {
    if (!isKonstructError(error, 'platform_rejected') || isRefusal(error, 'unauthorized')) throw error;
    return;
  }
  for (const message of missed.reverse()) await receive([parseMessage(message, place, own)]);
}

function isNewer(id: unknown, after: string): boolean {
  const known = asSnowflake(id);
  return known !== null && BigInt(known) > BigInt(after);
}

import type { Clock } from '../../../core/clock.ts';
import { isKonstructError } from '../../../core/errors.ts';
import type { ConnectionAccess } from '../../../core/outbound.ts';
import { asRecord, asRecords, type JsonRecord } from '../../read-json.ts';
import { createRecentValues } from '../../recent-values.ts';
import type { DiscordClient } from '../client.ts';
import { isRefusal } from '../discord-error.ts';
import { asSnowflake, directPlace, type Place, placeOf } from '../ids.ts';

/** Where the channels are that one bot's events name, and which roles are its own. */
export interface KnownPlaces {
  /** Takes in what Discord says of a server. */
  addServer(server: JsonRecord): void;
  addChannel(channel: JsonRecord): void;
  addRole(role: JsonRecord): void;
  /** The place of an event; `null`: none that we take part in, or may see. */
  find(event: JsonRecord, signal: AbortSignal): Promise<Place | null>;
  readonly ownRoleIds: ReadonlySet<string>;
  setOwnUserId(userId: string): void;
}

const MAX_PLACES = 20_000;
const TTL_MS = 24 * 60 * 60_000;

/**
 * A message names its channel and not what kind of one it is. Discord tells of all channels when a session begins; one that
 * is missing (a thread that was folded away) is asked for.
 */
export function createKnownPlaces(
  client: DiscordClient,
  access: ConnectionAccess,
  clock: Clock,
): KnownPlaces {
  const places = createRecentValues<Place | null>(MAX_PLACES, clock);
  const ownRoleIds = new Set<string>();
  let ownUserId = '';

  const addChannel = (channel: JsonRecord): Place | null => {
    const id = asSnowflake(channel.id);
    const place = placeOf(channel);
    if (id !== null) places.set(id, place, TTL_MS);
    return place;
  };
  const addRole = (role: JsonRecord): void => {
    const id = asSnowflake(role.id);
    if (id !== null && asRecord(role.tags)?.bot_id === ownUserId) ownRoleIds.add(id);
  };

  return {
    ownRoleIds,
    setOwnUserId(userId) {
      ownUserId = userId;
    },
    addServer(server) {
      for (const role of asRecords(server.roles)) addRole(role);
      for (const channel of [...asRecords(server.channels), ...asRecords(server.threads)])
        addChannel(channel);
    },
    addChannel,
    addRole,
    async find(event, signal) {
      const id = asSnowflake(event.channel_id);
      if (id === null) return null;
      if (asSnowflake(event.guild_id) === null) return directPlace(id);
      const known = places.get(id);
      if (known !== undefined) return known;
      const call = { name: 'get channel', method: 'GET', path: ['channels', id], idempotent: true } as const;
      try {
        return addChannel(asRecord(await client.call(access, call, signal)) ?? {});
      } catch (error) {
        if (isKonstructError(error, 'platform_rejected') && !isRefusal(error, 'unauthorized')) return null;
        throw error;
      }
    },
  };
}

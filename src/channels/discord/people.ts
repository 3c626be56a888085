import type { Clock } from '../../core/clock.ts';
import type { ConnectionAccess } from '../../core/outbound.ts';
import { asRecord } from '../read-json.ts';
import { createRecentValues } from '../recent-values.ts';
import type { DiscordClient } from './client.ts';
import { isRefusal } from './discord-error.ts';
import { asSnowflake, nameOf } from './ids.ts';

export interface Person {
  readonly name: string | null;
  readonly isBot: boolean;
}

/** Looks up users, cached. `null`: there is no such user. */
export type People = (
  access: ConnectionAccess,
  userId: string,
  signal: AbortSignal,
) => Promise<Person | null>;

const TTL_MS = 60 * 60_000;
const MAX_PEOPLE = 10_000;

/** Source: https://discord.com/developers/docs/resources/user#get-user */
export function createPeople(client: DiscordClient, clock: Clock): People {
  const known = createRecentValues<Person | null>(MAX_PEOPLE, clock);
  return async (access, userId, signal) => {
    const id = asSnowflake(userId);
    if (id === null) return null;
    const key = `${access.connectionId} ${id}`;
    const found = known.get(key);
    if (found !== undefined) return found;
    const person = await read(id).catch((error: unknown) => {
      if (isRefusal(error, 'user_not_found')) return null;
      throw error;
    });
    known.set(key, person, TTL_MS);
    return person;

    async function read(user: string): Promise<Person | null> {
      const call = { name: 'get user', method: 'GET', path: ['users', user], idempotent: true } as const;
      const record = asRecord(await client.call(access, call, signal));
      return record === null ? null : { name: nameOf(record), isBot: record.bot === true };
    }
  };
}

import type { ConnectionAccess } from '../../../core/outbound.ts';
import { asRecords } from '../../read-json.ts';
import type { MattermostClient } from '../client.ts';
import type { OwnAccount } from '../directory.ts';
import { isRefusal } from '../mattermost-error.ts';

/** Up to when everything that happened on a server is stored here, by the server's clock. */
export interface Positions {
  /** `null`: nobody has ever noted one. */
  read(access: ConnectionAccess, own: OwnAccount, signal: AbortSignal): Promise<number | null>;
  write(access: ConnectionAccess, own: OwnAccount, positionMs: number, signal: AbortSignal): Promise<void>;
}

/** Preferences are the account's own; names and categories have up to 32 characters. */
const CATEGORY = 'konstruct_position';

/**
 * Kept at the server, as a preference of the account: as with platforms that keep what was not fetched yet, the place to go
 * on from belongs to whom it is about. Whichever process fetches next finds it, and it is written only when what came
 * before it is durable.
 *
 * Source: https://developers.mattermost.com/api-documentation/#/operations/UpdatePreferences
 */
export function createPositions(client: MattermostClient): Positions {
  return {
    async read(access, _own, signal) {
      const name = 'preferences.get';
      const path = `/users/me/preferences/${CATEGORY}`;
      const call = { name, method: 'GET', path, idempotent: true, notFound: 'no_preferences' } as const;
      try {
        const stored = asRecords(await client.call(access, call, signal));
        const value = stored.find((each) => each.name === nameFor(access))?.value;
        const position = typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : 0;
        return position > 0 ? position : null;
      } catch (error) {
        // A category in which there is nothing is, to Mattermost, none.
        if (isRefusal(error, 'no_preferences')) return null;
        throw error;
      }
    },
    async write(access, { userId }, positionMs, signal) {
      const name = 'preferences.save';
      const value = String(positionMs);
      const preference = { user_id: userId, category: CATEGORY, name: nameFor(access), value };
      const path = '/users/me/preferences';
      await client.call(access, { name, method: 'PUT', path, body: [preference], idempotent: true }, signal);
    },
  };
}

/** A connection's id, without what would make it too long. */
function nameFor({ connectionId }: ConnectionAccess): string {
  return connectionId.replaceAll('-', '').slice(0, 32);
}

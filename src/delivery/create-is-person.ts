import type { Channel } from '../core/channel.ts';
import type { Cipher } from '../core/cipher.ts';
import type { ResolvedConnection } from '../core/connection-directory.ts';
import { openConnection, requireChannel } from './create-delivery.ts';

/** The platform waits for its ack meanwhile. */
const DEADLINE_MS = 1_500;

/** Asks a platform whether a user is a person; `null` when it does not say in time. */
export function createIsPerson(options: {
  readonly channels: ReadonlyMap<string, Channel>;
  readonly cipher: Cipher;
}): (connection: ResolvedConnection, externalId: string) => Promise<boolean | null> {
  return async (connection, externalId) => {
    try {
      const channel = requireChannel(options.channels, connection.channel);
      const access = openConnection(options.cipher, connection.tenantId, connection);
      return await channel.isPerson(access, externalId, AbortSignal.timeout(DEADLINE_MS));
    } catch {
      return null; // not in time, or the platform is away: whoever asked decides without it
    }
  };
}

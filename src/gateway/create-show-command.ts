import type { Channel } from '../core/channel.ts';
import type { CommandEvent, MessageEvent } from '../core/channel-event.ts';
import type { Cipher } from '../core/cipher.ts';
import { openAccess } from '../core/connection-access.ts';
import type { ResolvedConnection } from '../core/connection-directory.ts';

/** Slack waits 3 s for the ack, and the message has to be stored yet. */
const DEADLINE_MS = 2_000;

/**
 * Makes a message of a command.
 * @throws KonstructError `platform_unavailable`, `aborted`: it was not stored, so it must not be acked
 */
export function createShowCommand(parts: {
  readonly channels: ReadonlyMap<string, Channel>;
  readonly cipher: Cipher;
}) {
  return async (connection: ResolvedConnection, command: CommandEvent): Promise<MessageEvent | null> => {
    const channel = parts.channels.get(connection.channel);
    if (channel?.showCommand === undefined) return null;
    return channel.showCommand(
      openAccess(parts.cipher, connection),
      command,
      AbortSignal.timeout(DEADLINE_MS),
    );
  };
}

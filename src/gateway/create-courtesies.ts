import type { Channel } from '../core/channel.ts';
import type { ActionEvent, MessageEvent, OpeningEvent } from '../core/channel-event.ts';
import type { Cipher } from '../core/cipher.ts';
import { openAccess } from '../core/connection-access.ts';
import type { ResolvedConnection } from '../core/connection-directory.ts';
import { isKonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { ConnectionAccess } from '../core/outbound.ts';
import { connectionDefaults } from '../core/tenant.ts';

/** What a platform is shown beside answers: that a press has arrived, what one may ask, what a conversation is about. */
export interface Courtesies {
  acknowledge(connection: ResolvedConnection, action: ActionEvent): void;
  welcome(connection: ResolvedConnection, opening: OpeningEvent): void;
  entitle(connection: ResolvedConnection, message: MessageEvent): void;
}

/** A person looks at it now: what takes longer is not worth it any more. */
const DEADLINE_MS = 10_000;

/** Whatever these are about is stored, or needs no storing. So nothing waits for them, and a failure is only logged. */
export function createCourtesies(parts: {
  readonly channels: ReadonlyMap<string, Channel>;
  readonly cipher: Cipher;
  readonly log: Log;
}): Courtesies {
  const show = async (
    kind: string,
    connection: ResolvedConnection,
    call: (
      channel: Channel,
      access: () => ConnectionAccess,
      signal: AbortSignal,
    ) => Promise<void> | undefined,
  ): Promise<void> => {
    const channel = parts.channels.get(connection.channel);
    if (channel === undefined) return;
    try {
      const access = () => openAccess(parts.cipher, connection);
      await call(channel, access, AbortSignal.timeout(DEADLINE_MS));
    } catch (error) {
      const code = isKonstructError(error) ? error.code : 'internal';
      parts.log.warn(kind, { tenantId: connection.tenantId, connectionId: connection.id, code });
    }
  };
  return {
    acknowledge: (connection, action) =>
      void show('action.unacknowledged', connection, (channel, access, signal) =>
        channel.acknowledgeAction?.(access(), action, signal),
      ),
    welcome(connection, opening) {
      const prompts = connection.settings.suggestedPrompts ?? connectionDefaults.suggestedPrompts;
      void show('opening.not_welcomed', connection, (channel, access, signal) =>
        channel.welcome?.(access(), opening, prompts, signal),
      );
    },
    entitle: (connection, message) =>
      void show('conversation.untitled', connection, (channel, access, signal) =>
        channel.entitle?.(access(), message, signal),
      ),
  };
}

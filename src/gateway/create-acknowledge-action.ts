import type { Channel } from '../core/channel.ts';
import type { ActionEvent } from '../core/channel-event.ts';
import { type Cipher, connectionOwner } from '../core/cipher.ts';
import type { ResolvedConnection } from '../core/connection-directory.ts';
import { isKonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Credentials } from '../core/tenant.ts';

export interface AcknowledgeActionOptions {
  readonly channels: ReadonlyMap<string, Channel>;
  readonly cipher: Cipher;
  readonly log: Log;
}

/** A person looks at a button that does not move: what takes longer is not worth it any more. */
const DEADLINE_MS = 10_000;

/** Shows on the platform that a press has arrived. The press itself is stored, so a failure is only logged. */
export function createAcknowledgeAction({ channels, cipher, log }: AcknowledgeActionOptions) {
  return async (connection: ResolvedConnection, action: ActionEvent): Promise<void> => {
    const channel = channels.get(connection.channel);
    if (channel?.acknowledgeAction === undefined) return;
    const { tenantId, id: connectionId, externalId } = connection;
    try {
      const envelope = Buffer.from(connection.credentials, 'base64');
      const credentials = JSON.parse(
        cipher.decrypt(envelope, connectionOwner(tenantId, connectionId)),
      ) as Credentials;
      const access = { connectionId, externalId, credentials };
      await channel.acknowledgeAction(access, action, AbortSignal.timeout(DEADLINE_MS));
    } catch (error) {
      const code = isKonstructError(error) ? error.code : 'internal';
      log.warn('action.unacknowledged', { tenantId, connectionId, code });
    }
  };
}

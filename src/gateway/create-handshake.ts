import type { Channel, WebhookAnswer } from '../core/channel.ts';
import { type Cipher, connectionOwner } from '../core/cipher.ts';
import type { Clock } from '../core/clock.ts';
import type { ConnectionDirectory } from '../core/connection-directory.ts';
import { KonstructError } from '../core/errors.ts';
import type { Credentials } from '../core/tenant.ts';
import { createLookupGuard } from './create-lookup-guard.ts';

export interface HandshakeOptions {
  readonly channel: Channel;
  /** What the platform was told to say on the shared path; `null`: nothing. */
  readonly token: string | null;
  readonly directory: Pick<ConnectionDirectory, 'find' | 'knownById'>;
  readonly cipher: Cipher;
  readonly clock: Clock;
}

/**
 * Answers the GET by which a platform checks our address.
 * @throws KonstructError `signature_invalid`, also for connections that do not exist: nobody can find out which do;
 *   `lookups_exhausted`, `database_unavailable`
 */
export type Handshake = (query: URLSearchParams, connectionId: string | null) => Promise<WebhookAnswer>;

export function createHandshake(options: HandshakeOptions): Handshake {
  const { channel, token, directory, cipher, clock } = options;
  const guarded = createLookupGuard(clock);
  return async (query, connectionId) => {
    if (channel.handshake === undefined) throw new KonstructError('not_found');
    return channel.handshake(query, connectionId === null ? token : await tokenOf(connectionId));
  };

  async function tokenOf(connectionId: string): Promise<string | null> {
    const find = () => directory.find(channel.type, connectionId);
    const connection = await (directory.knownById(channel.type, connectionId) ?? guarded(find));
    if (connection === null) return null;
    const envelope = Buffer.from(connection.credentials, 'base64');
    const owner = connectionOwner(connection.tenantId, connection.id);
    return channel.handshakeToken?.(JSON.parse(cipher.decrypt(envelope, owner)) as Credentials) ?? null;
  }
}

import type { Channel, WebhookAnswer } from '../core/channel.ts';
import { type Cipher, connectionOwner } from '../core/cipher.ts';
import type { ConnectionDirectory } from '../core/connection-directory.ts';
import { KonstructError } from '../core/errors.ts';
import type { Credentials } from '../core/tenant.ts';

export interface HandshakeOptions {
  readonly channel: Channel;
  /** What the platform was told to say on the shared path; `null`: nothing. */
  readonly token: string | null;
  readonly directory: Pick<ConnectionDirectory, 'find'>;
  readonly cipher: Cipher;
}

/**
 * Answers the GET by which a platform checks our address.
 * @throws KonstructError `signature_invalid`, also for connections that do not exist: nobody can find out which do
 */
export type Handshake = (query: URLSearchParams, connectionId: string | null) => Promise<WebhookAnswer>;

export function createHandshake({ channel, token, directory, cipher }: HandshakeOptions): Handshake {
  return async (query, connectionId) => {
    if (channel.handshake === undefined) throw new KonstructError('not_found');
    return channel.handshake(query, connectionId === null ? token : await tokenOf(connectionId));
  };

  async function tokenOf(connectionId: string): Promise<string | null> {
    const connection = await directory.find(channel.type, connectionId);
    if (connection === null) return null;
    const envelope = Buffer.from(connection.credentials, 'base64');
    const owner = connectionOwner(connection.tenantId, connection.id);
    return channel.handshakeToken?.(JSON.parse(cipher.decrypt(envelope, owner)) as Credentials) ?? null;
  }
}

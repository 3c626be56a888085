import { type Cipher, connectionOwner } from './cipher.ts';
import type { ResolvedConnection } from './connection-directory.ts';
import type { ConnectionAccess } from './outbound.ts';
import type { Credentials } from './tenant.ts';

/** Decrypts a connection's credentials for one use. @throws KonstructError `credentials_unreadable` */
export function openAccess(
  cipher: Cipher,
  { tenantId, id, externalId, credentials }: ResolvedConnection,
): ConnectionAccess {
  const text = cipher.decrypt(Buffer.from(credentials, 'base64'), connectionOwner(tenantId, id));
  return { connectionId: id, externalId, credentials: JSON.parse(text) as Credentials };
}

import type { KonstructError } from '../../core/errors.ts';
import type { ConnectionAccess } from '../../core/outbound.ts';
import { readRecord } from '../read-json.ts';
import { googleError } from './google-error.ts';

/** What signs for the Chat app, from the JSON key that Google gives for it. */
export interface ServiceAccount {
  readonly email: string;
  readonly privateKey: string;
  readonly keyId: string;
  readonly projectId: string;
}

/**
 * Reads the key file of a connection. Where tokens are given is never taken from it: that would be a way to have the
 * proof of who we are sent elsewhere.
 *
 * @throws KonstructError `platform_rejected`: it is no key of a service account
 */
export function serviceAccountOf({ credentials }: Pick<ConnectionAccess, 'credentials'>): ServiceAccount {
  const file = readRecord(credentials.serviceAccount ?? '') ?? {};
  const { client_email: email, private_key: privateKey, private_key_id: keyId, project_id: projectId } = file;
  const isKey = typeof privateKey === 'string' && privateKey.startsWith('-----BEGIN PRIVATE KEY-----');
  if (file.type !== 'service_account' || typeof email !== 'string' || !isKey) throw serviceAccountMalformed();
  return {
    email,
    privateKey,
    keyId: typeof keyId === 'string' ? keyId : '',
    projectId: typeof projectId === 'string' ? projectId : '',
  };
}

/** No cause: it may quote the key. */
export function serviceAccountMalformed(): KonstructError {
  return googleError.rejected('login', 'service_account_malformed', {
    remedy:
      'Apply the whole JSON file of a key of the service account as `serviceAccount`; Google makes a new one under Keys.',
  });
}

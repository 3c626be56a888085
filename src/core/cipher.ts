import { createCipheriv, createDecipheriv, createHash, createSecretKey, randomBytes } from 'node:crypto';
import { KonstructError } from './errors.ts';

/**
 * Encrypts secrets at rest with AES-256-GCM, bound to an owner as associated data: a ciphertext copied to another
 * tenant's or connection's row does not decrypt.
 *
 * Envelope: version (1 byte) · key id (4 bytes, first of SHA-256 of the key) · IV (12) · tag (16) · ciphertext.
 * The key id lets old and new master keys live side by side during a rotation.
 */
export interface Cipher {
  encrypt(plaintext: string, owner: string): Buffer;
  /** @throws KonstructError `credentials_unreadable` */
  decrypt(envelope: Buffer, owner: string): string;
  /** Whether the envelope was made with the current key. */
  isCurrent(envelope: Buffer): boolean;
}

const VERSION = 1;
const HEADER_BYTES = 1 + 4;
const IV_BYTES = 12;
const TAG_BYTES = 16;
export const MASTER_KEY_BYTES = 32;

/** @param keys 32-byte master keys: the first encrypts, all decrypt. */
export function createCipher(keys: readonly [Buffer, ...Buffer[]]): Cipher {
  // A key object: from bytes one is made with every use, which costs four times what the decryption does.
  const ring = keys.map((bytes) => ({ id: keyId(bytes), key: createSecretKey(bytes) }));
  const current = ring[0] as (typeof ring)[number];
  return {
    encrypt(plaintext, owner) {
      const header = Buffer.concat([Buffer.of(VERSION), current.id]);
      const iv = randomBytes(IV_BYTES);
      const cipher = createCipheriv('aes-256-gcm', current.key, iv, { authTagLength: TAG_BYTES });
      cipher.setAAD(associatedData(header, owner));
      const body = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()]);
      return Buffer.concat([header, iv, cipher.getAuthTag(), body]);
    },
    decrypt(envelope, owner) {
      if (envelope.length < HEADER_BYTES + IV_BYTES + TAG_BYTES || envelope[0] !== VERSION) {
        throw new KonstructError('credentials_unreadable', 'Stored credentials are not in a known format.');
      }
      const header = envelope.subarray(0, HEADER_BYTES);
      const entry = ring.find(({ id }) => id.equals(header.subarray(1)));
      if (!entry) {
        throw new KonstructError(
          'credentials_unreadable',
          'Stored credentials were encrypted under another master key.',
        );
      }
      const iv = envelope.subarray(HEADER_BYTES, HEADER_BYTES + IV_BYTES);
      const tag = envelope.subarray(HEADER_BYTES + IV_BYTES, HEADER_BYTES + IV_BYTES + TAG_BYTES);
      const body = envelope.subarray(HEADER_BYTES + IV_BYTES + TAG_BYTES);
      const decipher = createDecipheriv('aes-256-gcm', entry.key, iv, { authTagLength: TAG_BYTES });
      decipher.setAAD(associatedData(header, owner));
      decipher.setAuthTag(tag);
      try {
        return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8');
      } catch (cause) {
        throw new KonstructError('credentials_unreadable', undefined, { cause });
      }
    },
    isCurrent(envelope) {
      return envelope.length > HEADER_BYTES && envelope.subarray(1, HEADER_BYTES).equals(current.id);
    },
  };
}

/** The owner of a connection's credentials, as associated data. */
export function connectionOwner(tenantId: string, connectionId: string): string {
  return `connection:${tenantId}:${connectionId}`;
}

/** The owner of a tenant's keys for a model provider, as associated data. */
export function modelKeysOwner(tenantId: string, provider: string): string {
  return `model-keys:${tenantId}:${provider}`;
}

/** The owner of a route's keys, as associated data. */
export function routeOwner(routeName: string): string {
  return `route:${routeName}`;
}

function keyId(key: Buffer): Buffer {
  if (key.length !== MASTER_KEY_BYTES) {
    throw new KonstructError(
      'config_invalid',
      `A master key has ${MASTER_KEY_BYTES} bytes, this one ${key.length}.`,
    );
  }
  return createHash('sha256').update(key).digest().subarray(0, 4);
}

function associatedData(header: Buffer, owner: string): Buffer {
  return Buffer.concat([header, Buffer.from(owner, 'utf8')]);
}

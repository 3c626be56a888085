import { generateKeyPairSync, sign } from 'node:crypto';

/** Signs tokens as a platform does (RS256), and says with which public key they can be checked. */
export interface RsaSigner {
  readonly keyId: string;
  /** As in a JWK set. */
  readonly jwk: Readonly<Record<string, unknown>>;
  /** PKCS #8, as key files have it. */
  readonly privatePem: string;
  token(claims: Readonly<Record<string, unknown>>, header?: Readonly<Record<string, unknown>>): string;
}

export function createRsaSigner(keyId: string): RsaSigner {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return {
    keyId,
    jwk: { ...publicKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid: keyId },
    privatePem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    token(claims, header = {}) {
      const signed = `${part({ typ: 'JWT', alg: 'RS256', kid: keyId, ...header })}.${part(claims)}`;
      return `${signed}.${sign('RSA-SHA256', Buffer.from(signed), privateKey).toString('base64url')}`;
    },
  };
}

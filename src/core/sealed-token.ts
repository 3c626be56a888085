import type { Cipher } from './cipher.ts';

/**
 * A value that goes through other people's hands and comes back as it was, until it expires: in a link, in an address.
 * It is encrypted under the master key and bound to its purpose, so nobody can make or change one, and a token for one
 * purpose is none for another.
 */
export function sealToken(
  cipher: Cipher,
  purpose: string,
  value: Readonly<Record<string, string>>,
  expiresAtMs: number,
): string {
  return cipher.encrypt(JSON.stringify({ ...value, expiresAtMs }), ownerOf(purpose)).toString('base64url');
}

/** The value of a token; `null`: it is none of ours, is for another purpose, or has expired. */
export function openToken(
  cipher: Cipher,
  purpose: string,
  token: string,
  nowMs: number,
): Readonly<Record<string, string>> | null {
  if (token.length > MAX_CHARACTERS || !/^[\w-]+$/.test(token)) return null;
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(cipher.decrypt(Buffer.from(token, 'base64url'), ownerOf(purpose)));
  } catch {
    return null;
  }
  const { expiresAtMs, ...rest } = value;
  return typeof expiresAtMs === 'number' && nowMs < expiresAtMs ? (rest as Record<string, string>) : null;
}

const MAX_CHARACTERS = 2_000;

function ownerOf(purpose: string): string {
  return `token:${purpose}`;
}

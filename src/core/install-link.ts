import type { Cipher } from './cipher.ts';
import { openToken, sealToken } from './sealed-token.ts';

/** For whom an installation is: the operator decides, and nobody who opens the link. */
export interface InstallLink {
  readonly tenantId: string;
  readonly agentId: string;
}

/** The address that an operator hands to whoever may install the app into a workspace. */
export function makeInstallLink(
  cipher: Cipher,
  channel: string,
  { tenantId, agentId }: InstallLink,
  address: { readonly publicUrl: string; readonly path: string; readonly expiresAtMs: number },
): string {
  const link = sealToken(cipher, purposeOf(channel), { tenantId, agentId }, address.expiresAtMs);
  return `${address.publicUrl}${address.path}?link=${link}`;
}

/** `null`: nobody here made it, or it has expired. */
export function readInstallLink(
  cipher: Cipher,
  channel: string,
  link: string,
  nowMs: number,
): InstallLink | null {
  const value = openToken(cipher, purposeOf(channel), link, nowMs);
  return value === null ? null : { tenantId: value.tenantId ?? '', agentId: value.agentId ?? '' };
}

function purposeOf(channel: string): string {
  return `install-link ${channel}`;
}

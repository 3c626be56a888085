import { isIP } from 'node:net';

const PRIVATE_V4 =
  /^(10\.|127\.|192\.168\.|169\.254\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.)/;
const PRIVATE_V6 = /^\[?(::1|f[cd][0-9a-f]{2}:|fe[89ab][0-9a-f]:)/;
/** Names that no public server has (RFC 6761, RFC 6762, RFC 8375, and `internal`, which ICANN reserved in 2024). */
const PRIVATE_NAME = /(^|\.)(localhost|local|internal|lan|home\.arpa)$/;

const LOOPBACK = /^(127\..*|\[::1\]|(.*\.)?localhost)$/;

/** Whether an address is this machine itself. */
export function isLoopback(baseUrl: string): boolean {
  const host = URL.parse(baseUrl)?.hostname.toLowerCase() ?? '';
  return LOOPBACK.test(host) && (isIP(host) === 4 || !host.startsWith('127.'));
}

/**
 * Whether an address is this machine or one in a network of its own: an address of such a range, a reserved name, or a name
 * without a dot, as containers and pods have it. What answers there sends no bill.
 */
export function isOwnMachine(baseUrl: string): boolean {
  const host = URL.canParse(baseUrl) ? new URL(baseUrl).hostname.toLowerCase() : '';
  if (host === '') return false;
  if (isIP(host) === 4) return PRIVATE_V4.test(host);
  if (host.startsWith('[')) return PRIVATE_V6.test(host);
  return PRIVATE_NAME.test(host) || !host.includes('.');
}

/**
 * A UUID of version 7 (RFC 9562): 48 bits of ms since 1970, then random bits. New rows of the ledger so come at the end
 * of its key, and retention goes along it.
 *
 * @param uuid any random UUID (version 4), such as `crypto.randomUUID()`
 */
export function createCallId(wallClockMs: number, uuid: string): string {
  const time = Math.floor(wallClockMs).toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${uuid.slice(15)}`;
}

/** `1712345678.123456`: seconds since 1970 and a counter, as a string. As a number it would lose digits. */
const TIMESTAMP = /^[0-9]{1,10}\.[0-9]{1,9}$/;

/** A message's `ts`, which is its id within the channel, or `null` if it is none. */
export function timestampId(value: unknown): string | null {
  return typeof value === 'string' && TIMESTAMP.test(value) ? value : null;
}

/** When a message was written, in ms since 1970, from its `ts`. */
export function timestampMs(timestamp: string): number {
  return Math.floor(Number(timestamp) * 1000);
}

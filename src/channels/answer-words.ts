/** When a platform says "slow down" without saying for how long. */
const DEFAULT_RETRY_AFTER_MS = 2_000;
const WORD = /^[A-Za-z][A-Za-z0-9_.]{0,79}$/;

/** What a `Retry-After` header says, in ms. A date is not what these platforms send. */
export function retryAfterMsOf(header: string | undefined): number {
  return header !== undefined && /^\d{1,7}$/.test(header) ? Number(header) * 1_000 : DEFAULT_RETRY_AFTER_MS;
}

/** A platform's own word for an error, if it is one: sentences may quote what was sent. */
export function wordOf(word: unknown, status: number): string {
  return typeof word === 'string' && WORD.test(word) ? word : `http_${status}`;
}

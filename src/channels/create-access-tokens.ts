import { createHash } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { KonstructError } from '../core/errors.ts';

export interface AccessToken {
  readonly token: string;
  readonly lifetimeMs: number;
}

/** Tokens that a platform gives for a secret, kept as long as they are good. */
export interface AccessTokens {
  /**
   * @param secrets everything that the token is given for: who knows less of it does not get the token
   * @param fetch asks the platform, within a deadline of its own; several who want the same wait for one
   * @throws KonstructError `aborted`, and what `fetch` throws
   */
  get(secrets: readonly string[], fetch: () => Promise<AccessToken>, signal: AbortSignal): Promise<string>;
  /** The platform does not take this token any more. */
  forget(secrets: readonly string[], token: string): void;
}

/** A token is exchanged this long before its end, while the old one still serves. */
const EARLY_MS = 300_000;
/** From here on it may end on its way. */
const TOO_LATE_MS = 30_000;
/** An answer that names no end, or a very long one. */
const MAX_LIFETIME_MS = 24 * 3_600_000;
const MAX_TOKENS = 10_000;

export function createAccessTokens(clock: Clock): AccessTokens {
  const kept = new Map<string, { readonly token: string; readonly untilMs: number }>();
  const fetching = new Map<string, Promise<string>>();

  const fetchOnce = (key: string, fetch: () => Promise<AccessToken>): Promise<string> => {
    const running = fetching.get(key);
    if (running !== undefined) return running;
    const started = (async () => {
      try {
        const { token, lifetimeMs } = await fetch();
        kept.delete(key);
        kept.set(key, { token, untilMs: clock() + Math.min(lifetimeMs, MAX_LIFETIME_MS) });
        const [oldest] = kept.keys();
        if (kept.size > MAX_TOKENS && oldest !== undefined) kept.delete(oldest);
        return token;
      } finally {
        fetching.delete(key);
      }
    })();
    fetching.set(key, started);
    return started;
  };

  return {
    async get(secrets, fetch, signal) {
      const key = keyOf(secrets);
      const known = kept.get(key);
      const leftMs = known === undefined ? 0 : known.untilMs - clock();
      if (known === undefined || leftMs <= TOO_LATE_MS) return unlessAborted(fetchOnce(key, fetch), signal);
      // Whoever is early pays nothing, also if the exchange fails: it is tried again by the next one.
      if (leftMs <= EARLY_MS) fetchOnce(key, fetch).catch(() => {});
      return known.token;
    },
    forget(secrets, token) {
      const key = keyOf(secrets);
      if (kept.get(key)?.token === token) kept.delete(key);
    },
  };
}

/** No secret is kept as a key, and no two lists of secrets have the same one. */
function keyOf(secrets: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(secrets)).digest('base64url');
}

/** What several wait for goes on when one of them does not want it any more. */
async function unlessAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  if (signal.aborted) throw new KonstructError('aborted');
  let abort = (): void => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    abort = () => reject(new KonstructError('aborted'));
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

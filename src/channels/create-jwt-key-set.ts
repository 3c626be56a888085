import { createPublicKey, type KeyObject } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { KonstructError } from '../core/errors.ts';
import { asRecords, type JsonRecord, readRecord } from './read-json.ts';
import { createRecentValues, type RecentValues } from './recent-values.ts';

/** A public key that a platform signs with. */
export interface JwtKey {
  readonly key: KeyObject;
  /** What checks the claims: loaded with the first key, and not looked for again with each token. */
  readonly jose: typeof import('jose');
  /** As it was published, with what the platform says about it beside the key itself. */
  readonly published: JsonRecord;
  /** Tokens that this key was found to have signed, see `verifyBearerToken`; they go with the key. */
  readonly believed: RecentValues<BelievedToken>;
}

/** What a token said when its signature was checked. */
export interface BelievedToken {
  readonly claims: JsonRecord;
  /** From when to when it may be believed without another look, in ms since 1970. */
  readonly fromMs: number;
  readonly untilMs: number;
}

export interface JwtKeySetOptions {
  /** Fetches the keys as the platform publishes them (JWK), within a deadline of its own. */
  readonly load: () => Promise<readonly JsonRecord[]>;
  readonly clock: Clock;
}

/** A platform's public keys, fetched when they are needed and kept. */
export interface JwtKeySet {
  /**
   * The key of this id; `null`: the platform has none.
   * @throws KonstructError `platform_unavailable`: the keys cannot be had
   */
  find(keyId: string): Promise<JwtKey | null>;
}

/** New keys are published long before anything is signed with them: looked at hourly they are known in time. */
const REFRESH_MS = 3_600_000;
/** What nobody could confirm for so long is not believed any more. */
const MAX_AGE_MS = 24 * 3_600_000;
/**
 * An id that nobody knows is looked up at most this often: anybody can write one into a token, and must not be able to
 * make us fetch as often as they like.
 */
const LOOK_AGAIN_MS = 30_000;
/** The same for keys that could not be had. */
const RETRY_MS = 1_000;
/** Tokens per key; each takes about half a kilobyte. */
const MAX_BELIEVED = 500;
/** RS256 takes no key that is shorter. */
const MIN_MODULUS_BYTES = 256;

export function createJwtKeySet({ load, clock }: JwtKeySetOptions): JwtKeySet {
  let published = new Map<string, JsonRecord>();
  let imported = new Map<string, Promise<JwtKey | null>>();
  let loadedAtMs = Number.NEGATIVE_INFINITY;
  let triedAtMs = Number.NEGATIVE_INFINITY;
  /** The latest look did not tell: an id that nobody knows may be a new one. */
  let didFail = false;
  let loading: Promise<void> | null = null;

  const refresh = (): Promise<void> => {
    loading ??= (async () => {
      triedAtMs = clock();
      try {
        const keys = await load();
        published = new Map(keys.flatMap((key) => (typeof key.kid === 'string' ? [[key.kid, key]] : [])));
        imported = new Map();
        loadedAtMs = clock();
        didFail = false;
      } catch (error) {
        didFail = true;
        throw error;
      } finally {
        loading = null;
      }
    })();
    return loading;
  };
  const mayTry = (pauseMs: number): boolean => loading !== null || clock() - triedAtMs >= pauseMs;

  /** @throws KonstructError `platform_unavailable` */
  const demand = async (): Promise<void> => {
    if (!mayTry(RETRY_MS)) throw keysUnavailable();
    try {
      await refresh();
    } catch (cause) {
      throw keysUnavailable(cause);
    }
  };

  return {
    async find(keyId) {
      const ageMs = clock() - loadedAtMs;
      if (ageMs >= MAX_AGE_MS) await demand();
      // Whoever asks now need not wait: what is known goes on being good.
      else if (ageMs >= REFRESH_MS && mayTry(LOOK_AGAIN_MS)) refresh().catch(() => {});
      if (!published.has(keyId) && mayTry(didFail ? RETRY_MS : LOOK_AGAIN_MS)) {
        try {
          await refresh();
        } catch (cause) {
          throw keysUnavailable(cause);
        }
      }
      const found = published.get(keyId);
      if (found === undefined) {
        if (didFail) throw keysUnavailable();
        return null;
      }
      let key = imported.get(keyId);
      if (key === undefined) {
        key = importKey(found, clock);
        imported.set(keyId, key);
      }
      return key;
    },
  };
}

/** Fields that a public RSA key consists of; what else stands beside them says nothing about the key. */
async function importKey(published: JsonRecord, clock: Clock): Promise<JwtKey | null> {
  const { kty, n, e } = published;
  if (kty !== 'RSA' || typeof n !== 'string' || typeof e !== 'string') return null;
  if (Buffer.from(n, 'base64url').length < MIN_MODULUS_BYTES) return null;
  const jose = await import('jose');
  try {
    const key = createPublicKey({ key: { kty, n, e }, format: 'jwk' });
    return { key, jose, published, believed: createRecentValues(MAX_BELIEVED, clock) };
  } catch {
    return null; // a key that is none vouches for nothing
  }
}

function keysUnavailable(cause?: unknown): KonstructError {
  return new KonstructError('platform_unavailable', 'The platform’s signing keys could not be fetched.', {
    details: { platformError: 'signing_keys_unavailable' },
    cause,
  });
}

/** The keys of a JWK set document; `null`: it is none. */
export function keysOfDocument(text: string): readonly JsonRecord[] | null {
  const keys = readRecord(text)?.keys;
  return Array.isArray(keys) ? asRecords(keys) : null;
}

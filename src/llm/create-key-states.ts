import { createHash } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { KeyFault } from './classify-failure.ts';

/** Names a key in logs and figures without telling it. */
export function keyIdOf(apiKey: string): string {
  return createHash('sha256').update(apiKey).digest('hex').slice(0, 8);
}

/** Who refused a key. Another address of the provider, a proxy for one, knows other keys. */
export interface KeyAddress {
  readonly provider: string;
  readonly host: string;
}

export interface KeySnapshot extends KeyAddress {
  readonly keyId: string;
  /** `dead`: the provider refused it, or its account is out of money; `limited`: it is at its rate limit. */
  readonly state: 'dead' | 'limited';
  /** Until when it is left alone, in ms since 1970. */
  readonly untilMs: number;
}

export interface KeyStates {
  /** The keys in the order in which to try them: usable ones, then those at their limit; dead ones are left out. */
  sort(address: KeyAddress, apiKeys: readonly (string | null)[]): readonly SortedKey[];
  /** The key is of no use for now. */
  markDead(address: KeyAddress, keyId: string, fault: KeyFault, status: number | null): void;
  /** The key is at its limit, for as long as the provider says (ms) or a second. */
  markLimited(address: KeyAddress, keyId: string, retryAfterMs: number | null): void;
  /** Those that are left alone at the moment. */
  snapshot(): readonly KeySnapshot[];
}

export interface SortedKey {
  readonly apiKey: string | null;
  readonly keyId: string | null;
  /** How long it is at its limit, in ms; 0: it is usable. */
  readonly limitedMs: number;
}

/** A dead key is tried again after this: what was wrong at the provider may have been put right. */
const DEAD_MS = 15 * 60_000;
const LIMITED_MS = 1_000;

/** Which keys the providers refused or limited, in the eyes of this process. */
export function createKeyStates(clock: Clock, log: Log): KeyStates {
  const states = new Map<string, KeySnapshot>();

  function stateOf(address: KeyAddress, keyId: string): KeySnapshot | null {
    const id = idOf(address, keyId);
    const found = states.get(id);
    if (found === undefined) return null;
    if (found.untilMs > clock()) return found;
    states.delete(id);
    return null;
  }

  return {
    sort(address, apiKeys) {
      if (states.size === 0 && apiKeys.length === 1) {
        const apiKey = apiKeys[0] ?? null;
        return [{ apiKey, keyId: apiKey === null ? null : keyIdOf(apiKey), limitedMs: 0 }];
      }
      return apiKeys
        .map((apiKey) => {
          const keyId = apiKey === null ? null : keyIdOf(apiKey);
          const state = keyId === null ? null : stateOf(address, keyId);
          const limitedMs = state?.state === 'limited' ? state.untilMs - clock() : 0;
          return { apiKey, keyId, limitedMs, isDead: state?.state === 'dead' };
        })
        .filter(({ isDead }) => !isDead)
        .sort((a, b) => a.limitedMs - b.limitedMs);
    },
    markDead(address, keyId, fault, status) {
      if (stateOf(address, keyId)?.state !== 'dead') {
        log.error('model.key_refused', { ...address, keyId, fault, status, setAsideMs: DEAD_MS });
      }
      states.set(idOf(address, keyId), { ...address, keyId, state: 'dead', untilMs: clock() + DEAD_MS });
    },
    markLimited(address, keyId, retryAfterMs) {
      if (stateOf(address, keyId)?.state === 'dead') return;
      const untilMs = clock() + (retryAfterMs ?? LIMITED_MS);
      states.set(idOf(address, keyId), { ...address, keyId, state: 'limited', untilMs });
    },
    snapshot: () => [...states.values()].filter((state) => stateOf(state, state.keyId) !== null),
  };
}

function idOf({ provider, host }: KeyAddress, keyId: string): string {
  return `${provider}\n${host}\n${keyId}`;
}

import {
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleWhen,
} from 'cockatiel';
import type { Log } from '../core/log.ts';

/** What became of a call, for its circuit: `neutral` says nothing about the provider, and a trial is left to the next. */
type Verdict = 'success' | 'failure' | 'neutral';

/** Leave to make one call. */
export interface Passage {
  /** A sign of life, be it a refusal: a half-open circuit closes. */
  alive(): void;
  /** Once, when the call is over. */
  done(verdict: Verdict): void;
}

export interface CircuitSnapshot {
  readonly provider: string;
  readonly model: string;
  readonly host: string;
  /** Names the key without telling it; `null`: there is none. */
  readonly keyId: string | null;
  readonly state: 'closed' | 'open' | 'half_open';
}

export interface CircuitPolicy {
  /** So many failures in a row open a circuit. */
  readonly failures: number;
  /** How long it stays open before one call may try, in ms. */
  readonly openMs: number;
}

const defaultCircuitPolicy: CircuitPolicy = { failures: 5, openMs: 10_000 };

type CircuitName = Omit<CircuitSnapshot, 'state'>;

export interface Circuits {
  /** `null`: the circuit is open, or half open with its one call under way. */
  enter(name: CircuitName): Passage | null;
  /** Those that were used. */
  snapshot(): readonly CircuitSnapshot[];
}

const MAX_CIRCUITS = 2_000;

class Failed extends Error {}
class Neutral extends Error {}

const stateNames: Readonly<Record<CircuitState, CircuitSnapshot['state']>> = {
  [CircuitState.Closed]: 'closed',
  [CircuitState.Open]: 'open',
  [CircuitState.HalfOpen]: 'half_open',
  [CircuitState.Isolated]: 'open',
};

/**
 * A circuit breaker per provider, model and key: what failed again and again is left alone for a while, then tried with
 * one call. The breakers are cockatiel's. Its half-open state makes others wait for the call that tries; ours do not:
 * they go to the next model.
 */
export function createCircuits(log: Log, policy: CircuitPolicy = defaultCircuitPolicy): Circuits {
  const circuits = new Map<string, ReturnType<typeof openCircuit>>();

  function openCircuit(name: CircuitName) {
    // Only what is thrown as `Failed` counts; a neutral end is thrown as something else and leaves a closed circuit as it is.
    const breaker = circuitBreaker(
      handleWhen((error) => error instanceof Failed),
      {
        halfOpenAfter: policy.openMs,
        breaker: new ConsecutiveBreaker(policy.failures),
      },
    );
    breaker.onStateChange((state) => {
      const fields = { ...name, state: stateNames[state] };
      if (state === CircuitState.Open) log.warn('model.circuit_open', fields);
      else log.info('model.circuit_changed', fields);
    });
    return { name, breaker, vacantTrial: null as Trial | null };
  }

  return {
    enter(name) {
      const id = `${name.provider}\n${name.model}\n${name.host}\n${name.keyId}`;
      let circuit = circuits.get(id);
      if (circuit === undefined) {
        circuit = openCircuit(name);
        circuits.set(id, circuit);
        if (circuits.size > MAX_CIRCUITS) circuits.delete(circuits.keys().next().value ?? id);
      }
      return pass(circuit);
    },
    snapshot: () =>
      [...circuits.values()].map(({ name, breaker }) => ({ ...name, state: stateNames[breaker.state] })),
  };
}

type Trial = PromiseWithResolvers<void>;

interface Circuit {
  readonly breaker: CircuitBreakerPolicy;
  /** The one call of a half-open circuit, begun for the breaker and given up by who had it. */
  vacantTrial: Trial | null;
}

function pass(circuit: Circuit): Passage | null {
  const { breaker } = circuit;
  if (stateNames[breaker.state] === 'half_open') {
    const trial = circuit.vacantTrial;
    circuit.vacantTrial = null;
    return trial && trialPassage(circuit, trial);
  }
  const verdict = Promise.withResolvers<void>();
  let entered = false;
  // The breaker calls this at once, or never when it is open.
  breaker
    .execute(() => {
      entered = true;
      return verdict.promise;
    })
    .catch(() => undefined);
  if (!entered) return null;
  if (stateNames[breaker.state] === 'half_open') return trialPassage(circuit, verdict);
  return {
    alive: () => undefined,
    done(outcome) {
      if (outcome === 'success') verdict.resolve();
      else verdict.reject(outcome === 'failure' ? new Failed() : new Neutral());
    },
  };
}

function trialPassage(circuit: Circuit, trial: Trial): Passage {
  let isOver = false;
  const decide = (settle: () => void): void => {
    if (isOver) return;
    isOver = true;
    settle();
  };
  return {
    alive: () => decide(trial.resolve),
    done(outcome) {
      decide(() => {
        if (outcome === 'success') trial.resolve();
        else if (outcome === 'failure') trial.reject(new Failed());
        // A trial that was cancelled has shown nothing: for the breaker it goes on, with the next caller.
        else circuit.vacantTrial = trial;
      });
    },
  };
}

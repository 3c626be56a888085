import type { Metrics } from '../core/metrics.ts';

/** What stands in the way of model calls, as the pool tells it. */
interface ModelStates {
  readonly circuits: readonly { readonly provider: string; readonly model: string; readonly state: string }[];
  readonly keys: readonly { readonly provider: string; readonly state: 'dead' | 'limited' }[];
  readonly limits: readonly {
    readonly provider: string;
    readonly running: number;
    readonly waiting: number;
  }[];
}

/** Sets the gauges of the model pool whenever metrics are read. What was told of once is told of as 0 when it is over. */
export function watchModels(metrics: Metrics, snapshot: () => ModelStates): void {
  const circuitsOf = counting((labels: { readonly provider: string; readonly model: string }) =>
    metrics.gauge('konstruct_model_circuits_open', labels),
  );
  const keysOf = counting((labels: { readonly provider: string; readonly state: string }) =>
    metrics.gauge('konstruct_model_keys_set_aside', labels),
  );
  metrics.onCollect(() => {
    const { circuits, keys, limits } = snapshot();
    circuitsOf(
      circuits.filter(({ state }) => state !== 'closed').map(({ provider, model }) => ({ provider, model })),
    );
    keysOf(keys.map(({ provider, state }) => ({ provider, state })));
    for (const { provider, running, waiting } of limits) {
      metrics.gauge('konstruct_model_calls', { provider, state: 'running' }).set(running);
      metrics.gauge('konstruct_model_calls', { provider, state: 'waiting' }).set(waiting);
    }
  });
}

/** Sets each gauge to how often its labels are in a list, and those of earlier lists to 0. */
function counting<Labels extends object>(
  gaugeOf: (labels: Labels) => { set(value: number): void },
): (all: readonly Labels[]) => void {
  const known = new Map<string, Labels>();
  return (all) => {
    const counts = new Map<string, number>([...known.keys()].map((key) => [key, 0]));
    for (const labels of all) {
      const key = JSON.stringify(labels);
      known.set(key, labels);
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    for (const [key, count] of counts) gaugeOf(known.get(key) as Labels).set(count);
  };
}

/**
 * Every metric an installation has, in one table: name, kind, labels and what it says. `docs/guides/run-in-production.md`
 * and the alerts in `deploy/` are tested against it.
 *
 * A label has few values, whatever tenants do: none names a tenant, a person, a conversation or a channel of a platform.
 * Durations are in seconds, as Prometheus wants them.
 */
export const metricTable = {
  konstruct_info: gauge('Always 1; says which version and role the process has.', ['version', 'role']),
  konstruct_ready: gauge('1 while the process takes part, 0 while it starts or stops.', []),
  konstruct_requests_total: counter('Requests of platforms, by how they were answered.', [
    'channel',
    'outcome',
  ]),
  konstruct_ack_seconds: histogram(
    'From a request of a platform to its ack; what is in it is durable then.',
    ['channel'],
    [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3],
  ),
  konstruct_events_total: counter('Events in acked requests, by what became of them.', [
    'channel',
    'outcome',
  ]),
  konstruct_visitor_streams: gauge('Browsers with a web chat that are connected to this process.', []),
  konstruct_queue_waiting: gauge(
    'Conversations that are due and wait for a worker, in the whole installation (counted to 10,000).',
    [],
  ),
  konstruct_queue_oldest_seconds: gauge('How long the oldest of them has been waiting.', []),
  konstruct_tenants_busy: gauge('Tenants whose people are told that answers take a while.', []),
  konstruct_turns_running: gauge('Turns this process is running.', []),
  konstruct_turns_total: counter('Turns that ended or were put back, by outcome.', ['outcome']),
  konstruct_turn_placeholder_seconds: histogram(
    'From the first message of a turn being stored to its placeholder being shown.',
    [],
    [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
  ),
  konstruct_turn_answer_seconds: histogram(
    'From the first message of a turn being stored to its answer being delivered.',
    [],
    [0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 600],
  ),
  konstruct_dead_letters_total: counter('Turns that were given up, by error code.', ['reason']),
  konstruct_lease_losses_total: counter(
    'Leases another worker had taken over, by where this one learned of it.',
    ['at'],
  ),
  konstruct_deliveries_total: counter('What was sent to platforms, by kind and outcome.', [
    'channel',
    'kind',
    'outcome',
  ]),
  konstruct_notices_total: counter('Notices outside of turns, by what they say and their outcome.', [
    'code',
    'outcome',
  ]),
  konstruct_feedback_total: counter(
    'What people thought of answers, by the 👍 and 👎 they put on or took off.',
    ['channel', 'verdict'],
  ),
  konstruct_platform_rate_limited_total: counter('Calls that a platform refused because of its limits.', [
    'channel',
  ]),
  konstruct_model_attempts_total: counter('Calls to models, by how they ended.', [
    'provider',
    'model',
    'outcome',
  ]),
  konstruct_model_attempt_seconds: histogram(
    'How long a call to a model took, whatever came of it.',
    ['provider', 'model'],
    [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80],
  ),
  konstruct_model_tokens_total: counter('Tokens of answered calls, as the provider reports them.', [
    'provider',
    'model',
    'kind',
  ]),
  konstruct_model_circuits_open: gauge(
    'Circuits to a model that are open or half open: one per address and key.',
    ['provider', 'model'],
  ),
  konstruct_model_keys_set_aside: gauge(
    'Model keys that are left alone: dead, refused by the provider; limited, at its rate limit.',
    ['provider', 'state'],
  ),
  konstruct_model_calls: gauge('Calls to providers with a limit of ours, running and waiting.', [
    'provider',
    'state',
  ]),
  konstruct_model_cost_usd_total: counter(
    'What settled calls to models cost, in US dollars, where the price is known.',
    ['provider', 'model'],
  ),
  konstruct_budget_thresholds_total: counter(
    'Budgets of which 80 % were spent, once per budget, period and limit.',
    ['scope', 'period'],
  ),
  konstruct_budget_refusals_total: counter(
    'Model calls that were not made because a budget did not allow their worst case.',
    ['scope', 'period'],
  ),
  konstruct_database_connections: gauge('Connections of a pool to PostgreSQL, busy and idle.', [
    'pool',
    'state',
  ]),
  konstruct_database_waiting: gauge('Calls that wait for a connection of a pool.', ['pool']),
  konstruct_redis_up: gauge(
    '1 while Redis answers, 0 while PostgreSQL does it all (always without REDIS_URL).',
    [],
  ),
  konstruct_redis_messages_total: counter(
    'Messages, by what Redis said of them; fallen_back: it was away, slow or refused.',
    ['outcome'],
  ),
} as const satisfies Record<string, MetricEntry>;

type MetricTable = typeof metricTable;
export type MetricName = keyof MetricTable;
type NameOf<Kind extends MetricEntry['kind']> = {
  [Name in MetricName]: MetricTable[Name]['kind'] extends Kind ? Name : never;
}[MetricName];
/** A value for each label of a metric, and for no other. */
export type LabelsOf<Name extends MetricName> = Readonly<Record<MetricTable[Name]['labels'][number], string>>;

export interface Counter {
  /** @param by not negative; 1 by default */
  increment(by?: number): void;
}

export interface Histogram {
  observe(seconds: number): void;
}

export interface Gauge {
  set(value: number): void;
}

/**
 * What the stages count with. Each call returns what belongs to these labels, the same every time; on a hot path it is
 * asked for once and kept.
 */
export interface Metrics {
  counter<Name extends NameOf<'counter'>>(name: Name, labels: LabelsOf<Name>): Counter;
  histogram<Name extends NameOf<'histogram'>>(name: Name, labels: LabelsOf<Name>): Histogram;
  gauge<Name extends NameOf<'gauge'>>(name: Name, labels: LabelsOf<Name>): Gauge;
  /**
   * Registers something that sets gauges right before they are read: for what has a state instead of events (a queue, a
   * pool, a breaker). One that fails is logged, and what it would have set keeps its last value. Must not wait long.
   */
  onCollect(collector: () => void | Promise<void>): void;
}

const nothing = { increment() {}, observe() {}, set() {} };

/** Counts nothing. */
export const noMetrics: Metrics = {
  counter: () => nothing,
  histogram: () => nothing,
  gauge: () => nothing,
  onCollect() {},
};

interface MetricEntry {
  readonly kind: 'counter' | 'histogram' | 'gauge';
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds of a histogram's buckets, in seconds. */
  readonly buckets: readonly number[];
}

function counter<const Label extends string>(help: string, labels: readonly Label[]) {
  return { kind: 'counter', help, labels, buckets: [] } as const;
}

function gauge<const Label extends string>(help: string, labels: readonly Label[]) {
  return { kind: 'gauge', help, labels, buckets: [] } as const;
}

function histogram<const Label extends string>(
  help: string,
  labels: readonly Label[],
  buckets: readonly number[],
) {
  return { kind: 'histogram', help, labels, buckets } as const;
}

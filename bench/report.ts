import { type ConnectionsFigures, wantedMegabytes } from './connections.ts';
import type { AcksSample } from './measures/acks.ts';
import type { AddedTimeSample } from './measures/added-time.ts';
import type { BurstSample } from './measures/burst.ts';
import type { FaultsResult } from './measures/faults.ts';
import type { TurnsSample } from './measures/turns.ts';
import { modelTargets, type StreamCost } from './model-streams.ts';
import { type IngestResults, ingestLines, ingestTargets } from './report-ingest.ts';
import type { ContenderName } from './support/contenders.ts';
import { summarise } from './support/statistics.ts';

type PerContender<Result> = ReadonlyMap<ContenderName, Result>;

/** What a run found; a part that was not wanted is absent. */
export interface BenchResults extends IngestResults {
  readonly acks?: PerContender<readonly AcksSample[]>;
  readonly turns?: PerContender<readonly TurnsSample[]>;
  readonly burst?: PerContender<readonly BurstSample[]>;
  readonly addedTime?: PerContender<readonly AddedTimeSample[]>;
  /** Before the burst. */
  readonly peakMemoryMb?: PerContender<number>;
  readonly peakMemoryAfterBurstMb?: PerContender<number>;
  readonly faults?: PerContender<FaultsResult>;
  readonly connections?: ConnectionsFigures;
  readonly models?: readonly StreamCost[];
}

const everybody: readonly ContenderName[] = [
  'Konstruct',
  'Konstruct, full',
  'bare Node',
  'Bolt 5',
  'Bolt 5 + AI SDK',
];

/** The results as Markdown: figures of all contenders, then the targets and whether they are met. */
export function formatReport(results: BenchResults): string {
  const { acks, turns, burst, addedTime, peakMemoryMb, faults } = results;
  const measured = [acks, turns, burst, addedTime, peakMemoryMb, faults];
  const contenders = everybody.filter((name) => measured.some((result) => result?.has(name)));
  const rowsOf = rowsFor(contenders);
  const rows = [
    ...rowsOf(acks, [
      ['acks/s', (sample) => sample.acksPerSecond, 0],
      ['CPU per ack, Node, µs', (sample) => sample.nodeMicroseconds, 0],
      ['CPU per ack, PostgreSQL, µs', (sample) => sample.postgresMicroseconds, 0],
    ]),
    ...rowsOf(turns, [
      ['whole turns/s', (sample) => sample.turnsPerSecond, 0],
      ['CPU per whole turn, Node, ms', (sample) => sample.nodeMs, 2],
      ['CPU per whole turn, PostgreSQL, ms', (sample) => sample.postgresMs, 2],
      ['CPU per whole turn, ms', (sample) => sample.nodeMs + sample.postgresMs, 2],
    ]),
    ...rowsOf(addedTime, [
      ['time added to a 200 ms model, p50, ms', (sample) => sample.p50Ms, 1],
      ['time added to a 200 ms model, p99, ms', (sample) => sample.p99Ms, 1],
      ['CPU per whole turn at 50/s, Node, ms', (sample) => sample.nodeMs, 2],
      ['CPU per whole turn at 50/s, PostgreSQL, ms', (sample) => sample.postgresMs, 2],
    ]),
    ...rowsOf(wrap(peakMemoryMb), [['peak memory of the Node process, MB', (mb) => mb, 0]]),
    ...rowsOf(burst, [
      ['2,000 messages over 200 tenants, until the last answer, s', (sample) => sample.seconds, 2],
      ['of these not answered exactly once', (sample) => sample.notOnce, 0],
      ['CPU for each of them, Node, ms', (sample) => sample.nodeMs, 2],
      ['CPU for each of them, PostgreSQL, ms', (sample) => sample.postgresMs, 2],
    ]),
    ...rowsOf(wrap(results.peakMemoryAfterBurstMb), [['the same after the burst', (mb) => mb, 0]]),
    ...rowsOf(wrap(faults), [
      ['lost of 600, killed midway', (result) => result.lostOf600, 0],
      ['answered twice after the kill', (result) => result.doubledAfterKill, 0],
      ['answered twice of 300 that came twice', (result) => result.doubledOf300, 0],
    ]),
  ];
  const lines = [
    `| median (least–most) | ${contenders.join(' | ')} |`,
    `|---|${contenders.map(() => '---|').join('')}`,
    ...rows,
  ];
  lines.push(...ingestLines(results));
  const targets = targetsOf(results);
  if (targets.length > 0) {
    lines.push('', '| target | wanted | measured | |', '|---|---|---|---|');
    for (const { name, wanted, measured, met } of targets) {
      lines.push(`| ${name} | ${wanted} | ${measured} | ${met ? 'met' : '**missed**'} |`);
    }
  }
  return `${lines.join('\n')}\n`;
}

/** The results as they go into a file. */
export function toJson(results: BenchResults): string {
  return JSON.stringify(
    results,
    (_key, value: unknown) => (value instanceof Map ? Object.fromEntries(value) : value),
    2,
  );
}

type Column<Sample> = readonly [title: string, value: (sample: Sample) => number, digits: number];

function rowsFor(contenders: readonly ContenderName[]) {
  return <Sample>(
    samples: PerContender<readonly Sample[]> | undefined,
    columns: readonly Column<Sample>[],
  ): readonly string[] => {
    if (!samples) return [];
    return columns.map(([title, value, digits]) => {
      const cells = contenders.map((name) => {
        const values = samples.get(name)?.map(value) ?? [];
        if (values.length === 0) return '–';
        const { median, min, max } = summarise(values);
        if (values.length === 1) return median.toFixed(digits);
        return `${median.toFixed(digits)} (${min.toFixed(digits)}–${max.toFixed(digits)})`;
      });
      return `| ${title} | ${cells.join(' | ')} |`;
    });
  };
}

function wrap<Result>(
  results: PerContender<Result> | undefined,
): PerContender<readonly Result[]> | undefined {
  return results && new Map([...results].map(([name, result]) => [name, [result]]));
}

interface Target {
  readonly name: string;
  readonly wanted: string;
  readonly measured: string;
  readonly met: boolean;
}

/** docs/performance.md says where these numbers come from. */
function targetsOf(results: BenchResults): readonly Target[] {
  const targets: Target[] = [];
  const { acks, turns, burst, addedTime, peakMemoryMb, faults } = results;
  const ratio = (name: string, wanted: number, isMet: boolean, value: number, sign: '≥' | '≤'): void => {
    if (Number.isNaN(value)) return;
    targets.push({ name, wanted: `${sign} ${wanted} ×`, measured: `${value.toFixed(2)} ×`, met: isMet });
  };
  const limit = (name: string, wanted: number, unit: string, value: number | undefined): void => {
    if (value === undefined) return;
    const measured = `${value.toFixed(Number.isInteger(value) ? 0 : value < 10 ? 2 : 1)} ${unit}`.trim();
    targets.push({ name, wanted: `≤ ${wanted} ${unit}`.trim(), measured, met: value <= wanted });
  };
  const atLeast = (name: string, wanted: number, values: readonly number[]): void => {
    if (values.length === 0) return;
    const { median } = summarise(values);
    targets.push({ name, wanted: `≥ ${wanted}`, measured: median.toFixed(0), met: median >= wanted });
  };
  // Why both, the figures and the ratios: docs/decisions/0012-speed-targets.md.
  atLeast('acks/s', 3_900, acks?.get('Konstruct')?.map(({ acksPerSecond }) => acksPerSecond) ?? []);
  atLeast('whole turns/s', 400, turns?.get('Konstruct')?.map(({ turnsPerSecond }) => turnsPerSecond) ?? []);
  const cpuPerTurn = turns?.get('Konstruct')?.map(({ nodeMs, postgresMs }) => nodeMs + postgresMs);
  if (cpuPerTurn) limit('CPU per whole turn, with the database', 2.5, 'ms', summarise(cpuPerTurn).median);
  if (acks) {
    const value = medianRatio(acks, (sample) => sample.acksPerSecond);
    ratio('acks/s against Bolt', 1.3, value >= 1.3, value, '≥');
  }
  if (turns) {
    const value = medianRatio(turns, (sample) => sample.turnsPerSecond);
    ratio('whole turns/s against Bolt', 2, value >= 2, value, '≥');
    const cpuOf = (sample: TurnsSample) => sample.nodeMs + sample.postgresMs;
    const cpu = medianRatio(turns, cpuOf);
    ratio('CPU per whole turn, with the database, against Bolt', 1, cpu <= 1, cpu, '≤');
    const withSdk = medianRatio(turns, cpuOf, 'Bolt 5 + AI SDK');
    ratio('the same against Bolt with the AI SDK', 1, withSdk <= 1, withSdk, '≤');
  }
  if (burst) {
    const value = medianRatio(burst, (sample) => sample.seconds);
    ratio('2,000 messages over 200 tenants against Bolt', 0.75, value <= 0.75, value, '≤');
    limit(
      'of these not answered exactly once',
      0,
      '',
      worst(burst, ({ notOnce }) => notOnce),
    );
  }
  // Beside a million messages, each of these may take twice as long.
  const beside = <Sample>(
    name: string,
    samples: PerContender<readonly Sample[]> | undefined,
    cost: (sample: Sample) => number,
  ): void => {
    const value = samples ? 1 / medianRatio(samples, cost, 'Konstruct, full') : Number.NaN;
    ratio(`${name}, beside a million messages`, 2, value <= 2, value, '≤');
  };
  beside('time per ack', acks, ({ acksPerSecond }) => 1 / acksPerSecond);
  beside('time per whole turn', turns, ({ turnsPerSecond }) => 1 / turnsPerSecond);
  beside('CPU per whole turn', turns, ({ nodeMs, postgresMs }) => nodeMs + postgresMs);
  beside('2,000 messages', burst, ({ seconds }) => seconds);
  beside('added time, p50', addedTime, ({ p50Ms }) => p50Ms);
  beside('added time, p99', addedTime, ({ p99Ms }) => p99Ms);
  const added = addedTime?.get('Konstruct');
  if (added) {
    limit('added time, p50', 6, 'ms', summarise(added.map(({ p50Ms }) => p50Ms)).median);
    limit('added time, p99', 20, 'ms', summarise(added.map(({ p99Ms }) => p99Ms)).median);
  }
  limit('peak memory of Node', 150, 'MB', peakMemoryMb?.get('Konstruct'));
  limit('lost of 600', 0, '', faults?.get('Konstruct')?.lostOf600);
  limit('answered twice after a kill', 0, '', faults?.get('Konstruct')?.doubledAfterKill);
  limit('answered twice of 300', 0, '', faults?.get('Konstruct')?.doubledOf300);
  for (const [name, perSecond] of ingestTargets(results)) atLeast(`${name}, per second`, 10_000, [perSecond]);
  if (results.connections) {
    const { added, addedMegabytes } = results.connections;
    limit(`memory of ${added} connections more`, wantedMegabytes(added), 'MB', addedMegabytes);
  }
  targets.push(...modelTargets(results.models ?? []));
  return targets;
}

/** Of all our rounds, also of the full database. */
function worst<Sample>(
  samples: PerContender<readonly Sample[]>,
  value: (sample: Sample) => number,
): number | undefined {
  const ours = [...(samples.get('Konstruct') ?? []), ...(samples.get('Konstruct, full') ?? [])];
  return ours.length === 0 ? undefined : Math.max(...ours.map(value));
}

/** Ours over a peer's, round by round: what disturbed a round disturbed both. */
function medianRatio<Sample>(
  samples: PerContender<readonly Sample[]>,
  value: (sample: Sample) => number,
  peer: ContenderName = 'Bolt 5',
): number {
  const ours = samples.get('Konstruct') ?? [];
  const theirs = samples.get(peer) ?? [];
  const ratios = ours.flatMap((sample, round) => {
    const other = theirs[round];
    return other === undefined ? [] : [value(sample) / value(other)];
  });
  return ratios.length === 0 ? Number.NaN : summarise(ratios).median;
}

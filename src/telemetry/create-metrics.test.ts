import { expect, it } from 'vitest';
import { recordingLog } from '../../test/support/recording-log.ts';
import { metricTable } from '../core/metrics.ts';
import { createMetrics } from './create-metrics.ts';

const silent = { debug() {}, info() {}, warn() {}, error() {} };

it('writes what was counted in Prometheus’ text format', async () => {
  const metrics = createMetrics({ process: false, log: silent });
  metrics.counter('konstruct_turns_total', { outcome: 'answered' }).increment();
  metrics.counter('konstruct_turns_total', { outcome: 'answered' }).increment(2);
  metrics.histogram('konstruct_ack_seconds', { channel: 'slack' }).observe(0.004);
  metrics.gauge('konstruct_ready', {}).set(1);
  const { contentType, body } = await metrics.read();
  expect(contentType).toMatch(/^text\/plain; version=0\.0\.4/);
  const lines = body.split('\n');
  expect(lines).toContain('# TYPE konstruct_turns_total counter');
  expect(lines).toContain('konstruct_turns_total{outcome="answered"} 3');
  expect(lines).toContain('konstruct_ack_seconds_bucket{le="0.002",channel="slack"} 0');
  expect(lines).toContain('konstruct_ack_seconds_bucket{le="0.005",channel="slack"} 1');
  expect(lines).toContain('konstruct_ack_seconds_count{channel="slack"} 1');
  expect(lines).toContain('konstruct_ready 1');
});

it('gives the same child for the same labels, and another for others', () => {
  const metrics = createMetrics({ process: false, log: silent });
  const one = metrics.counter('konstruct_events_total', { channel: 'slack', outcome: 'new' });
  expect(metrics.counter('konstruct_events_total', { channel: 'slack', outcome: 'new' })).toBe(one);
  expect(metrics.counter('konstruct_events_total', { channel: 'slack', outcome: 'context' })).not.toBe(one);
});

it('asks collectors before it is read, and goes on without one that fails', async () => {
  const log = recordingLog();
  const metrics = createMetrics({ process: false, log });
  let waiting = 0;
  metrics.onCollect(() => Promise.reject(new Error('away')));
  metrics.onCollect(async () => {
    waiting += 7;
    metrics.gauge('konstruct_queue_waiting', {}).set(waiting);
  });
  expect((await metrics.read()).body).toContain('\nkonstruct_queue_waiting 7\n');
  expect((await metrics.read()).body).toContain('\nkonstruct_queue_waiting 14\n');
  expect(log.lines.filter(({ event }) => event === 'metrics.collector_failed')).toHaveLength(2);
});

it('knows the process and its event loop when it is asked to', async () => {
  const { body } = await createMetrics({ process: true, log: silent }).read();
  for (const name of [
    'process_resident_memory_bytes',
    'process_cpu_seconds_total',
    'nodejs_eventloop_lag_p99_seconds',
  ])
    expect(body).toMatch(new RegExp(`^${name} [0-9.e-]+$`, 'm'));
});

it('has no label that grows with tenants, people or conversations', () => {
  const labels = new Set(Object.values(metricTable).flatMap((entry): readonly string[] => entry.labels));
  expect(
    [...labels].filter((label) => /tenant|person|user|conversation|connection|agent|turn/.test(label)),
  ).toEqual([]);
});

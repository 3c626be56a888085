import { describe, expect, it } from 'vitest';
import type { Journey, JourneyStage } from '../../../../src/simulator/control-api.ts';
import { formatDuration, journeyTimeline } from './journey-timeline.ts';

function journey(outcome: Journey['outcome'], stages: readonly JourneyStage[]): Journey {
  return {
    workspaceId: 'T',
    channelId: 'C',
    messageId: '1',
    threadId: null,
    startedAtMs: 1000,
    stages,
    outcome,
  };
}

const begin: readonly JourneyStage[] = [
  { stage: 'received', atMs: 1000, durationMs: null },
  { stage: 'admitted', atMs: 1005, durationMs: 3 },
  { stage: 'claimed', atMs: 1010, durationMs: null },
];

describe('journeyTimeline', () => {
  it('measures from the receipt and gives stages that were not measured the way to them', () => {
    const { rows, totalMs } = journeyTimeline(journey('answered', begin), 0);
    expect(totalMs).toBe(10);
    const byStage = new Map(rows.map((row) => [row.stage, row]));
    expect(byStage.get('received')).toMatchObject({ state: 'done', reachedMs: 0, tookMs: 0 });
    expect(byStage.get('admitted')).toMatchObject({ reachedMs: 5, tookMs: 3, from: 0.2, to: 0.5 });
    expect(byStage.get('claimed')).toMatchObject({ reachedMs: 10, tookMs: 5, from: 0.5, to: 1 });
    expect(byStage.get('model')).toMatchObject({ state: 'skipped', reachedMs: null });
  });

  it('lets the stage that comes next grow with the clock', () => {
    const { rows, totalMs } = journeyTimeline(journey('running', begin), 1050);
    expect(totalMs).toBe(50);
    expect(rows.filter(({ state }) => state === 'running')).toEqual([
      { stage: 'placeholder', state: 'running', reachedMs: null, tookMs: 40, from: 0.2, to: 1, detail: null },
    ]);
    expect(rows.find(({ stage }) => stage === 'model')?.state).toBe('waiting');
  });

  it('shows a failure after the stages, with its reason', () => {
    const failed: JourneyStage = {
      stage: 'failed',
      atMs: 1030,
      durationMs: null,
      detail: 'model_unavailable',
    };
    const { rows } = journeyTimeline(journey('failed', [...begin, failed]), 0);
    expect(rows.at(-1)).toMatchObject({ stage: 'failed', state: 'failed', detail: 'model_unavailable' });
  });

  it('has no bars to divide by zero when everything happened at once', () => {
    const { rows } = journeyTimeline(journey('ignored', begin.slice(0, 1)), 0);
    expect(rows[0]).toMatchObject({ from: 0, to: 0 });
  });
});

describe('formatDuration', () => {
  it('uses the unit a person would', () => {
    expect([0.04, 3.21, 12.4, 999.4, 999.6, 1240, 125_000].map(formatDuration)).toEqual([
      '0.0 ms',
      '3.2 ms',
      '12 ms',
      '999 ms',
      '1.00 s',
      '1.24 s',
      '2 min 5 s',
    ]);
  });
});

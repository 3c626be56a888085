import { describe, expect, it } from 'vitest';
import type { Fault, FaultPlan } from '../../../../src/simulator/control-api.ts';
import { activeFault, activeTroubles, type FaultPreset, faultPresets, withPreset } from './fault-presets.ts';

const limits = { workspaceId: null, remaining: null, untilMs: null };
const foreign: Fault = { id: 'f1', kind: 'api_error', error: 'not_in_channel', ...limits };
const plan: FaultPlan = {
  pairOrder: 'message_first',
  pairGapMs: 0,
  realRateLimits: false,
  faults: [foreign],
};

function preset(id: string): FaultPreset {
  const found = faultPresets.find((candidate) => candidate.id === id);
  if (!found) throw new Error(`There is no preset ${id}.`);
  return found;
}

describe('withPreset', () => {
  it('adds to what is there and sends no ids', () => {
    expect(withPreset(plan, preset('duplicates'), true, 0)).toEqual([
      { kind: 'api_error', error: 'not_in_channel', ...limits },
      { kind: 'event_duplicate', copies: 1 },
    ]);
  });

  it('lets an outage end by itself', () => {
    expect(withPreset(plan, preset('outage'), true, 1000).at(-1)).toEqual({
      kind: 'outage',
      untilMs: 16_000,
    });
  });

  it('takes away its own fault only', () => {
    const cut: Fault = { id: 'f2', kind: 'api_cut_after', method: 'chat.postMessage', ...limits };
    const other: Fault = { id: 'f3', kind: 'api_cut_after', method: 'chat.update', ...limits };
    const both: FaultPlan = { ...plan, faults: [cut, other] };
    expect(activeFault(both, preset('outcome-unknown'))).toBe(cut);
    expect(withPreset(both, preset('outcome-unknown'), false, 0)).toEqual([
      { kind: 'api_cut_after', method: 'chat.update', ...limits },
    ]);
  });
});

describe('activeTroubles', () => {
  it('names every fault, also one without a switch', () => {
    const down: Fault = { id: 'f4', kind: 'outage', ...limits };
    expect(activeTroubles({ ...plan, realRateLimits: true, faults: [down, foreign] })).toEqual([
      'Slack is down',
      'api error',
      'Slack’s real limits',
    ]);
  });
});

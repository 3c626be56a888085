import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { silentLog } from '../../test/support/silent-log.ts';
import { type Circuits, createCircuits } from './create-circuits.ts';

const name = { provider: 'openai', model: 'm', host: 'llm.example.com', keyId: null };

describe('the trial of a half-open circuit', () => {
  let circuits: Circuits;
  const state = () => circuits.snapshot()[0]?.state;
  beforeEach(async () => {
    vi.useFakeTimers();
    circuits = createCircuits(silentLog, { failures: 1, openMs: 1_000 });
    circuits.enter(name)?.done('failure');
    await vi.advanceTimersByTimeAsync(0);
    expect(circuits.enter(name)).toBeNull();
    await vi.advanceTimersByTimeAsync(1_000);
  });
  afterEach(() => vi.useRealTimers());

  it('goes to the next caller, and to one at a time, when it says nothing', async () => {
    const first = circuits.enter(name);
    expect(circuits.enter(name)).toBeNull();
    first?.done('neutral');
    first?.done('neutral');
    await vi.advanceTimersByTimeAsync(0);
    expect(state()).toBe('half_open');
    const second = circuits.enter(name);
    expect(second).not.toBeNull();
    expect(circuits.enter(name)).toBeNull();
    second?.done('success');
    await vi.advanceTimersByTimeAsync(0);
    expect(state()).toBe('closed');
  });

  it('is that of one provider, model, address and key alone', () => {
    circuits.enter(name);
    expect(circuits.enter(name)).toBeNull();
    for (const other of [{ provider: 'azure' }, { model: 'n' }, { host: 'other.example' }, { keyId: '1' }]) {
      expect(circuits.enter({ ...name, ...other }), JSON.stringify(other)).not.toBeNull();
    }
  });

  it('opens it again when the next caller fails', async () => {
    circuits.enter(name)?.done('neutral');
    circuits.enter(name)?.done('failure');
    await vi.advanceTimersByTimeAsync(0);
    expect(state()).toBe('open');
    expect(circuits.enter(name)).toBeNull();
  });

  it('closes it with a sign of life, however it ends', async () => {
    const passage = circuits.enter(name);
    passage?.alive();
    passage?.done('neutral');
    await vi.advanceTimersByTimeAsync(0);
    expect(state()).toBe('closed');
  });
});

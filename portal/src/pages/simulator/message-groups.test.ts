import { describe, expect, it } from 'vitest';
import { dayLabel, timeLabel } from './message-groups.ts';

const at = (text: string): number => new Date(text).getTime();

describe('dayLabel', () => {
  it('counts days as people do, from midnight', () => {
    const now = at('2026-03-05T00:10:00');
    expect(dayLabel(at('2026-03-05T00:01:00'), now)).toBe('Today');
    expect(dayLabel(at('2026-03-04T23:59:00'), now)).toBe('Yesterday');
    expect(dayLabel(at('2026-03-02T12:00:00'), now)).toMatch(/Monday,? 2 March/);
  });
});

describe('timeLabel', () => {
  it('has two digits each', () => {
    expect(timeLabel(at('2026-03-05T09:05:00'))).toBe('09:05');
  });
});

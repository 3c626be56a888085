import { beforeEach, describe, expect, it } from 'vitest';
import { createPacing, type Pacing } from './pacing.ts';

const NO_LIMIT = Number.POSITIVE_INFINITY;
let nowMs: number;
let pacing: Pacing;

beforeEach(() => {
  nowMs = 1_000_000;
  pacing = createPacing(() => nowMs);
});

describe('createPacing', () => {
  it('lets ten messages into a channel at once, then one a second', () => {
    const waits = Array.from({ length: 13 }, () => pacing.reservePost('c', 'C1', NO_LIMIT));
    expect(waits).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1000, 2000, 3000]);
  });

  it('fills up again by one a second', () => {
    for (let count = 0; count < 10; count += 1) pacing.reservePost('c', 'C1', NO_LIMIT);
    nowMs += 3000;
    const waits = Array.from({ length: 4 }, () => pacing.reservePost('c', 'C1', NO_LIMIT));
    expect(waits).toEqual([0, 0, 0, 1000]);
  });

  it('keeps connections, channels and messages apart', () => {
    for (let count = 0; count < 10; count += 1) pacing.reservePost('c', 'C1', NO_LIMIT);
    expect(pacing.reservePost('c', 'C2', NO_LIMIT)).toBe(0);
    expect(pacing.reservePost('d', 'C1', NO_LIMIT)).toBe(0);
    expect(pacing.reserveEdit('c', 'C1', '1.1', NO_LIMIT)).toBe(0);
    expect(pacing.reserveEdit('c', 'C1', '1.2', NO_LIMIT)).toBe(0);
    expect(pacing.reserveEdit('c', 'C1', '1.1', NO_LIMIT)).toBe(0);
    expect(pacing.reserveEdit('c', 'C1', '1.1', NO_LIMIT)).toBe(1000);
  });

  it('takes no place for one who would have to wait too long', () => {
    for (let count = 0; count < 10; count += 1) pacing.reservePost('c', 'C1', NO_LIMIT);
    expect(pacing.reservePost('c', 'C1', 999)).toBeNull();
    expect(pacing.reservePost('c', 'C1', 999)).toBeNull();
    expect(pacing.reservePost('c', 'C1', 1000)).toBe(1000);
  });

  it('holds a method of a connection until the time Slack named', () => {
    pacing.hold('c', 'chat.postMessage', 5000);
    pacing.hold('c', 'chat.postMessage', 1000);
    expect(pacing.heldMs('c', 'chat.postMessage')).toBe(5000);
    expect(pacing.heldMs('c', 'chat.update')).toBe(0);
    expect(pacing.heldMs('d', 'chat.postMessage')).toBe(0);
    nowMs += 5000;
    expect(pacing.heldMs('c', 'chat.postMessage')).toBe(0);
  });

  it('forgets a million idle channels', () => {
    const before = process.memoryUsage().heapUsed;
    for (let index = 0; index < 1_000_000; index += 1) {
      nowMs += 10;
      pacing.reservePost('c', `C${index}`, NO_LIMIT);
    }
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(100 * 1024 * 1024);
  });
});

import { describe, expect, it } from 'vitest';
import { createPacing } from './pacing.ts';

const group = { chatId: -100, topicId: null };
const person = { chatId: 7, topicId: null };

/** Places that are given out within a minute to somebody who always takes the next one. */
function takenInAMinute(place: typeof group, messageId: string | null): number {
  let now = 0;
  const pacing = createPacing(() => now);
  let taken = 0;
  while (now < 60_000) {
    const waitMs = pacing.reserve('c', place, messageId, 60_000) ?? 60_000;
    now += waitMs;
    if (now < 60_000) taken += 1;
  }
  return taken;
}

describe('createPacing', () => {
  it('gives a group 20 messages in a minute and a person one a second after a burst', () => {
    expect(takenInAMinute(group, null)).toBeLessThanOrEqual(20);
    expect(takenInAMinute(group, null)).toBeGreaterThanOrEqual(19);
    expect(takenInAMinute(person, null)).toBeLessThanOrEqual(65);
  });

  it('lets one message be edited about once a second, also with room in its chat', () => {
    const pacing = createPacing(() => 0);
    expect(pacing.reserve('c', person, '1', 5_000)).toBe(0);
    expect(pacing.reserve('c', person, '1', 5_000)).toBe(0);
    expect(pacing.reserve('c', person, '2', 5_000)).toBe(0);
    expect(pacing.reserve('c', person, '1', 5_000)).toBe(1_000);
  });

  it('counts topics of a group together, and other groups and bots apart', () => {
    const pacing = createPacing(() => 0);
    for (let taken = 0; taken < 10; taken += 1) pacing.reserve('c', { ...group, topicId: taken }, null, 0);
    expect(pacing.reserve('c', group, null, 60_000)).toBe(6_000);
    expect(pacing.reserve('c', { chatId: -200, topicId: null }, null, 0)).toBe(0);
    expect(pacing.reserve('d', group, null, 0)).toBe(0);
  });

  it('takes no place that would come too late, and holds the chat that Telegram limits', () => {
    let now = 0;
    const pacing = createPacing(() => now);
    for (let taken = 0; taken < 10; taken += 1) pacing.reserve('c', group, null, 0);
    expect(pacing.reserve('c', group, null, 5_999)).toBeNull();
    expect(pacing.reserve('c', group, null, 6_000)).toBe(6_000);
    pacing.hold('c', group, 9_000);
    expect(pacing.heldMs('c', group)).toBe(9_000);
    expect(pacing.heldMs('c', person)).toBe(0);
    now = 9_000;
    expect(pacing.heldMs('c', group)).toBe(0);
  });
});

import { describe, expect, it } from 'vitest';
import { KonstructError } from '../core/errors.ts';
import { describeFailure } from './describe-failure.ts';

function exhausted(details: Readonly<Record<string, unknown>>): string {
  const base = {
    reason: 'limit',
    scope: 'tenant',
    unit: 'nanoUsd',
    limit: 123_456_789,
    spent: 123_000_000,
    isHeld: false,
    resetsAt: '2026-11-23T23:00:00.000Z',
    timeZone: 'Europe/Berlin',
  };
  return describeFailure(
    new KonstructError('budget_exhausted', undefined, { details: { ...base, ...details } }),
    1,
  );
}

describe('what is said when a budget is used up', () => {
  it('is when it begins anew by the clock of the tenant, and no amount', () => {
    expect(exhausted({ period: 'day' })).toBe(
      'My budget for today is used up, so I stopped; it begins anew on 24 November at 00:00 (Europe/Berlin).',
    );
    const resetsAt = '2026-11-30T18:30:00.000Z';
    expect(exhausted({ period: 'month', scope: 'person', timeZone: 'Asia/Kolkata', resetsAt })).toBe(
      'My budget for your questions for this month is used up, so I stopped; it begins anew on 1 December at 00:00 (Asia/Kolkata).',
    );
  });

  it('does not speak of tomorrow where that is not true', () => {
    expect(exhausted({ period: 'turn', resetsAt: null })).toMatch(/one answer, so I stopped/);
    expect(exhausted({ period: 'day', isHeld: true })).toMatch(/again in a few minutes/);
    expect(exhausted({ reason: 'unpriced', period: 'day' })).toMatch(/nobody has said what it costs/);
  });

  it('does not promise another day where no day would do', () => {
    const needed = 200_000_000;
    expect(exhausted({ period: 'day', spent: 0, needed })).toBe(
      'My budget is too small for what an answer to this may cost, and waiting does not help. Please ask me for something smaller, or tell whoever looks after me.',
    );
    expect(exhausted({ period: 'month', scope: 'person', needed })).toMatch(
      /^My budget for your questions is too small/,
    );
    expect(exhausted({ period: 'day', needed: 100_000_000 })).toMatch(/begins anew/);
  });

  it('never holds an amount', () => {
    for (const period of ['day', 'month', 'turn']) {
      expect(exhausted({ period })).not.toMatch(/\$|USD|dollar|\d{3}/);
    }
  });
});

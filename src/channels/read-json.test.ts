import { expect, it } from 'vitest';
import { asDateMs, asShownNumber, asTimeMs, isWritable } from './read-json.ts';

it.each([
  [1_700_000_000_123, 1_700_000_000_123],
  [Date.UTC(9999, 11, 31), Date.UTC(9999, 11, 31)],
  [Date.UTC(10_000, 0, 1), 0],
  [Number.MAX_SAFE_INTEGER, 0],
  [-1, 0],
  [1.5, 0],
  [Number.POSITIVE_INFINITY, 0],
])('a time of %d ms is taken as %d', (given, taken) => {
  expect(asTimeMs(given)).toBe(taken);
});

it.each([
  ['2026-03-05T10:00:00.123Z', Date.UTC(2026, 2, 5, 10, 0, 0, 123)],
  ['+275760-09-13T00:00:00.000Z', 0],
  ['0001-01-01T00:00:00Z', 0],
  ['tomorrow', 0],
  [['2026-03-05'], 0],
])('a date of %j is taken as %d', (given, taken) => {
  expect(asDateMs(given)).toBe(taken);
});

it.each([
  [2, '2'],
  [-1.5, '-1.5'],
  ['12.50', '12.50'],
  [Number.POSITIVE_INFINITY, '?'],
  ['1e3', '?'],
  [[3], '?'],
  [{ valueOf: 1, toString: 1 }, '?'],
  [undefined, '?'],
])('a number of %j is shown as %s', (given, shown) => {
  expect(asShownNumber(given)).toBe(shown);
});

it('what is nested without end is not written again', () => {
  expect(isWritable({ a: [1, { b: null }] })).toBe(true);
  expect(isWritable(JSON.parse('['.repeat(20_000) + ']'.repeat(20_000)))).toBe(false);
});

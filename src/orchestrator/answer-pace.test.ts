import { expect, it } from 'vitest';
import { createAnswerPace } from './answer-pace.ts';

it('watches a route that nobody knows, and one that was slow lately', () => {
  const pace = createAnswerPace();
  expect(pace.isSlow('default')).toBe(true);
  pace.note('default', 200);
  expect(pace.isSlow('default')).toBe(false);
  pace.note('default', 1_500);
  pace.note('default', 1_500);
  expect(pace.isSlow('default')).toBe(true);
  expect(pace.isSlow('smart')).toBe(true);
});

import { expect, it } from 'vitest';
import { nearestName } from './nearest-name.ts';

const known = ['persona', 'placeholder', 'instructions', 'role', 'slug'];

it.each([
  ['persna', 'persona'],
  ['peronsa', 'persona'],
  ['place_holder', 'placeholder'],
  ['Instruction', 'instructions'],
  ['slugg', 'slug'],
])('takes %s for %s', (name, meant) => {
  expect(nearestName(name, known)).toBe(meant);
});

it('has no suggestion for something else', () => {
  expect(nearestName('colour', known)).toBeNull();
  expect(nearestName('x', known)).toBeNull();
  expect(nearestName('role', [])).toBeNull();
});

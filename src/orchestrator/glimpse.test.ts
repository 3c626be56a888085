import { expect, it } from 'vitest';
import { glimpse } from './glimpse.ts';

const whole = (text: string) => [text];

it.each([
  ['Refunds take', 'Refunds take …'],
  ['Refunds take \n\n', 'Refunds take …'],
  ['```js\nconst a = 1;', '```js\nconst a = 1;\n```\n…'],
  ['````md\n```js\n```', '````md\n```js\n```\n````\n…'],
  ['~~~\n```', '~~~\n```\n~~~\n…'],
  ['```\na\n```\nand', '```\na\n```\nand …'],
])('shows %j so that it is whole for now', (text, shown) => {
  expect(glimpse(text, whole)).toBe(shown);
});

it('shows the first part of what is too long for one message', () => {
  expect(glimpse('one two', (text) => text.split(' '))).toBe('one');
});

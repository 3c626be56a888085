import { expect, it } from 'vitest';
import { seededRandom } from '../../../../test/support/slack-request.ts';
import { HandledSequence } from './handled-sequence.ts';

it('names the number up to which all are done, in whichever order they are', () => {
  const sequence = new HandledSequence();
  for (const number of [1, 2, 3, 4]) expect(sequence.begin(number)).toBe(true);
  sequence.done(3);
  expect(sequence.handled).toBe(0);
  sequence.done(1);
  expect(sequence.handled).toBe(1);
  sequence.done(2);
  expect(sequence.handled).toBe(3);
  expect(sequence.begin(2)).toBe(false);
  sequence.done(4);
  expect([sequence.handled, sequence.open]).toEqual([4, 0]);
});

it('takes again what was not done, when its session is gone on with', () => {
  const sequence = new HandledSequence();
  for (const number of [1, 2, 3]) sequence.begin(number);
  sequence.done(1);
  sequence.done(3);
  sequence.goOn();
  expect([sequence.handled, sequence.open]).toEqual([1, 0]);
  expect([1, 2, 3].map((number) => sequence.begin(number))).toEqual([false, true, true]);
});

it('never names one that is not done, whatever the order', () => {
  const random = seededRandom(3);
  for (let round = 0; round < 200; round += 1) {
    const sequence = new HandledSequence();
    const open: number[] = [];
    const done = new Set<number>();
    let next = 1;
    for (let step = 0; step < 60; step += 1) {
      if (open.length === 0 || random() < 0.5) {
        sequence.begin(next);
        open.push(next);
        next += 1 + Math.floor(random() * 2);
      } else {
        const [number = 0] = open.splice(Math.floor(random() * open.length), 1);
        sequence.done(number);
        done.add(number);
      }
      expect(open.every((number) => number > sequence.handled)).toBe(true);
      if (open.length === 0) expect(sequence.handled).toBe(Math.max(0, ...done));
    }
  }
});

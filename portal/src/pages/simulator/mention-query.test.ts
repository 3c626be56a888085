import { describe, expect, it } from 'vitest';
import type { ControlUser } from '../../../../src/simulator/control-api.ts';
import { insertMention, matchingUsers, mentionAt } from './mention-query.ts';

const mara: ControlUser = { id: 'U1', handle: 'mara', name: 'Mara Lindqvist', title: '', isAgent: false };
const ada: ControlUser = { id: 'U2', handle: 'ada', name: 'Ada', title: '', isAgent: true };

describe('mentionAt', () => {
  it('finds the name at the caret', () => {
    expect(mentionAt('ask @Ma', 7)).toEqual({ start: 4, end: 7, text: 'ma' });
    expect(mentionAt('@', 1)).toEqual({ start: 0, end: 1, text: '' });
  });

  it('leaves mail addresses and finished mentions alone', () => {
    expect(mentionAt('me@ada', 6)).toBeNull();
    expect(mentionAt('@ada hi', 7)).toBeNull();
  });
});

describe('matchingUsers', () => {
  it('offers the agent first', () => {
    expect(matchingUsers([mara, ada], { start: 0, end: 1, text: '' })).toEqual([ada, mara]);
  });

  it('matches the handle and every part of the name', () => {
    expect(matchingUsers([mara, ada], { start: 0, end: 1, text: 'lind' })).toEqual([mara]);
    expect(matchingUsers([mara, ada], { start: 0, end: 1, text: 'x' })).toEqual([]);
  });
});

describe('insertMention', () => {
  it('replaces what was typed and keeps what follows', () => {
    expect(insertMention('ask @li today', { start: 4, end: 7, text: 'li' }, mara)).toEqual({
      text: 'ask @mara today',
      caret: 10,
    });
    expect(insertMention('@a', { start: 0, end: 2, text: 'a' }, ada)).toEqual({ text: '@Ada ', caret: 5 });
  });
});

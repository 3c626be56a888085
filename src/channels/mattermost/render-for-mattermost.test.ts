import { describe, expect, it } from 'vitest';
import { pingsOf } from '../../../test/support/mattermost/pings-of.ts';
import { seededRandom } from '../../../test/support/seeded-random.ts';
import { MAX_CHARACTERS, renderForMattermost, splitForMattermost } from './render-for-mattermost.ts';

describe('markdown for Mattermost', () => {
  it('is what it was, but for what calls somebody or fetches a picture', () => {
    const usual =
      '# Title\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- [x] **done** _so_ `code` [link](https://a.example) mara@acme.example &amp; 5 € @ noon';
    expect(renderForMattermost(usual)).toBe(usual);
    expect(renderForMattermost('@all @Channel, @here!')).toBe('@\u200ball @\u200bChannel, @\u200bhere!');
    expect(renderForMattermost('![x](https://evil.example/?secret)')).toBe(
      '!\u200b[x](https://evil.example/?secret)',
    );
    expect(renderForMattermost('&#8364; &#64;all')).toBe('&#8364; &\u200b#64;all');
  });

  it.each([
    ['@mara', '@\u200bmara'],
    ['**@Mara.K**: yes', '**@\u200bMara.K**: yes'],
    ['ask x.@mara or \\@mara', 'ask x.@\u200bmara or \\@\u200bmara'],
    ['@m&#97;ra and @\\_x', '@\u200bm&\u200b#97;ra and @\u200b\\_x'],
    ['mara@acme.example, mara@all.example, a.b+c@here.com', null],
    ['see https://medium.com/@mara/post', 'see https://medium.com/%40mara/post'],
    [
      '[it](https://a.example/@mara) www.a.example/@mara',
      '[it](https://a.example/%40mara) www.a.example/%40mara',
    ],
    ['ssh://me@host.example and https://a:b@host.example', null],
  ])('%j calls nobody', (markdown, rendered) => {
    expect(renderForMattermost(markdown)).toBe(rendered ?? markdown);
  });

  it.each([
    ['between fences', '```ts\n@all @mara &#64;here ![x](y)\n```', true],
    ['between fences that nobody closes', 'text\n~~~\n@channel', true],
    ['behind a fence that is indented, which Mattermost may read as text', '  ```\n  @all\n  ```', false],
    ['behind waves with a backtick, which are no fence to Mattermost', '~~~ `\n@all', false],
    ['behind what Mattermost takes for its end', '```\nx\n``` ``\n@all', false],
    ['within a line', 'use `@all` or (`npm i @types/node`), ``@a`b``', true],
    ['behind a stray sign', 'a ` b\nuse `@all` here', false],
    ['in a new paragraph behind a stray sign', 'a ` b\n\nuse `@all` here', true],
    ['behind an escaped sign', '\\`@all`', false],
    ['within an address', 'http://a.example/`@all`', false],
    ['behind a sign in a title', '[x](/u "a ` b") c @all ` d', false],
  ])('code %s is left alone: %j %s', (_where, markdown, isKept) => {
    expect(renderForMattermost(markdown) === markdown).toBe(isKept);
    expect(pingsOf(renderForMattermost(markdown))).toEqual([]);
  });

  it('keeps every character of 5,000 texts in their order, and all code between fences', () => {
    const random = seededRandom(7);
    const pieces = [
      ...[
        '@all',
        '@channel',
        '@here',
        '@HERE',
        '&#64;',
        '&commat;',
        '&#x61;',
        '![',
        '](',
        '`',
        '``',
        '**',
        '~~',
        '_',
        '@mara',
        '@mara.k',
        'mara@',
        '@\\',
        'https://a.example/',
        ' www.a.example',
        ' "',
        ')',
        '<',
        '.',
        ' `@mara` ',
        '``@a`b``',
      ],
      ...['\n', '\n\n', '> ', '- ', '    ', '\\', ' ', 'word', 'é', '😀', '\u200b', '@', '&', '!', '#'],
      ...['\n```\n@all in code\n```\n', '\n~~~js\n![@here]\n~~~\n', '\n```\n', '```', '~~~'],
    ];
    for (let round = 0; round < 5_000; round += 1) {
      const length = 1 + Math.floor(random() * 60);
      const markdown = Array.from({ length }, () => pieces[Math.floor(random() * pieces.length)]).join('');
      const rendered = renderForMattermost(markdown);
      const read = rendered.replaceAll('%40', '@').replaceAll('\u200b', '');
      expect(read, markdown).toBe(markdown.replaceAll('\u200b', ''));
      expect(pingsOf(rendered), markdown).toEqual([]);
    }
  });

  it('is cut so that each part, with what keeps signs apart, is within the limit', () => {
    const parts = splitForMattermost('@all '.repeat(20_000));
    expect(parts.length).toBeGreaterThan(6);
    for (const part of parts) expect(renderForMattermost(part).length).toBeLessThanOrEqual(MAX_CHARACTERS);
  });
});

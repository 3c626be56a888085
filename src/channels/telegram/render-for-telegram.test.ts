import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../test/support/slack-request.ts';
import { MAX_ENTITIES, renderForTelegram } from './render-for-telegram.ts';
import { MAX_CHARACTERS, splitForTelegram } from './split-for-telegram.ts';

/** Entities as `type:text`, in order. */
function spans(markdown: string): string[] {
  const { text, entities } = renderForTelegram(markdown);
  return entities.map(({ type, offset, length, url, language }) =>
    [type, text.slice(offset, offset + length), url ?? language].filter(Boolean).join(':'),
  );
}

describe('renderForTelegram', () => {
  it.each([
    ['plain words', 'plain words', []],
    ['**bold** and *italic*', 'bold and italic', ['bold:bold', 'italic:italic']],
    [
      '__bold__ and _italic_ and ~~gone~~',
      'bold and italic and gone',
      ['bold:bold', 'italic:italic', 'strikethrough:gone'],
    ],
    ['***both***', 'both', ['bold:both', 'italic:both']],
    ['**a *b* c**', 'a b c', ['bold:a b c', 'italic:b']],
    ['snake_case_name and 2 * 3 * 4', 'snake_case_name and 2 * 3 * 4', []],
    ['5*3*2, x**2**y, 2~~x~~y', '5*3*2, x**2**y, 2~~x~~y', []],
    ['print(*a,*b) and count(*), sum(*)', 'print(*a,*b) and count(*), sum(*)', []],
    ['src/*.ts and src/**/*.js, t/**/*.js', 'src/*.ts and src/**/*.js, t/**/*.js', []],
    ['__init__.py, __init__(x), x.__name__', '__init__.py, __init__(x), x.__name__', []],
    ['*args and *this*', '*args and this', ['italic:this']],
    ['**API**s, 这是**重点**内容', 'APIs, 这是重点内容', ['bold:API', 'bold:重点']],
    ['单价*数量*折扣', '单价*数量*折扣', []],
    ['# About C#', 'About C#', ['bold:About C#']],
    ['# About ##', 'About', ['bold:About']],
    ['`**code**`', '**code**', ['code:**code**']],
    ['``a ` b``', 'a ` b', ['code:a ` b']],
    ['**a `b` c**', 'a b c', ['bold:a ', 'code:b', 'bold: c']],
    ['**open and `open', '**open and `open', []],
    ['\\*not italic\\*', '*not italic*', []],
    ['# Title', 'Title', ['bold:Title']],
    ['# The **big** `one`', 'The big one', ['bold:The big ', 'code:one']],
    ['- one\n  - **two**', '• one\n  • two', ['bold:two']],
    ['[site](https://example.com/a_(b)) now', 'site now', ['text_link:site:https://example.com/a_(b)']],
    [
      '[**bold** `code`](https://example.com)',
      'bold code',
      ['text_link:bold code:https://example.com', 'bold:bold'],
    ],
    ['![chart](https://example.com/c.png)', 'chart', ['text_link:chart:https://example.com/c.png']],
    ['<https://example.com>', 'https://example.com', []],
    ['> quoted\n> **more**\nafter', 'quoted\nmore\nafter', ['blockquote:quoted\nmore', 'bold:more']],
    ['```ts\nconst a = 1 < 2;\n```', 'const a = 1 < 2;', ['pre:const a = 1 < 2;:ts']],
    [
      '> said **so**:\n> ```py\n> def __init__(self, *a)\n> ```\n> and _more_',
      'said so:\ndef __init__(self, *a)\nand more',
      [
        'blockquote:said so:',
        'bold:so',
        'pre:def __init__(self, *a):py',
        'blockquote:and more',
        'italic:more',
      ],
    ],
    ['> > x\n> > ```\n> > *c*\n> > ```\n> y', '> x\n*c*\ny', ['blockquote:> x', 'pre:*c*', 'blockquote:y']],
    ['a\n\n    *x*\n\n      y\nb', 'a\n\n*x*\n\n  y\nb', ['pre:*x*\n\n  y']],
    ['a\n    *b*', 'a\n    b', ['italic:b']],
    ['- a\n\n    *b*\n\n1. c', '• a\n\n    b\n\n1. c', ['italic:b']],
    ['    - *a*', '    • a', ['italic:a']],
    ['1. ```js\n   *a*\n   ```', '1. \n   *a*', ['pre:   *a*:js']],
    ['~~~\n```\n~~~', '```', ['pre:```']],
    ['```\nnever closed', 'never closed', ['pre:never closed']],
    [
      '| a | b |\n|---|---|\n| 1 | 2 |',
      '| a | b |\n|---|---|\n| 1 | 2 |',
      ['pre:| a | b |\n|---|---|\n| 1 | 2 |'],
    ],
    ['***\nbelow', '———\nbelow', []],
    ['<b>&amp;</b>', '<b>&amp;</b>', []],
    ['😀 **né** 👩‍👩‍👧', '😀 né 👩‍👩‍👧', ['bold:né']],
  ])('%j', (markdown, text, expected) => {
    expect(renderForTelegram(markdown).text).toBe(text);
    expect(spans(markdown)).toEqual(expected);
  });

  it.each([
    ['ask @tom, please', 'ask @\u200btom, please', []],
    ['**ask @tom** or `@bo`', 'ask @\u200btom or @bo', ['bold:ask @\u200btom', 'code:@bo']],
    ['@**tom** and @_bo_', '@\u200btom and @\u200bbo', ['bold:tom', 'italic:bo']],
    ['@`tom`', '@\u200btom', ['code:tom']],
    ['`@`tom', '@\u200btom', ['code:@\u200b']],
    ['```\n@types/node\n```', '@types/node', ['pre:@types/node']],
    ['write to tom@acme.example, né@acme.example', 'write to tom@acme.example, né@acme.example', []],
    ['see https://a.example/@tom/1', 'see https://a.example/%40tom/1', []],
    ['[@tom](https://a.example/@tom)', '@\u200btom', ['text_link:@\u200btom:https://a.example/@tom']],
    ['5 @ 3 and @é', '5 @ 3 and @é', []],
  ])('calls upon nobody: %j', (markdown, text, expected) => {
    expect(renderForTelegram(markdown).text).toBe(text);
    expect(spans(markdown)).toEqual(expected);
  });

  it('makes no link that a person could be pinged or tricked with', () => {
    for (const url of [
      'tg://user?id=1',
      'javascript:alert(1)',
      '//example.com',
      'https://',
      'file:///etc/passwd',
    ]) {
      const markdown = `[click](${url})`;
      expect(renderForTelegram(markdown)).toEqual({ text: markdown, entities: [] });
    }
  });

  it('takes 100,000 characters of unclosed delimiters in no time to speak of', () => {
    for (const hostile of ['*a ', '**a', '`', '[', '_a', '[a](', '<', '\\', '***', '~~a ', '|\n|-|-|\n']) {
      const markdown = hostile.repeat(4096 / hostile.length);
      expect(renderForTelegram(markdown).text.length).toBeLessThanOrEqual(markdown.length);
    }
  });
});

const pieces = [
  '**',
  '*',
  '_',
  '__',
  '~~',
  '`',
  '``',
  '```\n',
  '\n```js\n',
  '\n\n',
  '\n',
  ' ',
  '> ',
  '# ',
  '- ',
  '1. ',
  '[',
  '](https://e.x/y)',
  ')',
  '<',
  '>',
  '&',
  '&lt;',
  '\\',
  '|',
  '\n|-|-|\n',
  '😀',
  'é',
  'word',
  'two words',
  '@name',
  '/cmd',
  '\u200d',
  '---',
  '~~~',
];

describe('any markdown', () => {
  const random = seededRandom(7);
  const markdowns = Array.from({ length: 3_000 }, () =>
    Array.from(
      { length: 1 + Math.floor(random() * 60) },
      () => pieces[Math.floor(random() * pieces.length)],
    ).join(''),
  );

  it('becomes text with entities that Telegram takes, and loses no word', () => {
    for (const markdown of markdowns) {
      const { text, entities } = renderForTelegram(markdown);
      expect(text.replaceAll('\u200b', '').replaceAll('%40', '@').length).toBeLessThanOrEqual(
        markdown.length,
      );
      expect(entities.length).toBeLessThanOrEqual(MAX_ENTITIES);
      for (const [index, { type, offset, length, url }] of entities.entries()) {
        expect(length).toBeGreaterThan(0);
        expect(offset + length).toBeLessThanOrEqual(text.length);
        expect(text.slice(offset, offset + length).isWellFormed(), 'no entity cuts a character').toBe(true);
        expect(type === 'text_link').toBe(url !== undefined);
        for (const other of entities.slice(index + 1)) {
          const apart = other.offset >= offset + length;
          const inside = other.offset + other.length <= offset + length;
          expect(apart || inside, JSON.stringify({ markdown, entities })).toBe(true);
          if (type === 'code' || type === 'pre')
            expect(apart, JSON.stringify({ markdown, entities })).toBe(true);
        }
      }
      const urls = entities.map(({ url, language }) => url ?? language ?? '').join(' ');
      expect(words(`${text} ${urls}`), markdown).toEqual(words(markdown));
    }
  });

  it('is cut into messages that are short enough, and loses no word either', () => {
    for (let round = 0; round < 40; round += 1) {
      const markdown = Array.from(
        { length: 40 },
        () => markdowns[Math.floor(random() * markdowns.length)],
      ).join('\n\n');
      const parts = splitForTelegram(markdown);
      for (const part of parts)
        expect(renderForTelegram(part).text.length).toBeLessThanOrEqual(MAX_CHARACTERS);
      expect(words(parts.join(' ')).size).toBeGreaterThanOrEqual(words(markdown).size);
    }
  });

  it('with so many names that it grows too long becomes several messages', () => {
    const parts = splitForTelegram('@tom and '.repeat(455).trim());
    expect(parts.length).toBeGreaterThan(1);
    for (const part of parts) expect(renderForTelegram(part).text.length).toBeLessThanOrEqual(MAX_CHARACTERS);
  });

  it('with more formatting than Telegram shows in one message becomes several', () => {
    const markdown = Array.from({ length: 300 }, (_, index) => `**${index}** \`code ${index}\``).join('\n');
    const parts = splitForTelegram(markdown);
    const shown = parts.flatMap((part) => renderForTelegram(part).entities);
    expect(shown).toHaveLength(600);
    for (const part of parts)
      expect(renderForTelegram(part).entities.length).toBeLessThanOrEqual(MAX_ENTITIES);
  });
});

/** The words of a text and how often each occurs; what only marks a language or formatting does not count. */
function words(text: string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const word of text
    .replaceAll('\u200b', '')
    .replaceAll('%40', '@')
    .match(/word|two words|@name|\/cmd|😀|é|https:\/\/e\.x\/y/g) ?? [])
    counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}

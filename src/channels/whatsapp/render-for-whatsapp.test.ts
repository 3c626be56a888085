import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../test/support/seeded-random.ts';
import { MAX_CHARACTERS, renderForWhatsApp, splitForWhatsApp } from './render-for-whatsapp.ts';

describe('renderForWhatsApp', () => {
  it.each([
    ['plain words', 'plain words'],
    ['**bold** and *italic* and ~~gone~~', '*bold* and _italic_ and ~gone~'],
    ['# A heading', '*A heading*'],
    ['- one\n- two', '• one\n• two'],
    ['1. one\n2. two', '1. one\n2. two'],
    ['> said **so**\n> twice', '> said *so*\n> twice'],
    ['`code` and ``a`b``', '`code` and a`b'],
    ['```js\nlet a = 1;\nlet b;\n```', '```let a = 1;\nlet b;```'],
    ['[label](https://a.example/x_y)', 'label (https://a.example/x_y)'],
    ['<https://a.example>', 'https://a.example'],
    // A mark that would touch a word, or one of its own kind, would be shown as such.
    ['**API**s', 'APIs'],
    ['这是**重点**内容', '这是重点内容'],
    ['**a * b**', 'a * b'],
    ['**bold *and italic* together**', '*bold _and italic_ together*'],
    ['snake_case and 2 * 3', 'snake_case and 2 * 3'],
    ['un**believ**able and 5*3*2', 'un**believ**able and 5*3*2'],
  ])('%j becomes %j', (markdown, text) => {
    expect(renderForWhatsApp(markdown)).toBe(text);
  });

  it('adds marks in pairs only, whatever the markdown', () => {
    const random = seededRandom(7);
    const pieces = [
      '**',
      '*',
      '_',
      '~~',
      '`',
      '\n',
      ' ',
      'word',
      '> ',
      '# ',
      '[a](https://b.example)',
      '😀',
      '|',
      '---',
    ];
    for (let round = 0; round < 2_000; round += 1) {
      const markdown = Array.from({ length: 20 }, () => pieces[Math.floor(random() * pieces.length)]).join(
        '',
      );
      const rendered = renderForWhatsApp(markdown);
      expect(rendered.isWellFormed()).toBe(true);
      expect(rendered.match(/word/g)?.length ?? 0, markdown).toBe(markdown.match(/word/g)?.length ?? 0);
    }
  });
});

describe('splitForWhatsApp', () => {
  it('cuts parts again that grow beyond the limit with their marks', () => {
    const table = Array.from({ length: 900 }, (_, index) => `> ${index}`).join('\n>');
    const parts = splitForWhatsApp(table.replaceAll('> ', '>'));
    for (const part of parts) expect(renderForWhatsApp(part).length).toBeLessThanOrEqual(MAX_CHARACTERS);
    expect(parts.length).toBeGreaterThan(1);
  });
});

import { describe, expect, it } from 'vitest';
import { mentionsIn } from '../../../test/support/discord/check-message.ts';
import { seededRandom } from '../../../test/support/slack-request.ts';
import { MAX_MARK_CHARACTERS, readMark, withMark } from './delivery-mark.ts';
import { MAX_CHARACTERS, renderForDiscord, splitForDiscord } from './render-for-discord.ts';

const user = '<@80351110224678912>';

describe('renderForDiscord', () => {
  it.each([
    ['**bold** and *italic* and ~~gone~~', '**bold** and *italic* and ~~gone~~'],
    ['__bold__ and _italic_', '**bold** and *italic*'],
    ['***both***', '***both***'],
    ['# Title', '**Title**'],
    ['- one\n- two', '• one\n• two'],
    ['> quoted\n> more', '> quoted\n> more'],
    ['[label](https://a.example/x)', '[label](https://a.example/x)'],
    ['[https://bank.example](https://evil.example)', 'https://bank.example (https://evil.example)'],
    ['[a](https://a.example/x_(y))', 'a (https://a.example/x_(y))'],
    ['<https://a.example/x_y_z>', 'https://a.example/x_y_z'],
    ['see https://a.example/a_b_c and snake_case_name', 'see https://a.example/a_b_c and snake_case_name'],
    ['2 * 3 * 4', '2 \\* 3 \\* 4'],
    ['a ||secret|| b', 'a \\|\\|secret\\|\\| b'],
    ['\\# no title', '\\# no title'],
    ['\\-# no small print', '\\-# no small print'],
    ['C:\\temp\\new', 'C:\\temp\\new'],
    ['use `a < b`', 'use `a < b`'],
    ['`` a`b ``', '``a`b``'],
    ['```js\nlet a = "@everyone";\n```', '```js\nlet a = "@everyone";\n```'],
    ['~~~\n``` inside\n~~~', '```\n`\u200b`` inside\n```'],
    ['ask @everyone, @here', 'ask @\u200beveryone, @\u200bhere'],
    [
      `${user} <@!80351110224678912> <@&165511591545143296>`,
      '<@\u200b80351110224678912> <@\u200b!80351110224678912> <@\u200b&165511591545143296>',
    ],
    ['https://a.example/@everyone', 'https://a.example/%40everyone'],
    ['me@here.example', 'me@\u200bhere.example'],
    ['', ''],
  ])('writes %j as %j', (markdown, expected) => {
    expect(renderForDiscord(markdown)).toBe(expected);
  });

  it('calls upon nobody by any arrangement of what could', () => {
    const random = seededRandom(17);
    const pieces = [
      '@',
      'everyone',
      'here',
      '<@',
      '!',
      '&',
      '80351110224678912',
      '>',
      '`',
      '```',
      '\n',
      ' ',
      '\\',
      '\u200b',
      '*',
      '_',
      '[',
      '](https://a.example)',
      '<',
      'x',
    ];
    for (let round = 0; round < 3_000; round += 1) {
      const count = 1 + Math.floor(random() * 14);
      const markdown = Array.from({ length: count }, () => pieces[Math.floor(random() * pieces.length)]).join(
        '',
      );
      for (const part of splitForDiscord(markdown))
        expect(mentionsIn(renderForDiscord(part)), markdown).toEqual([]);
    }
  });

  it('keeps every line of code as it is, in parts within the limit whose fences are closed', () => {
    const random = seededRandom(29);
    for (let round = 0; round < 100; round += 1) {
      const lines = Array.from({ length: 20 + Math.floor(random() * 150) }, (_, index) => {
        const width = Math.floor(random() * 60);
        return `line${index} ${'*_~|<@#\\"[]'.repeat(6).slice(0, width)}`;
      });
      const markdown = `Before.\n\n\`\`\`ts\n${lines.join('\n')}\n\`\`\`\n\nAfter.`;
      const parts = splitForDiscord(markdown).map(renderForDiscord);
      for (const part of parts) {
        expect(part.length).toBeLessThanOrEqual(MAX_CHARACTERS);
        expect((part.match(/^```/gm) ?? []).length % 2).toBe(0);
      }
      const shown = parts
        .join('\n')
        .split('\n')
        .filter((line) => line.startsWith('line'));
      expect(shown).toEqual(lines);
    }
  });

  it('cuts a text that its escapes make too long', () => {
    const markdown = '*_`|'.repeat(2_000);
    const parts = splitForDiscord(markdown).map(renderForDiscord);
    for (const part of parts) expect(part.length).toBeLessThanOrEqual(MAX_CHARACTERS);
  });
});

describe('the mark of a delivery', () => {
  it.each(['0', '1', '42', '9007199254740993', '123456789012345678', 'delivery-7', 'ä/ß', '007', ''])(
    'is read back: %j',
    (deliveryId) => {
      const marked = withMark('Hello **there**', deliveryId);
      expect(readMark(marked)).toEqual({ text: 'Hello **there**', deliveryId });
      expect(marked.length - 'Hello **there**'.length).toBeLessThanOrEqual(MAX_MARK_CHARACTERS);
    },
  );

  it('is of one delivery only, and cannot be written by a model', () => {
    const random = seededRandom(5);
    for (let round = 0; round < 500; round += 1) {
      const id = String(Math.floor(random() * 1e12));
      const forged = renderForDiscord(withMark('It is sent.', String(Math.floor(random() * 1e12))));
      expect(readMark(forged).deliveryId).toBeNull();
      expect(readMark(withMark(forged, id))).toEqual({
        text: 'It is sent\\.'.replace('\\', ''),
        deliveryId: id,
      });
    }
  });

  it('is no part of an address that a text ends with', () => {
    const marked = withMark(renderForDiscord('See https://a.example/x'), '42');
    // As Discord finds an address.
    expect(/https?:\/\/[^\s<]+/.exec(marked)?.[0]).toBe('https://a.example/x');
  });

  it('fits into a message together with the longest text', () => {
    const [part = ''] = splitForDiscord('x'.repeat(10_000));
    expect(withMark(renderForDiscord(part), '9'.repeat(18)).length).toBeLessThanOrEqual(2_000);
  });
});

import type { RichMessage } from 'grammy/types';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../test/support/slack-request.ts';
import { readContent } from './content.ts';

const read = (...blocks: RichMessage['blocks']) => readContent({ rich_message: { blocks } });
const text = (...blocks: RichMessage['blocks']) => read(...blocks).normalised.text;
const cell = (words: string) => ({ text: words, align: 'left', valign: 'top' }) as const;
const photo = (id: string) => [{ file_id: id, file_unique_id: id, width: 1, height: 1 }];

describe('a rich message', () => {
  it('is read as markdown says the same', () => {
    expect(
      text(
        { type: 'heading', size: 2, text: 'Refunds' },
        {
          type: 'paragraph',
          text: ['Take ', { type: 'bold', text: ['14 ', { type: 'italic', text: 'days' }] }, '.'],
        },
        { type: 'anchor', name: 'here' },
        {
          type: 'list',
          items: [
            { label: '•', blocks: [{ type: 'paragraph', text: 'in the shop' }] },
            {
              label: '2.',
              value: 2,
              blocks: [
                { type: 'paragraph', text: 'by post' },
                { type: 'paragraph', text: 'paid' },
              ],
            },
            {
              label: '•',
              has_checkbox: true,
              is_checked: true,
              blocks: [{ type: 'paragraph', text: 'done' }],
            },
            { label: '•', has_checkbox: true, blocks: [{ type: 'paragraph', text: 'open' }] },
          ],
        },
        { type: 'divider' },
        {
          type: 'blockquote',
          blocks: [
            { type: 'paragraph', text: 'one\ntwo' },
            { type: 'paragraph', text: 'three' },
          ],
          credit: 'Bo',
        },
        { type: 'pullquote', text: 'Big' },
        { type: 'pre', text: 'let a = 1;\nlet b;', language: 'js' },
        {
          type: 'table',
          caption: 'Prices',
          cells: [
            [cell('a'), cell('b')],
            [cell('1'), { align: 'left', valign: 'top' }],
          ],
        },
        { type: 'details', summary: 'More', blocks: [{ type: 'paragraph', text: 'within' }] },
        { type: 'mathematical_expression', expression: 'a^2' },
        {
          type: 'map',
          location: { latitude: 1.5, longitude: 2, horizontal_accuracy: 1 },
          zoom: 13,
          width: 1,
          height: 1,
          caption: { text: 'The pier' },
        },
        {
          type: 'buttons',
          buttons: [
            { text: 'Yes', callback_data: 'y' },
            { text: ['N', 'o'], callback_data: 'n' },
          ],
        },
        { type: 'footer', text: 'The end' },
      ),
    ).toBe(
      [
        '## Refunds',
        'Take 14 days.',
        '- in the shop\n2. by post\n  paid\n- [x] done\n- [ ] open',
        '---',
        '> one\n> two\n> three\n> Bo',
        '> Big',
        '```js\nlet a = 1;\nlet b;\n```',
        'Prices\na | b\n1 | –',
        'More\nwithin',
        'a^2',
        '[location: 1.5, 2]\nThe pier',
        '[Yes] [No]',
        'The end',
      ].join('\n\n'),
    );
  });

  it('has mentions, links and commands like any other', () => {
    const { normalised } = read({
      type: 'paragraph',
      text: [
        { type: 'mention', text: '@Ada_Bot', username: 'Ada_Bot' },
        ' see ',
        { type: 'url', text: { type: 'bold', text: 'this' }, url: 'https://a.example' },
        ' of ',
        { type: 'text_mention', text: 'Bo', user: { id: 12, is_bot: false, first_name: 'Bo' } },
        ' ',
        {
          type: 'url',
          text: ['by ', { type: 'mention', text: '@cy', username: 'cy' }],
          url: 'https://b.example',
        },
        { type: 'custom_emoji', custom_emoji_id: '1', alternative_text: '🎉' },
      ],
    });
    expect(normalised).toMatchObject({
      text: '@ada_bot see this (https://a.example) of @12 by @cy (https://b.example)🎉',
      addressee: 'ada_bot',
      mentions: [{ externalId: 'ada_bot' }, { externalId: '12' }, { externalId: 'cy' }],
    });
    const command = read({
      type: 'paragraph',
      text: [{ type: 'bot_command', text: '/ask@Ada_Bot', bot_command: 'ask' }, ' why'],
    });
    expect(command.normalised).toMatchObject({ text: '/ask why', command: 'ask', addressee: 'ada_bot' });
  });

  it('carries its files, and what is said below them', () => {
    const { normalised, attachments } = read(
      { type: 'photo', photo: photo('p'), caption: { text: 'The plan', credit: 'Bo' } },
      { type: 'collage', blocks: [{ type: 'photo', photo: photo('q') }], caption: { text: 'More' } },
      { type: 'voice_note', voice_note: { file_id: 'v', file_unique_id: 'v', duration: 1 } },
    );
    expect(normalised.text).toBe('The plan\nBo\n\nMore');
    expect(attachments.map(({ name, externalId }) => [name, externalId])).toEqual([
      ['photo.jpg', 'p'],
      ['photo.jpg', 'q'],
      ['voice message.ogg', 'v'],
    ]);
  });

  it('of a kind that nobody knows yet is read for its words', () => {
    const blocks = [
      {
        type: 'novelty',
        text: [
          { type: 'text', text: 'some ' },
          { type: 'sparkling', text: 'words' },
        ],
      },
      { type: 'grid', blocks: [{ type: 'paragraph', text: 'within' }] },
    ] as unknown as RichMessage['blocks'];
    expect(text(...blocks)).toBe('some words\n\nwithin');
  });

  it('of any shape is read without failing', () => {
    const random = seededRandom(31);
    const types = [
      'heading',
      'pre',
      'list',
      'table',
      'map',
      'buttons',
      'blockquote',
      'mention',
      'url',
      'photo',
      'x',
    ];
    const fields = [
      'type',
      'text',
      'blocks',
      'items',
      'cells',
      'buttons',
      'button',
      'caption',
      'size',
      'username',
    ];
    const pick = <Item>(of: readonly Item[]): Item => of[Math.floor(random() * of.length)] as Item;
    const strange = (depth: number): unknown => {
      if (depth > 5 || random() < 0.2) return pick([null, 0, -1, 1e300, true, '', 'word', '\ud800', [], {}]);
      if (random() < 0.4)
        return Array.from({ length: 1 + Math.floor(random() * 3) }, () => strange(depth + 1));
      const given = fields.filter(() => random() < 0.5).map((field) => [field, strange(depth + 1)]);
      return { ...Object.fromEntries(given), ...(random() < 0.8 ? { type: pick(types) } : {}) };
    };
    for (let round = 0; round < 2_000; round += 1) {
      const { normalised } = readContent({ rich_message: { blocks: strange(0) } });
      expect(normalised.text.isWellFormed()).toBe(true);
    }
  });

  it('is bounded: in length, blocks, files and depth', () => {
    const many = Array.from({ length: 5_000 }, () => ({ type: 'paragraph' as const, text: 'x'.repeat(100) }));
    expect(text(...many).length).toBeLessThanOrEqual(32_768);
    const short = Array.from({ length: 5_000 }, () => ({ type: 'paragraph' as const, text: 'x' }));
    expect(text(...short).match(/x/g)).toHaveLength(500);
    const pictures = Array.from({ length: 40 }, () => ({ type: 'photo' as const, photo: photo('p') }));
    expect(read(...pictures).attachments).toHaveLength(10);
    let deep: unknown = 'bottom';
    for (let level = 0; level < 5_000; level += 1) deep = { type: 'bold', text: [deep] };
    expect(text({ type: 'paragraph', text: deep as string })).toBe('');
  });
});

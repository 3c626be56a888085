import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../test/support/seeded-random.ts';
import { checkMessage } from '../../../test/support/teams/check-activity.ts';
import type { JsonRecord } from '../read-json.ts';
import { choiceMessage, MAX_BUTTON_CHARACTERS, MAX_BUTTONS } from './choice-card.ts';
import { MAX_CHARACTERS, splitForTeams } from './render-for-teams.ts';

const body = (markdown: string): unknown => {
  const { attachments } = choiceMessage(markdown, ['Yes', 'No']) as {
    attachments: readonly { content: JsonRecord }[];
  };
  return attachments[0]?.content.body;
};
const block = (...inlines: readonly unknown[]) => ({ type: 'RichTextBlock', inlines });
const line = (...inlines: readonly unknown[]) => ({ type: 'RichTextBlock', spacing: 'None', inlines });
const run = (text: string, style: JsonRecord) => ({ type: 'TextRun', text, ...style });
const box = (...items: readonly unknown[]) => ({ type: 'Container', style: 'emphasis', items });

describe('a card with choices', () => {
  it.each([
    ['one\ntwo\n\nthree', [block('one\ntwo'), block('three')]],
    ['# Title\ntext', [block(run('Title', { weight: 'Bolder' })), line('text')]],
    [
      'a **b** *c* ~~d~~',
      [
        block(
          'a ',
          run('b', { weight: 'Bolder' }),
          ' ',
          run('c', { italic: true }),
          ' ',
          run('d', { strikethrough: true }),
        ),
      ],
    ],
    ['- a\n  - b', [block('• a\n\u00a0\u00a0• b')]],
    ['see `*a*`', [block('see ', run('*a*', { fontType: 'Monospace' }))]],
    [
      '```py\nif a:\n    b = *c*\n```\nend',
      [box(block(run('if a:\n\u00a0\u00a0\u00a0\u00a0b = *c*', { fontType: 'Monospace' }))), block('end')],
    ],
    ['| a | b |\n|---|---|', [box(block(run('| a | b |\n|---|---|', { fontType: 'Monospace' })))]],
    ['> quoted\n\nend', [box(block('quoted')), block('end')]],
    [
      '[l](https://a.example)',
      [block(run('l', { selectAction: { type: 'Action.OpenUrl', url: 'https://a.example' } }))],
    ],
    ['2 * 3 * 4 <at>Mara</at> [x](javascript:y)', [block('2 * 3 * 4 <at>Mara</at> [x](javascript:y)')]],
    [' \n', [block('…')]],
  ])('says %j in elements', (markdown, elements) => {
    expect(body(markdown)).toEqual(elements);
  });

  it('fits into what Teams takes, whatever the last part of an answer is like and however long the choices are', () => {
    const random = seededRandom(3);
    const pieces = [
      'word ',
      'w\n',
      '\n\n',
      '**b** ',
      '`c` ',
      '- **x** y\n',
      '\n> q\n',
      '\n```\n  code\n```\n',
      '"',
      '\\\\ ',
      '日本語',
    ];
    for (let round = 0; round < 60; round += 1) {
      const few = Array.from(
        { length: 1 + Math.floor(random() * 3) },
        () => pieces[Math.floor(random() * pieces.length)] as string,
      );
      const length = Math.floor(random() * 16_000);
      let markdown = '';
      while (markdown.length < length) markdown += few[Math.floor(random() * few.length)];
      const choices = Array.from({ length: 1 + Math.floor(random() * MAX_BUTTONS) }, (_, index) =>
        `${index} "choice" `
          .padEnd(1 + Math.floor(random() * MAX_BUTTON_CHARACTERS), 'é')
          .slice(0, MAX_BUTTON_CHARACTERS),
      );
      const parts = splitForTeams(markdown, choices);
      const message = choiceMessage(parts.at(-1) ?? '', choices);
      expect(JSON.stringify(message).length, markdown).toBeLessThanOrEqual(MAX_CHARACTERS);
      expect(checkMessage(message).card?.actions.map(({ title }) => title)).toEqual(choices);
    }
  });
});

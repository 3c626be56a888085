import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { splitForTeams } from '../../src/channels/teams/render-for-teams.ts';
import { seededRandom } from '../support/seeded-random.ts';
import type { ChannelHarness } from './channel-harness.ts';
import { harnesses } from './channel-harnesses.ts';
import { shownOnCard, shownText } from './shown-text.ts';
import { startTeamsHarness } from './teams-harness.ts';

const TEXTS = 500;
const DOCUMENTS = 300;
const CARD = 'a card of teams';
const choices = ['A first choice', 'Another one'];

const shownBy = [...harnesses, [CARD, startTeamsHarness]] as const;

describe.each(shownBy)('what %s shows of markdown', (type, start) => {
  let harness: ChannelHarness;
  beforeAll(async () => {
    harness = await start();
  });
  afterAll(() => harness.close());

  const shown = (markdown: string) => {
    if (type === CARD) return splitForTeams(markdown, choices).map((part) => shownOnCard(part, choices));
    return harness.channel.split(markdown).map((part) => shownText(type, harness.channel.format(part)));
  };

  it(`keeps every sign that is no mark, among all that is one (${TEXTS} texts)`, () => {
    const random = seededRandom(29);
    for (let round = 0; round < TEXTS; round += 1) {
      const pieces = Array.from({ length: 2 + Math.floor(random() ** 3 * 600) }, (_, index) =>
        anyOf(random, [() => anyOf(random, signs), () => anyOf(random, marked(index))])(),
      );
      const markdown = pieces.join(' ');
      const meant = pieces.filter((piece) => signs.includes(piece));
      const text = shown(markdown).map((part) => part.text);
      expectInOrder(text.join(' '), meant, markdown);
    }
  });

  it(`keeps code to the last character, wherever it stands, and takes nothing else for it (${DOCUMENTS} texts)`, () => {
    const random = seededRandom(31);
    for (let round = 0; round < DOCUMENTS; round += 1) {
      const blocks = Array.from({ length: 1 + Math.floor(random() * 6) }, (_, index) =>
        codeBlock(random, anyOf(random, shapes), index),
      );
      const markdown = blocks.map(({ text }) => text).join('\n\n');
      const written = blocks.flatMap((block) => block.code);
      // A card has no tabs.
      const expected = type === CARD ? written.map((line) => line.replaceAll('\t', '    ')) : written;
      const parts = shown(markdown);
      if (readsMarkdown.has(type)) {
        expectInOrder(parts.map(({ text }) => text).join('\n'), expected, markdown);
        continue;
      }
      const code = parts.flatMap((part) => part.code.flatMap((each) => each.split('\n')));
      expect(
        code.filter((line) => line !== ''),
        markdown,
      ).toEqual(expected);
      const text = parts.map((part) => part.text).join('\n');
      expect(text.match(/w\d+w/g), markdown).toEqual(markdown.match(/w\d+w/g));
    }
  });
});

function expectInOrder(text: string, wanted: readonly string[], markdown: string): void {
  let from = 0;
  for (const each of wanted) {
    const at = text.indexOf(each, from);
    expect(at, `${each} in ${markdown}`).not.toBe(-1);
    from = at + each.length;
  }
}

/** Whose platform reads markdown: what counts is that nothing is changed. */
const readsMarkdown: ReadonlySet<string> = new Set(['slack', 'mattermost', 'widget', 'company-chat']);

type Shape = 'fence' | 'waves' | 'indent' | 'quote' | 'inner quote' | 'quoted indent' | 'item' | 'span';
const shapes: readonly Shape[] = [
  'fence',
  'waves',
  'indent',
  'quote',
  'inner quote',
  'quoted indent',
  'item',
  'span',
];

/** Lines that are something else as soon as nobody knows that they are code. */
const codeLines: readonly string[] = [
  ...[
    'def __init__(self, *a, **b):',
    '    return *a*b*c',
    'x **= 2; y = **z**',
    '~~old~~ ~new~',
    '_private_ = __all__',
  ],
  ...[
    '# no heading',
    '> no quote',
    '| a | b |',
    '|---|---|',
    '[x](https://a.example/b_c)',
    '    if (a < b && c > d)',
  ],
  ...['<b>&amp;</b>', 'C:\\*.ts \\_', '"quoted" \'too\'', '***', '    \ttab', '1. one', 'src/**/*.ts'],
];

/** A paragraph, and below it or within it some code; each line of it ends with a number. */
function codeBlock(
  random: () => number,
  shape: Shape,
  index: number,
): { readonly text: string; readonly code: readonly string[] } {
  const length = shape === 'span' ? 1 : 1 + Math.floor(random() ** 3 * 120);
  // Where a part of a message begins with an indented item, it is taken for one of a list.
  const lines = shape.endsWith('indent') ? codeLines.filter((line) => !line.startsWith('1. ')) : codeLines;
  const code = Array.from({ length }, (_, line) => `${anyOf(random, lines)} #${index * 1_000 + line}`);
  const word = `w${index}w`;
  const block = (prefix: string): string => code.map((line) => prefix + line).join('\n');
  switch (shape) {
    case 'fence':
      return { text: `*${word}*:\n\`\`\`py\n${block('')}\n\`\`\`\n${word}`, code };
    case 'waves':
      return { text: `${word}\n\n~~~\n${block('')}\n~~~`, code };
    case 'indent':
      return { text: `**${word}**\n\n${block('    ')}\n\n${word}`, code };
    case 'quote':
      return { text: `> ${word}\n> \`\`\`py\n${block('> ')}\n> \`\`\`\n> ${word}\n\n${word}`, code };
    case 'inner quote':
      return { text: `> ${word}\n> > ${word}\n> > \`\`\`\n${block('> > ')}\n> ${word}`, code };
    case 'quoted indent':
      return { text: `> ${word}\n>\n${block('>     ')}\n\n${word}`, code };
    case 'item':
      return { text: `- ${word}\n- \`\`\`js\n${block('')}\n  \`\`\`\n\n${word}`, code };
    case 'span':
      return { text: `${word} \`${code[0]?.trim()}\` ${word}`, code: code.map((line) => line.trim()) };
  }
}

/** What has signs in it that markdown knows as well, and means none of them. */
const signs: readonly string[] = [
  ...['5*3*2', '2*x*y', '5*3', '4*2', '5**3**2', 'x**2', 'a**b**c', '5 * 3 * 2', '单价*数量*折扣'],
  ...[
    'count(*)',
    'sum(*)',
    'print(*a,*b)',
    'f(**a,**b)',
    '*args',
    '**kwargs',
    '*.ts',
    'src/*.ts',
    'src/**/*.ts',
  ],
  ...[
    'snake_case_name',
    '_private',
    '__init__.py',
    'x.__name__',
    '__init__(x)',
    'a_b',
    '1_000_000',
    '5~~3~~2',
    '~5',
    '~/x',
    'C#',
    '#1',
    '50%',
    '$5',
    '€3.20',
  ],
  ...[
    '1+1=2',
    '3-2',
    '--force',
    'a<b',
    'b>c',
    'Vec<T>',
    'a&b',
    '&amp;',
    'a|b',
    'x[0]',
    'x[i](j)',
    'a;b',
    '{}',
    '^2',
  ],
  ...['C:\\Users', '"q"', "it's", '1.', '5)', '-1', '+49', '12:30', '3/4', '…', '→'],
];

/** The same signs where they are marks. */
function marked(index: number): readonly string[] {
  const word = `w${index}w`;
  return [
    ...[
      `**${word}**`,
      `*${word}*`,
      `_${word}_`,
      `~~${word}~~`,
      `__${word}__`,
      `***${word}***`,
      `**${word}**s`,
    ],
    ...[`\`${word}\``, `[${word}](https://a.example/x)`, `(**${word}**)`, `\n\n`, '\n', '\n- ', '\n# '],
  ];
}

function anyOf<Item>(random: () => number, items: readonly Item[]): Item {
  return items[Math.floor(random() * items.length)] as Item;
}

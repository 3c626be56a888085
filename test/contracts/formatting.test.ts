import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../support/seeded-random.ts';
import type { ChannelHarness } from './channel-harness.ts';
import { startCompanyChatHarness } from './company-chat-harness.ts';
import { startDiscordHarness } from './discord-harness.ts';
import { startGoogleChatHarness } from './google-chat-harness.ts';
import { startMattermostHarness } from './mattermost-harness.ts';
import { shownText } from './shown-text.ts';
import { startSlackHarness } from './slack-harness.ts';
import { startTeamsHarness } from './teams-harness.ts';
import { startTelegramHarness } from './telegram-harness.ts';
import { startWhatsAppHarness } from './whatsapp-harness.ts';
import { startWidgetHarness } from './widget-harness.ts';

const TEXTS = 500;

describe.each([
  ['slack', startSlackHarness],
  ['teams', startTeamsHarness],
  ['google-chat', startGoogleChatHarness],
  ['mattermost', startMattermostHarness],
  ['telegram', startTelegramHarness],
  ['whatsapp', startWhatsAppHarness],
  ['discord', startDiscordHarness],
  ['widget', startWidgetHarness],
  ['company-chat', startCompanyChatHarness],
])('what %s shows of markdown', (type, start) => {
  let harness: ChannelHarness;
  beforeAll(async () => {
    harness = await start();
  });
  afterAll(() => harness.close());

  const shown = (markdown: string) =>
    harness.channel.split(markdown).map((part) => shownText(type, harness.channel.format(part)));

  it(`keeps every sign that is no mark, among all that is one (${TEXTS} texts)`, () => {
    const random = seededRandom(29);
    for (let round = 0; round < TEXTS; round += 1) {
      const pieces = Array.from({ length: 2 + Math.floor(random() ** 3 * 600) }, (_, index) =>
        anyOf(random, [() => anyOf(random, signs), () => anyOf(random, marked(index))])(),
      );
      const markdown = pieces.join(' ');
      const meant = pieces.filter((piece) => signs.includes(piece));
      let rest = shown(markdown)
        .map(({ text }) => text)
        .join(' ');
      for (const sign of meant) {
        expect(rest, `${sign} in ${markdown}`).toContain(sign);
        rest = rest.slice(rest.indexOf(sign) + sign.length);
      }
    }
  });
});

/** What has signs in it that markdown knows as well, and means none of them. */
const signs: readonly string[] = [
  ...['5*3*2', '2*x*y', '5*3', '4*2', '5**3**2', 'x**2', 'a**b**c', '5 * 3 * 2', '单价*数量*折扣'],
  ...['count(*)', 'sum(*)', 'print(*a,*b)', 'f(**a,**b)', '*args', '**kwargs', '*.ts', 'src/*.ts', 'src/**/*.ts'],
  ...['snake_case_name', '_private', 'a_b', '1_000_000', '5~~3~~2', '~5', '~/x', 'C#', '#1', '50%', '$5', '€3.20'],
  ...['1+1=2', '3-2', '--force', 'a<b', 'b>c', 'Vec<T>', 'a&b', '&amp;', 'a|b', 'x[0]', 'x[i](j)', 'a;b', '{}', '^2'],
  ...['C:\\Users', '"q"', "it's", '1.', '5)', '-1', '+49', '12:30', '3/4', '…', '→'],
];

/** The same signs where they are marks. */
function marked(index: number): readonly string[] {
  const word = `w${index}w`;
  return [
    ...[`**${word}**`, `*${word}*`, `_${word}_`, `~~${word}~~`, `__${word}__`, `***${word}***`, `**${word}**s`],
    ...[`\`${word}\``, `[${word}](https://a.example/x)`, `(**${word}**)`, `\n\n`, '\n', '\n- ', '\n# '],
  ];
}

function anyOf<Item>(random: () => number, items: readonly Item[]): Item {
  return items[Math.floor(random() * items.length)] as Item;
}

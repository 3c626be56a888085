import { describe, expect, it } from 'vitest';
import { defaultSeeds } from './default-seeds.ts';
import {
  markdownToText,
  mentionedUserIds,
  richTextBlock,
  slackToPlain,
  typedToSlack,
} from './message-text.ts';
import { createWorkspace } from './workspace.ts';

const [seed] = defaultSeeds;
if (!seed) throw new Error('no seed');
const workspace = createWorkspace(seed);
const ada = '<@U0ACMEADA01>';

describe('typedToSlack', () => {
  it.each([
    ['@Ada hello', `${ada} hello`],
    ['@ada, please', `${ada}, please`],
    ['ask @Mara Lindqvist or @mara', 'ask <@U0ACMEMARA1> or <@U0ACMEMARA1>'],
    ['see #support', 'see <#C0ACMESUPPO|support>'],
    ['@here & <b>', '<!here> &amp; &lt;b&gt;'],
    ['mail mara@ada.example', 'mail mara@ada.example'],
    ['@adamant is no one', '@adamant is no one'],
    ['https://a.example/?x=1&y=2', '<https://a.example/?x=1&amp;y=2>'],
    [`${ada} kept, <@UNKNOWN> not`, `${ada} kept, &lt;@UNKNOWN&gt; not`],
  ])('turns %j into %j', (typed, text) => {
    expect(typedToSlack(workspace, typed)).toBe(text);
  });

  it('is turned back for editing', () => {
    const typed = '@ada look at #support & <this>';
    expect(slackToPlain(workspace, typedToSlack(workspace, typed))).toBe(typed);
  });
});

describe('Slack’s text form', () => {
  it('finds each mentioned user once', () => {
    expect(mentionedUserIds('<@U1> and <@U2|two> and <@U1>, <#C1> <!here>')).toEqual(['U1', 'U2']);
  });

  it('becomes a rich_text block with unescaped text', () => {
    expect(richTextBlock(`${ada} a &lt; b <https://x.example|x>`, 'b1')).toEqual({
      type: 'rich_text',
      block_id: 'b1',
      elements: [
        {
          type: 'rich_text_section',
          elements: [
            { type: 'user', user_id: 'U0ACMEADA01' },
            { type: 'text', text: ' a < b ' },
            { type: 'link', url: 'https://x.example', text: 'x' },
          ],
        },
      ],
    });
  });

  it('is made of markdown for those who read a thread', () => {
    expect(markdownToText('# Title\n**bold** & [x](https://x.example)')).toBe(
      '*Title*\n*bold* &amp; <https://x.example|x>',
    );
  });
});

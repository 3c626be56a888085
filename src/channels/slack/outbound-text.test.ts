import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../test/support/slack-request.ts';
import { neutraliseMentions } from './outbound-text.ts';

/** The text with each zero-width space shown as `·`. */
function shown(markdown: string): string {
  return neutraliseMentions(markdown).replaceAll('\u200b', '·');
}

describe('neutraliseMentions', () => {
  it.each([
    ['<!channel> look', '@·channel look'],
    ['<!here|@here> <!EVERYONE>', '@·here @·EVERYONE'],
    ['<@U0PERSON01> look', '@·U0PERSON01 look'],
    ['<@U0PERSON01|bob> look', '@·bob look'],
    ['<!subteam^S0DEVS0001|@devs> look', '@·devs look'],
    ['<!subteam^S0DEVS0001> look', '@·S0DEVS0001 look'],
    ['@channel, (@here) and @everyone!', '@·channel, (@·here) and @·everyone!'],
    ['\\<!here>', '\\@·here'],
    ['word<!here>', 'word@·here'],
  ])('takes the ring out of %s', (markdown, expected) => {
    expect(shown(markdown)).toBe(expected);
  });

  it.each([
    'no mention, a < b > c, <https://acme.example|link>, me@acme.example',
    'write to me@here.example or ops@channel',
    '<!-- a comment --> <!date^1392734382^{date}|Feb 18>',
    '@hereafter @channels',
    '```\n<!channel> and <@U0PERSON01>\n```',
    'text\n  ````js\n<!here>\n```\n````\nmore',
  ])('leaves %s as it is', (markdown) => {
    expect(neutraliseMentions(markdown)).toBe(markdown);
  });

  it.each([
    ['in inline code', 'use `<!here>` to ring', 'use `<·!here>` to ring'],
    ['after a fence that stays open', '```\n<!here>', '```\n@·here'],
    ['after an inline backtick that stays open', '` <!here>', '` <·!here>'],
    ['behind an escaped backtick', '\\`<!here>\\`', '\\`<·!here>\\`'],
    ['split over a code span', '<!here|`x`>', '<·!here|`x`>'],
    ['after a fence was closed', '```\nx\n```\n<!here>', '```\nx\n```\n@·here'],
    ['in a fence of tildes, which Slack may not know', '~~~\n<!here>\n~~~', '~~~\n@·here\n~~~'],
    ['in a fence with a backtick in its info', '``` a`b\n<!here>\n```', '``` a`b\n@·here\n```'],
    ['in indented text', '    <!here>', '    @·here'],
    ['nested so that the rest makes a new one', '<<!x|U0PERSON01>>', '<@·U0PERSON01>'],
  ])('is not fooled %s', (_name, markdown, expected) => {
    expect(shown(markdown)).toBe(expected);
  });

  it('leaves no token outside of fences, whatever the pieces', () => {
    const random = seededRandom(3);
    const pieces = [
      '<',
      '>',
      '!',
      '@',
      'here',
      'U0A',
      '|',
      '`',
      '\\',
      ' ',
      '\n',
      '^',
      'subteam',
      '<!here>',
      '<@U0A>',
    ];
    for (let round = 0; round < 20_000; round += 1) {
      const length = 1 + Math.floor(random() * 14);
      const markdown = Array.from({ length }, () => pieces[Math.floor(random() * pieces.length)]).join('');
      if (markdown.includes('```')) continue;
      expect(neutraliseMentions(markdown), JSON.stringify(markdown)).not.toMatch(/<[!@][a-z]/i);
    }
  });

  it.each(['<!', '<@U', '```a\n<!here>\n', '`<!here>', '@here', '``` \n'])(
    'takes a long text of “%s”',
    (piece) => {
      const markdown = piece.repeat(Math.ceil(200_000 / piece.length));
      const startedAt = performance.now();
      neutraliseMentions(markdown);
      expect(performance.now() - startedAt).toBeLessThan(1500);
    },
  );
});

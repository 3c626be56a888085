import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../test/support/slack-request.ts';
import { checkMessage } from '../../../test/support/teams/check-activity.ts';
import { MAX_CHARACTERS, renderForTeams, splitForTeams } from './render-for-teams.ts';

describe('renderForTeams', () => {
  it.each([
    ['**bold** and *italic* and ~~gone~~', '<b>bold</b> and <i>italic</i> and <strike>gone</strike>'],
    ['one\ntwo\n\nthree', 'one<br>two<br><br>three'],
    ['# Title\ntext', '<b>Title</b><br>text'],
    ['- a\n  - b', '• a<br>&nbsp; • b'],
    ['use `a < b`', 'use <code>a &lt; b</code>'],
    ['before\n```js\nlet a = 1;\n\n  b < c\n```\nafter', 'before<pre>let a = 1;\n\n  b &lt; c</pre>after'],
    ['> quoted **b**\n> more\n\nend', '<blockquote>quoted <b>b</b><br>more</blockquote><br>end'],
    [
      '[label](https://a.example/?x=1&y="2")',
      '<a href="https://a.example/?x=1&amp;y=&quot;2&quot;">label</a>',
    ],
    ['| a | b |\n|---|---|\n| 1 | 2 |', '<pre>| a | b |\n|---|---|\n| 1 | 2 |</pre>'],
    ['<at>Mara</at> & <b>x</b>', '&lt;at&gt;Mara&lt;/at&gt; &amp; &lt;b&gt;x&lt;/b&gt;'],
    ['[x](javascript:alert(1))', '[x](javascript:alert(1))'],
  ])('writes %j as %j', (markdown, html) => {
    expect(renderForTeams(markdown)).toBe(html);
  });

  it('makes of anything a message that Teams takes, in parts that lose no word', () => {
    const random = seededRandom(7);
    const marks = [
      '**',
      '*',
      '_',
      '~~',
      '`',
      '\n```\n',
      '[',
      '](https://a.b)',
      '<at>',
      '</at>',
      '&',
      '<',
      '>',
      '"',
    ];
    const others = ['\n> ', '\n- ', '\n# ', '\n\n', '  ', '\n', '&amp;', '😀', '\n| a | b |\n|--|--|\n'];
    for (let round = 0; round < 300; round += 1) {
      const pieces = Array.from({ length: 1 + Math.floor(random() ** 3 * 3_000) }, (_, index) => {
        const mark = [...marks, ...others][Math.floor(random() * (marks.length + others.length))] ?? '';
        return random() < 0.5 ? mark : ` w${index}w `;
      });
      const markdown = pieces.join('');
      const shown = splitForTeams(markdown).map((part) => {
        const text = renderForTeams(part);
        expect(text.length).toBeLessThanOrEqual(MAX_CHARACTERS);
        return text.trim() === '' ? '' : checkMessage({ type: 'message', textFormat: 'xml', text }).shown;
      });
      expect(shown.join('\n').match(/w\d+w/g)).toEqual(markdown.match(/w\d+w/g));
    }
  });
});

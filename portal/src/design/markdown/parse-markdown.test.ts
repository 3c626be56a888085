import { describe, expect, it } from 'vitest';
import { parseInline } from './parse-inline.ts';
import { parseMarkdown } from './parse-markdown.ts';

const text = (value: string) => ({ type: 'text', text: value });
const paragraph = (value: string) => ({ type: 'paragraph', children: [text(value)] });

describe('parseMarkdown', () => {
  it('reads headings, paragraphs and rules', () => {
    expect(parseMarkdown('## Refunds\nWithin 30 days.\n\n---')).toEqual([
      { type: 'heading', level: 2, children: [text('Refunds')] },
      paragraph('Within 30 days.'),
      { type: 'rule' },
    ]);
  });

  it('keeps fenced code as it is, also while its end is missing', () => {
    const code = { type: 'code', language: 'ts', text: 'const a = "*b*";\n\n# no heading' };
    expect(parseMarkdown('```ts\nconst a = "*b*";\n\n# no heading\n```')).toEqual([code]);
    expect(parseMarkdown('```ts\nconst a = "*b*";\n\n# no heading')).toEqual([code]);
  });

  it('nests lists by their indent', () => {
    expect(parseMarkdown('1. one\n   - inner\n2. two')).toEqual([
      {
        type: 'list',
        ordered: true,
        start: 1,
        items: [
          {
            done: null,
            blocks: [
              paragraph('one'),
              {
                type: 'list',
                ordered: false,
                start: 1,
                items: [{ done: null, blocks: [paragraph('inner')] }],
              },
            ],
          },
          { done: null, blocks: [paragraph('two')] },
        ],
      },
    ]);
  });

  it('goes on with one list over blank lines between its items', () => {
    const [list, ...rest] = parseMarkdown('- a\n\n- b\n\n- [x] c');
    expect(rest).toEqual([]);
    expect(list).toMatchObject({ type: 'list', items: [{ done: null }, { done: null }, { done: true }] });
  });

  it('reads quotes with blocks inside, also in the escaped form that Slack delivers', () => {
    expect(parseMarkdown('&gt; a\n> - b')).toEqual([
      {
        type: 'quote',
        blocks: [
          paragraph('a'),
          { type: 'list', ordered: false, start: 1, items: [{ done: null, blocks: [paragraph('b')] }] },
        ],
      },
    ]);
  });

  it('reads tables with alignment and fills short rows', () => {
    expect(parseMarkdown('| Plan | Price |\n|---|--:|\n| Basic | 9 |\n| Free |')).toEqual([
      {
        type: 'table',
        align: ['start', 'end'],
        header: [[text('Plan')], [text('Price')]],
        rows: [
          [[text('Basic')], [text('9')]],
          [[text('Free')], []],
        ],
      },
    ]);
  });

  it('takes a hash and stars of a person as text or bold, not as heading and italics', () => {
    expect(parseMarkdown('# *now* please', 'mrkdwn')).toEqual([
      {
        type: 'paragraph',
        children: [text('# '), { type: 'strong', children: [text('now')] }, text(' please')],
      },
    ]);
  });

  it('ends on deep nesting instead of running away', () => {
    expect(parseMarkdown('> '.repeat(500)).length).toBe(1);
    expect(parseMarkdown(`${'*'.repeat(3000)}a`).length).toBe(1);
    expect(parseMarkdown('['.repeat(3000)).length).toBe(1);
  });
});

describe('parseInline', () => {
  it.each(['**a ', '*a ', '~~a', '__a **b ', '**`', '`a ', '[a](', '<a', '> '])(
    'reads 40,000 characters of %j in the time of a blink',
    (unit) => {
      const startedAtMs = performance.now();
      parseMarkdown(unit.repeat(40_000 / unit.length));
      expect(performance.now() - startedAtMs).toBeLessThan(1000);
    },
  );

  it('reads bold, italics, strike and code', () => {
    expect(parseInline('**a** *b* _c_ ~~d~~ `e*`')).toEqual([
      { type: 'strong', children: [text('a')] },
      text(' '),
      { type: 'emphasis', children: [text('b')] },
      text(' '),
      { type: 'emphasis', children: [text('c')] },
      text(' '),
      { type: 'strike', children: [text('d')] },
      text(' '),
      { type: 'code', text: 'e*' },
    ]);
  });

  it('finds italics inside bold', () => {
    expect(parseInline('**a *b* c**')).toEqual([
      { type: 'strong', children: [text('a '), { type: 'emphasis', children: [text('b')] }, text(' c')] },
    ]);
  });

  it('leaves snake_case, products and lonely marks alone', () => {
    expect(parseInline('a_b_c, 2 * 3 * 4, **open')).toEqual([text('a_b_c, 2 * 3 * 4, **open')]);
  });

  it('links only to web and mail addresses', () => {
    expect(parseInline('[a](https://example.com/x_(y)) and [b](javascript:alert(1))')).toEqual([
      { type: 'link', href: 'https://example.com/x_(y)', children: [text('a')] },
      text(' and b'),
    ]);
  });

  it('finds bare addresses without the full stop after them', () => {
    expect(parseInline('See https://example.com/a.')).toEqual([
      text('See '),
      { type: 'link', href: 'https://example.com/a', children: [text('https://example.com/a')] },
      text('.'),
    ]);
  });

  it('reads what Slack puts in angle brackets and decodes its entities', () => {
    expect(parseInline('<@U1ADA> in <#C1|general>: <https://x.test|R&amp;D> &lt;b&gt;')).toEqual([
      { type: 'mention', userId: 'U1ADA' },
      text(' in #general: '),
      { type: 'link', href: 'https://x.test', children: [text('R&D')] },
      text(' <b>'),
    ]);
  });

  it('never turns markup into anything but text', () => {
    expect(parseInline('<img src=x onerror=alert(1)>')).toEqual([text('<img src=x onerror=alert(1)>')]);
  });
});

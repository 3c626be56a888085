import { describe, expect, it } from 'vitest';
import { choiceCard, MAX_BUTTONS } from './choice-card.ts';
import { MAX_CHARACTERS, renderForGoogleChat, splitForGoogleChat } from './render-for-google-chat.ts';

describe('renderForGoogleChat', () => {
  it.each([
    ['**bold** and *italic* and ~~gone~~', '*bold* and _italic_ and ~gone~'],
    ['**bold *and italic***', '*bold _and italic_*'],
    ['in**side**words', 'in**side**words'],
    ['**API**s', 'APIs'],
    ['5*3*2 and 2*x*y', '5*3*2 and 2*x*y'],
    ['**a * b**', 'a * b'],
    ['use `a < b`', 'use `a < b`'],
    ['```js\nlet a = 1;\n```', '```\nlet a = 1;\n```'],
    ['~~~\n``` inside\n~~~', '``` inside'],
    ['# Title', '*Title*'],
    ['- one\n- two', '• one\n• two'],
    ['> quoted\n> more', '> quoted\n> more'],
    ['[label](https://a.example/x)', '<https://a.example/x|label>'],
    ['[a|b](https://a.example/x)', 'a|b (https://a.example/x)'],
    ['[**bold**](https://a.example/x)', '*bold* (https://a.example/x)'],
    ['<https://a.example/x>', 'https://a.example/x'],
    ['ask <users/all> or <users/31>', 'ask <\u200busers/all> or <\u200busers/31>'],
    ['`<users/all>`', '`<\u200busers/all>`'],
    ['<https://evil.example |bank>', '<\u200bhttps://evil.example |bank>'],
    ['`<https://a.example>`', '`<https://a.example>`'],
  ])('writes %j as %j', (markdown, expected) => {
    expect(renderForGoogleChat(markdown)).toBe(expected);
  });

  it('cuts a text that its marks make too long', () => {
    const markdown = Array.from({ length: 2_000 }, (_, index) => `<users/${index}>`).join(' ');
    const parts = splitForGoogleChat(markdown).map(renderForGoogleChat);
    expect(parts.length).toBeGreaterThan(1);
    for (const part of parts) expect(part.length).toBeLessThanOrEqual(MAX_CHARACTERS);
    expect(parts.join(' ').replaceAll('\u200b', '')).toBe(markdown);
  });

  it('leaves room for buttons below the last part, in the bytes that Google counts', () => {
    const choices = Array.from({ length: MAX_BUTTONS }, (_, index) => String(index).padEnd(60, '多'));
    const address = `https://konstruct.company.example/${'x'.repeat(80)}`;
    for (const word of ['漢字かな交じり文', 'word "quoted"\n', '**b** `c`\n']) {
      const parts = splitForGoogleChat(word.repeat(30_000 / word.length), choices);
      const body = { text: renderForGoogleChat(parts.at(-1) ?? ''), cardsV2: [choiceCard(choices, address)] };
      expect(Buffer.byteLength(JSON.stringify(body))).toBeLessThan(31_500);
    }
  });
});

import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../test/support/slack-request.ts';
import { splitMarkdown as splitAt } from './split-markdown.ts';

const MAX_CHARACTERS = 12_000;
const splitMarkdown = (markdown: string, maxCharacters = 11_800) => splitAt(markdown, maxCharacters);

const FENCE = /^([ \t]*)(`{3,}|~{3,})(.*)$/;

/** The fence that is open at the end of a text, by a scan of its own; `null`: none. */
function openFence(text: string): string | null {
  let open: { marker: string; line: string } | null = null;
  for (const line of text.split('\n')) {
    const [, , marker = '', info = ''] = FENCE.exec(line.trimEnd()) ?? [];
    if (marker === '') continue;
    if (open === null)
      open = marker.startsWith('`') && info.includes('`') ? null : { marker, line: line.trim() };
    else if (info.trim() === '' && marker.startsWith(open.marker)) open = null;
  }
  return open?.line ?? null;
}

describe('splitMarkdown', () => {
  it.each(['', 'short', 'x'.repeat(11_800)])('leaves what fits as it is', (markdown) => {
    expect(splitMarkdown(markdown)).toEqual([markdown]);
  });

  it('makes one part of nothing but line breaks', () => {
    expect(splitMarkdown('\n'.repeat(20_000))).toEqual(['']);
  });

  it('cuts between paragraphs', () => {
    const paragraphs = Array.from(
      { length: 9 },
      (_, index) => `${index} ${'word '.repeat(30).trim()}\nline two`,
    );
    const parts = splitMarkdown(paragraphs.join('\n\n'), 500);
    expect(parts.length).toBeGreaterThan(2);
    for (const part of parts) expect(part).toMatch(/^\d word[\s\S]*line two$/);
  });

  it('cuts between lines, then between words, then anywhere', () => {
    const lines = splitMarkdown(Array(40).fill('a line of text').join('\n'), 400);
    for (const part of lines) expect(part).toMatch(/^a line[\s\S]*of text$/);
    const words = splitMarkdown(Array(300).fill('word').join(' '), 400);
    for (const part of words) expect(part).toMatch(/^word( word)*$/);
    const hard = splitMarkdown('x'.repeat(1000), 400);
    expect(hard.map((part) => part.length)).toEqual([400, 400, 200]);
  });

  it('never cuts a surrogate pair', () => {
    for (const shift of ['', 'x']) {
      const parts = splitMarkdown(shift + '😀'.repeat(1000), 400);
      for (const part of parts) expect(part.isWellFormed()).toBe(true);
      expect(parts.join('')).toBe(shift + '😀'.repeat(1000));
    }
  });

  it('closes a code fence and opens it again with its info string, keeping the indentation of the code', () => {
    const code = Array.from({ length: 60 }, (_, index) => `    const value${index} = ${index};`);
    const parts = splitMarkdown(`Before.\n\n\`\`\`ts title="a"\n${code.join('\n')}\n\`\`\`\n\nAfter.`, 500);
    expect(parts.length).toBeGreaterThan(2);
    for (const part of parts) {
      expect(part.length).toBeLessThanOrEqual(500);
      expect(openFence(part)).toBeNull();
    }
    expect(parts.at(-1)).toMatch(/\n```\n\nAfter\.$|^After\.$/);
    for (const part of parts.slice(1, -1)) expect(part).toMatch(/^```ts title="a"\n {4}const/);
    const seen = parts
      .join('\n')
      .split('\n')
      .filter((line) => line.includes('const'));
    expect(seen).toEqual(code);
  });

  it.each([
    ['> ', '```py'],
    ['> > ', '~~~'],
  ])('closes and opens a fence within the quote %j that it stands in', (quote, fence) => {
    const code = Array.from(
      { length: 60 },
      (_, index) => `    const value${index} = "${'*x*'.repeat(index)}";`,
    );
    const end = fence.replace('py', '');
    const lines = [fence, ...code, end].map((line) => quote + line).join('\n');
    const parts = splitMarkdown(`Before.\n\n${lines}\n\nAfter.`, 500);
    expect(parts.length).toBeGreaterThan(2);
    for (const part of parts) {
      expect(part.length).toBeLessThanOrEqual(500);
      expect(
        part.split('\n').filter((line) => line === quote + fence || line === quote + end).length % 2,
      ).toBe(0);
    }
    for (const part of parts.slice(1, -1)) expect(part.startsWith(`${quote}${fence}\n${quote}`)).toBe(true);
    expect(parts.at(-1)).toMatch(/\n\nAfter\.$|^After\.$/);
  });

  it('knows that a fence ends with its quote', () => {
    const parts = splitMarkdown(`> \`\`\`\n> code\n\n${'words '.repeat(300)}`, 400);
    for (const part of parts.slice(1)) expect(part).toMatch(/^[words ]*$/);
  });

  it('leaves no empty code block where the cut meets a fence', () => {
    for (let lines = 20; lines < 60; lines += 1) {
      const parts = splitMarkdown(
        `${'a b c\n'.repeat(lines)}\`\`\`\n${'code\n'.repeat(lines)}\`\`\`\nend ${'x '.repeat(200)}`,
        400,
      );
      for (const part of parts) expect(part).not.toMatch(/```\n```/);
    }
  });

  it('moves a code block that fits into the next part rather than cutting it', () => {
    const text = `${'word '.repeat(60).trim()}\n`;
    const block = `\`\`\`\n${'code\n'.repeat(30)}\`\`\``;
    expect(splitMarkdown(text + block, 400)).toEqual([text.trim(), block]);
  });

  it('keeps within the limit and loses nothing but whitespace, whatever the text', () => {
    const random = seededRandom(11);
    for (let round = 0; round < 400; round += 1) {
      const markdown = randomMarkdown(random);
      const max = 400 + Math.floor(random() * 400);
      const parts = splitMarkdown(markdown, max);
      expect(parts.length).toBeGreaterThan(0);
      for (const part of parts) {
        expect(part.length).toBeLessThanOrEqual(max);
        expect(part.isWellFormed()).toBe(true);
        if (parts.length > 1) expect(part.trim()).not.toBe('');
      }
      for (const part of parts.slice(0, -1)) expect(openFence(part), markdown).toBeNull();
      expect(words(parts.join('\n')), JSON.stringify(markdown)).toBe(words(markdown));
    }
  });

  it('takes a megabyte without a border', () => {
    const startedAt = performance.now();
    for (const piece of ['x', '\n', '```\n', 'a ', '😀']) {
      const parts = splitMarkdown(piece.repeat(1_000_000 / piece.length));
      for (const part of parts) expect(part.length).toBeLessThanOrEqual(MAX_CHARACTERS);
    }
    expect(performance.now() - startedAt).toBeLessThan(3000);
  });
});

/** All that is not whitespace and not a fence with its info string (`info…`). */
function words(text: string): string {
  return text.replace(/(`{3,}|~{3,})(info\d)?/g, '').replace(/\s/g, '');
}

function randomMarkdown(random: () => number): string {
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item;
  let text = '';
  const pieces = 20 + Math.floor(random() * 120);
  for (let count = 0; count < pieces; count += 1) {
    const word = pick([
      'word',
      'é',
      '😀',
      '👩‍👩‍👧',
      '`code`',
      '**bold**',
      '- item',
      '# Title',
      'x'.repeat(700),
    ]);
    const fence = pick(['```', '```info1', '~~~', '````info2', '   ```', '```   ']);
    text += pick([
      `${word} `,
      `${word} `,
      `${word} `,
      `${word}\n`,
      `${word}\n\n`,
      `\n${fence}\n`,
      '\n\n\n',
      '  ',
    ]);
  }
  return text;
}

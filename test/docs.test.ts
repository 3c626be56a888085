import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { channelTable } from '../src/channel-table.ts';
import { ownPrefixes } from '../src/config.ts';
import { configVariables } from '../src/config-variables.ts';
import { errorTable } from '../src/core/errors.ts';

/** What docs and code must agree on. When a test fails, its message holds the row that belongs into the document. */
function read(name: string): string {
  return readFileSync(new URL(`../docs/${name}`, import.meta.url), 'utf8');
}

/** Rows of all tables whose first cell is `code`, by that code and without the padding that aligns columns. */
function tableRows(text: string): ReadonlyMap<string, string> {
  const rows = text.matchAll(/^\| `([A-Za-z0-9_]+)` +\|.*$/gm);
  return new Map([...rows].map((row) => [row[1] ?? '', row[0].replaceAll(/ +/g, ' ')]));
}

describe('docs/config.md', () => {
  const rows = tableRows(read('config.md'));

  it.each(Object.entries(configVariables))(
    'describes %s as the code does',
    (name, { meaning, absent, secret }) => {
      expect(rows.get(name)).toBe(`| \`${name}\` | ${meaning}${secret ? ' Secret.' : ''} | ${absent} |`);
    },
  );

  it('describes nothing that does not exist', () => {
    expect([...rows.keys()].sort()).toEqual(Object.keys(configVariables).sort());
  });

  it('names the beginnings of variables among which misspelt ones are found', () => {
    const paragraph = read('config.md')
      .split('\n\n')
      .find((text) => text.startsWith('A misspelt variable'));
    const named = paragraph?.match(/`[A-Z_]+_`/g) ?? [];
    expect(named.sort()).toEqual(ownPrefixes.map((prefix) => `\`${prefix}\``).sort());
  });
});

describe('docs/errors.md', () => {
  const rows = tableRows(read('errors.md'));

  it.each(Object.entries(errorTable))('describes %s as the code does', (code, entry) => {
    const { meaning, status, retryable, remedy } = entry;
    expect(rows.get(code)).toBe(
      `| \`${code}\` | ${meaning} | ${status} | ${retryable ? 'yes' : 'no'} | ${remedy} |`,
    );
  });

  it('describes nothing that does not exist', () => {
    expect([...rows.keys()].sort()).toEqual(Object.keys(errorTable).sort());
  });
});

describe('docs/guides/hire-an-agent.md', () => {
  it('names every channel, and where its guide is', () => {
    const named =
      read('guides/hire-an-agent.md').match(/(?<=\| `)[a-z-]+(?=` \| \[[^\]]+\]\(connect-)/g) ?? [];
    expect(named.sort()).toEqual(channelTable.map(({ type }) => type).sort());
  });
});

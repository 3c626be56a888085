import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
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

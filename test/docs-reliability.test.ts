import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const document = new URL('../docs/reliability.md', import.meta.url);

it('docs/reliability.md names tests that exist', () => {
  const text = readFileSync(document, 'utf8');
  const named = [...text.matchAll(/^- \[.+\.test\.ts\]\((.+)\): "(.+)"$/gm)];
  expect(named.length).toBeGreaterThan(15);
  const missing = named
    .map(([, path = '', name = '']) => ({ path, name }))
    .filter(({ path, name }) => !readFileSync(new URL(path, document), 'utf8').includes(`'${name}'`));
  expect(missing).toEqual([]);
});

it('docs/reliability.md names a test for every promise', () => {
  const sections = readFileSync(document, 'utf8').split(/^## /m).slice(1, -1);
  expect(sections.length).toBeGreaterThanOrEqual(5);
  for (const section of sections) expect(section).toContain('.test.ts): "');
});

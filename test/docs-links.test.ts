import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { commands } from '../src/cli/commands.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

const documents = [...markdownIn('.', false), ...markdownIn('docs', true), ...markdownIn('deploy', true)].map(
  (path) => ({ path, text: readFileSync(join(root, path), 'utf8') }),
);

function markdownIn(folder: string, recursive: boolean): string[] {
  return readdirSync(join(root, folder), { recursive, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name));
}

function scriptsOf(folder: string): readonly string[] {
  const { scripts } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as {
    scripts: Readonly<Record<string, string>>;
  };
  return Object.keys(scripts);
}

/** Targets of links and images, and of `srcset`. */
function linksOf(text: string): string[] {
  const prose = text.replaceAll(/^```[\s\S]*?^```/gm, '');
  return [...prose.matchAll(/\]\(([^)\s]+)\)|(?:src|srcset)="([^"]+)"/g)].map(
    (link) => link[1] ?? link[2] ?? '',
  );
}

/** The anchor that a repository page gives a heading. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** Contents of inline code and lines of code blocks. */
function codeOf(text: string): string[] {
  const blocks = [...text.matchAll(/^ *```[^\n]*\n([\s\S]*?)^ *```/gm)].map(([, body = '']) => body);
  const prose = text.replaceAll(/^ *```[\s\S]*?^ *```/gm, '');
  return [
    ...blocks.flatMap((block) => block.split('\n')),
    ...[...prose.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code),
  ].map((code) => code.trim());
}

describe.each(documents)('$path', ({ path, text }) => {
  it('links to what exists', () => {
    const broken = linksOf(text).filter((link) => {
      if (/^[a-z]+:/.test(link)) return false;
      const [file = '', anchor] = link.split('#');
      const target = file === '' ? join(root, path) : resolve(root, dirname(path), file);
      if (!existsSync(target)) return true;
      return anchor !== undefined && !anchorsOf(readFileSync(target, 'utf8')).includes(anchor);
    });
    expect(broken).toEqual([]);
  });

  it('names npm scripts and files that exist', () => {
    const scripts = { root: scriptsOf('.'), portal: scriptsOf('portal') };
    const unknown = codeOf(text).filter((code) => {
      const script = /\bnpm run ([a-z:-]+)( -w portal)?/.exec(code);
      if (script && !scripts[script[2] ? 'portal' : 'root'].includes(script[1] ?? '')) return true;
      const file = /^(?:bench|bin|deploy|docs|examples|migrations|portal|src|test)\/[\w./-]+$/.exec(
        code,
      )?.[0];
      return file !== undefined && !existsSync(join(root, file)) && !/\/dist\b/.test(file);
    });
    expect(unknown).toEqual([]);
  });

  it('names commands of konstruct that exist', async () => {
    const unknown: string[] = [];
    for (const code of codeOf(text)) {
      const called = /^(?:\.\/bin\/)?konstruct ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?/.exec(code);
      if (!called) continue;
      const command = await commands.find(({ name }) => name === called[1])?.load();
      const children = command?.commands ?? [];
      const knowsChild = children.length === 0 || children.some((child) => child.name() === called[2]);
      if (!command || !knowsChild) unknown.push(code);
    }
    expect(unknown).toEqual([]);
  });
});

it('lists every document in docs/README.md', () => {
  expect(documents.length).toBeGreaterThan(10);
  const index = documents.find(({ path }) => path === join('docs', 'README.md'));
  const listed = linksOf(index?.text ?? '').map((link) => resolve(root, 'docs', link));
  const unlisted = documents
    .map(({ path }) => path)
    .filter((path) => path.startsWith('docs') && path !== index?.path)
    .filter((path) => !listed.includes(join(root, path)));
  expect(unlisted.map((path) => relative('docs', path))).toEqual([]);
});

import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../src/', import.meta.url));

/**
 * Who may import whom, below `src/`. A part is a folder, or a file at the top. Every part imports itself and `core`;
 * `*` is everything. A platform is a part of its own: channels/<name>.
 */
const allowed: Readonly<Record<string, readonly string[]>> = {
  // The vocabulary.
  core: [],
  // The stages of the pipeline: `db` only where they own SQL, and never each other.
  gateway: [],
  router: ['db'],
  queue: ['db'],
  orchestrator: [],
  llm: ['db'],
  delivery: [],
  // Beside the platforms' folders: what several of them are built of.
  channels: [],
  'channels/*': ['channels'],
  // What agents may call.
  tools: [],
  // What they stand on.
  stores: ['db'],
  db: ['config.ts'],
  // Optional, in front of the database: only its batching is used.
  redis: ['db'],
  telemetry: [],
  'system-time.ts': [],
  // The one list of platforms, for all that must know which there are.
  'channel-table.ts': ['channels/*'],
  'config.ts': ['config-variables.ts'],
  'config-variables.ts': [],
  'ensure-master-key.ts': ['config.ts', 'stores'],
  // Beside the pipeline.
  simulator: [],
  'config-file': ['channel-table.ts', 'config.ts', 'db', 'stores'],
  // What knows everything: the composition root, the commands and the public API.
  'app.ts': ['*'],
  'stop-sequence.ts': [],
  // Types only.
  'app-options.ts': ['router', 'telemetry'],
  // A piece of the composition root's wiring.
  'open-install-flows.ts': ['app-options.ts', 'db', 'gateway', 'stores'],
  'index.ts': ['*'],
  cli: ['*'],
};
const onlyFor = { 'app.ts': ['cli', 'index.ts'] } as const;
/** `process.env` is handed to the configuration once, by the command line. */
const readsEnvironment = ['config.ts', 'cli/command-context.ts'];
const drawers = /(^|[-/.])(utils?|helpers?|common|manager|impl|misc)([-/.]|$)/;
const MAX_LINES = 400;

interface SourceFile {
  /** Below `src/`, with forward slashes. */
  readonly path: string;
  readonly part: string;
  readonly text: string;
  /** Files of `src/` that it imports. */
  readonly imports: readonly { readonly path: string; readonly part: string; readonly typeOnly: boolean }[];
}

const files: readonly SourceFile[] = globSync('**/*.ts', { cwd: root })
  .map((path) => path.replaceAll('\\', '/'))
  .sort()
  .map((path) => {
    const text = readFileSync(join(root, path), 'utf8');
    const imports = importsOf(text)
      .filter(({ specifier }) => specifier.startsWith('.'))
      .map(({ specifier, typeOnly }) => {
        const target = normalize(join(dirname(path), specifier)).replaceAll('\\', '/');
        return { path: target, part: partOf(target), typeOnly };
      });
    return { path, part: partOf(path), text, imports };
  });
const shipped = files.filter(({ path }) => !path.endsWith('.test.ts'));

function partOf(path: string): string {
  const [first = '', second = ''] = path.split('/');
  return first === 'channels' && second.includes('.') === false ? `channels/${second}` : first;
}

/**
 * What a module imports, exports from elsewhere or loads later, whatever lines it takes. Comments and the inside of
 * other strings do not count.
 */
function importsOf(source: string): readonly { readonly specifier: string; readonly typeOnly: boolean }[] {
  const found: { specifier: string; typeOnly: boolean }[] = [];
  // One pass over comments, imports and strings: whichever begins first is taken whole.
  const tokens =
    /\/\/[^\n]*|\/\*[\s\S]*?\*\/|(?<![.\w$])(?:import|export)\s+(type\s)?(?:[\w$*\s{},]*?\sfrom\s*|)(['"])([^'"\n]+)\2|(?<![.\w$])import\s*\(\s*(['"`])([^'"`\n]+)\4|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[\s\S]|[^`\\])*`/g;
  for (const match of source.matchAll(tokens)) {
    const specifier = match[3] ?? match[5];
    if (specifier !== undefined) found.push({ specifier, typeOnly: match[1] !== undefined });
  }
  return found;
}

function mayImport(from: string, to: string): boolean {
  if (from === to || to === 'core') return true;
  const kindOf = (part: string): string => part.replace(/\/.*/, '/*');
  const rule = allowed[from] ?? allowed[kindOf(from)];
  if (rule === undefined) return false;
  return rule.includes('*') || rule.includes(to) || rule.includes(kindOf(to));
}

describe('the scanner', () => {
  it('sees every way to import, and neither comments nor strings', () => {
    const source = `
      import { a } from './a.ts';
      import type { b } from "./b.ts";
      import {
        c,
        type d,
      } from './c.ts';
      import './effect.ts';
      export { e } from './e.ts';
      export * from './star.ts';
      const f = await import('./f.ts');
      // import { no } from './comment.ts';
      /* import { no } from './block.ts'; */
      const text = "import { no } from './string.ts'";
      const other = \`import('./template.ts')\`;
      const from = 'not'; const it = fromA('./call.ts');
    `;
    expect(importsOf(source).map(({ specifier }) => specifier)).toEqual(
      ['a', 'b', 'c', 'effect', 'e', 'star', 'f'].map((name) => `./${name}.ts`),
    );
    expect(
      importsOf(source)
        .map(({ typeOnly }) => typeOnly)
        .indexOf(true),
    ).toBe(1);
  });

  it('saw the project: its files, and imports that lead to files', () => {
    expect(files.length).toBeGreaterThan(100);
    const known = new Set(files.map(({ path }) => path));
    const dangling = files.flatMap(({ path, imports }) =>
      imports
        .filter(
          (target) => target.path.endsWith('.ts') && !target.path.startsWith('..') && !known.has(target.path),
        )
        .map((target) => `${path} -> ${target.path}`),
    );
    expect(dangling).toEqual([]);
    expect(files.flatMap(({ imports }) => imports).length).toBeGreaterThan(300);
  });
});

describe('imports', () => {
  it('have a table that names every part there is, and none that is not', () => {
    const parts = [...new Set(shipped.map(({ part }) => part))];
    const unknown = parts.filter((part) => !(part in allowed) && !(part.replace(/\/.*/, '/*') in allowed));
    expect(unknown, 'add these to the table').toEqual([]);
    const gone = Object.keys(allowed).filter(
      (rule) => !parts.some((part) => part === rule || part.replace(/\/.*/, '/*') === rule),
    );
    expect(gone, 'these are in the table only').toEqual([]);
  });

  it('go only where the table lets them', () => {
    const wrong = shipped.flatMap(({ path, part, imports }) =>
      imports.filter((target) => !mayImport(part, target.part)).map((target) => `${path} -> ${target.path}`),
    );
    expect(wrong).toEqual([]);
  });

  it('lead to the composition root from the commands only', () => {
    const wrong = shipped.flatMap(({ path, part, imports }) =>
      imports
        .filter(
          (target) => target.path === 'app.ts' && !(onlyFor['app.ts'] as readonly string[]).includes(part),
        )
        .map(() => path),
    );
    expect(wrong).toEqual([]);
  });

  it('make no circle', () => {
    const graph = new Map(
      shipped.map(({ path, imports }) => [
        path,
        imports.filter(({ typeOnly }) => !typeOnly).map((to) => to.path),
      ]),
    );
    const done = new Set<string>();
    const circles: string[] = [];
    const visit = (path: string, way: readonly string[]): void => {
      if (way.includes(path)) {
        circles.push([...way.slice(way.indexOf(path)), path].join(' -> '));
        return;
      }
      if (done.has(path)) return;
      for (const next of graph.get(path) ?? []) visit(next, [...way, path]);
      done.add(path);
    };
    for (const path of graph.keys()) visit(path, []);
    expect(circles).toEqual([]);
  });
});

describe('files', () => {
  it('export by name only', () => {
    const wrong = shipped.filter(({ text }) => /^export\s+default\b|\bas\s+default\b/m.test(text));
    expect(wrong.map(({ path }) => path)).toEqual([]);
  });

  it('leave the environment to the configuration', () => {
    const readers = shipped.filter(({ text }) =>
      /\bprocess\s*\.\s*env\b|\benv\s*}\s*=\s*process\b/.test(text),
    );
    expect(readers.map(({ path }) => path).filter((path) => !readsEnvironment.includes(path))).toEqual([]);
  });

  it('are named in kebab-case, and none is a drawer for everything', () => {
    const names = files.flatMap(({ path }) =>
      path.split('/').map((name) => name.replace(/(\.test)?\.ts$/, '')),
    );
    expect(names.filter((name) => !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name))).toEqual([]);
    expect(files.map(({ path }) => path).filter((path) => drawers.test(path))).toEqual([]);
  });

  it('have accessors in classes only', () => {
    // In an object literal each evaluation makes a hidden class of its own. It is not young, so it keeps all that the
    // accessor can see until the next collection of everything (docs/performance.md).
    const wrong = shipped.filter(
      ({ text }) => /^\s+[gs]et \w+\(/m.test(text) && !/^(export )?(abstract )?class /m.test(text),
    );
    expect(wrong.map(({ path }) => path)).toEqual([]);
  });

  it(`of more than ${MAX_LINES} lines say at their top why`, () => {
    const wrong = shipped.filter(
      ({ text }) => text.split('\n').length > MAX_LINES && !/^(\/\/|\/\*)/.test(text.trimStart()),
    );
    expect(wrong.map(({ path }) => path)).toEqual([]);
  });
});

import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

interface LockedPackage {
  readonly integrity?: string;
  readonly resolved?: string;
  readonly link?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const lock = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8')) as {
  packages: Readonly<Record<string, LockedPackage>>;
};

// npm leaves out what the registry does not have at that moment, and then refuses its own lock with EUSAGE.
it('locks the packages of every platform, so that npm ci works', () => {
  const missing = Object.entries(lock.packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter((name) => {
      const folders = path === '' ? ['node_modules'] : [`${path}/node_modules`, 'node_modules'];
      return !folders.some((folder) => `${folder}/${name}` in lock.packages);
    }),
  );
  expect(missing).toEqual([]);
});

it('locks contents and names no registry', () => {
  const entries = Object.entries(lock.packages).filter(([path]) => path.startsWith('node_modules/'));
  expect(entries.length).toBeGreaterThan(100);
  for (const [path, { integrity, resolved, link }] of entries) {
    if (link) continue;
    expect(integrity, path).toMatch(/^sha512-/);
    expect(resolved, path).toBeUndefined();
  }
});

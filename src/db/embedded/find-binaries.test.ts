import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { findBinaries, restoreLinks } from './find-binaries.ts';

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'konstruct-binaries-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

test('says what to do when the optional package is not installed', () => {
  const elsewhere = pathToFileURL(join(folder(), 'main.js')).href;
  expect(() => findBinaries(elsewhere)).toThrow(/is not installed.*DATABASE_URL/);
});

test('finds the installed programs, with all their links', () => {
  const { root, version, missingLinks } = findBinaries();
  expect(lstatSync(join(root, 'bin')).isDirectory()).toBe(true);
  expect(version).toMatch(/^18\./);
  expect(missingLinks).toEqual([]);
});

test('makes the links that a forbidden install script did not make', () => {
  const root = folder();
  mkdirSync(join(root, 'lib'));
  writeFileSync(join(root, 'lib', 'libpq.so.5.18'), 'library');
  const links = [{ source: 'native/lib/libpq.so.5.18', target: 'native/lib/libpq.so.5' }];
  writeFileSync(join(root, 'pg-symlinks.json'), JSON.stringify(links));

  expect(restoreLinks(root)).toEqual([]);
  expect(readlinkSync(join(root, 'lib', 'libpq.so.5'))).toBe('libpq.so.5.18');
  expect(readFileSync(join(root, 'lib', 'libpq.so.5'), 'utf8')).toBe('library');
  expect(restoreLinks(root)).toEqual([]); // again, with the link there
});

test('tells which links are missing where it may not make them', () => {
  const root = folder();
  const links = [{ source: 'native/lib/libpq.so.5.18', target: 'native/lib/libpq.so.5' }];
  writeFileSync(join(root, 'pg-symlinks.json'), JSON.stringify(links));
  expect(restoreLinks(root)).toEqual([{ path: join('lib', 'libpq.so.5'), pointsTo: 'libpq.so.5.18' }]);
});

import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { runKonstruct } from '../support/run-konstruct.ts';
import { scratchParent } from '../support/scratch-parents.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(scratchParent(), 'konstruct-folder-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const konstruct = (command: string) => runKonstruct(command, { cwd: folder, env: {} });

it('makes no database to read nothing from it; only what fills it does', { timeout: 60_000 }, async () => {
  for (const command of [
    'export',
    'backup all.backup',
    'dead-letters list',
    'usage --tenant acme',
    'keys rotate',
  ]) {
    const { code, stdout, stderr } = await konstruct(command);
    expect([code, stdout, stderr], command).toEqual([
      1,
      '',
      expect.stringMatching(
        /^konstruct: There is no database in .*\.konstruct, as nothing has run there\. .*KONSTRUCT_DATA_DIR/,
      ),
    ]);
  }
  expect(await readdir(folder)).toEqual([]);
  await writeFile(join(folder, 'konstruct.yaml'), 'tenants: [{ slug: acme, name: Acme }]');
  expect(await konstruct('apply -f konstruct.yaml')).toMatchObject({ code: 0 });
  expect((await konstruct('export')).stdout).toContain('slug: acme');
});

import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The simulator's page, built for a simulator that is served at the root of its address. */
export async function buildPage(): Promise<{ readonly folder: string; remove(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'konstruct-page-'));
  const vite = join(fileURLToPath(import.meta.resolve('vite')), '..', '..', '..', 'bin', 'vite.js');
  await run(process.execPath, [vite, 'build', '--base', '/', '--outDir', folder, '--logLevel', 'warn'], {
    cwd: fileURLToPath(new URL('../../../portal/', import.meta.url)),
  });
  return { folder, remove: () => rm(folder, { recursive: true }) };
}

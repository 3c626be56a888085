import { execFile } from 'node:child_process';
import { cpSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const bench = fileURLToPath(new URL('../', import.meta.url));

/**
 * Compiles the product and the peers as the product is published. Run from TypeScript, a process carries the compiler
 * that strips the types: about 100 MB. Returns the folder that stands for `bench/`.
 */
export async function build(): Promise<URL> {
  await promisify(execFile)('tsc', ['--project', `${bench}tsconfig.json`], { cwd: bench });
  rmSync(`${bench}results/build/migrations`, { recursive: true, force: true }); // what is gone must not be applied
  cpSync(`${bench}../migrations`, `${bench}results/build/migrations`, { recursive: true });
  // The version of what is measured: functions are never taken back to an older one's.
  cpSync(`${bench}../package.json`, `${bench}results/build/package.json`);
  cpSync(`${bench}../test/fixtures`, `${bench}results/build/test/fixtures`, { recursive: true });
  return new URL('../results/build/bench/', import.meta.url);
}

import { spawn } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { KonstructError } from '../core/errors.ts';

const BUILD_TIMEOUT_MS = 120_000;
/** What the page is made of, besides the control API's types. */
const SOURCES = ['src', 'public', 'index.html', 'package.json', 'vite.config.ts', 'vite.widget.config.ts'];

const portal = fileURLToPath(new URL('../../portal/', import.meta.url));

/** Where the build puts the script of the web chat. */
export const widgetFile = join(portal, 'dist', 'widget.js');

/**
 * The folder of the built portal, with the web chat's script in it. In a checkout it is built when something of it is newer than the last build; in the
 * published package it is there.
 *
 * @throws KonstructError `internal` when the build fails
 */
export async function buildPortal(): Promise<string> {
  const built = join(portal, 'dist');
  if (!existsSync(join(portal, 'src'))) return built;
  const index = join(built, 'index.html');
  const isBuilt = [index, widgetFile].every((file) => existsSync(file));
  if (isBuilt && newestMs(portal) < statSync(index).mtimeMs) return built;
  await runVite(portal, 'vite.config.ts');
  await runVite(portal, 'vite.widget.config.ts');
  return built;
}

function newestMs(folder: string): number {
  let newest = 0;
  for (const source of SOURCES) {
    const path = join(folder, source);
    if (!existsSync(path)) continue;
    newest = Math.max(newest, statSync(path).mtimeMs);
    if (!statSync(path).isDirectory()) continue;
    for (const entry of readdirSync(path, { recursive: true, withFileTypes: true })) {
      newest = Math.max(newest, statSync(join(entry.parentPath, entry.name)).mtimeMs);
    }
  }
  return newest;
}

function runVite(folder: string, config: string): Promise<void> {
  const vite = fileURLToPath(import.meta.resolve('vite'));
  const program = join(vite, '..', '..', '..', 'bin', 'vite.js');
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, 'build', '--logLevel', 'warn', '--config', config], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: BUILD_TIMEOUT_MS,
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString();
      });
    }
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new KonstructError('internal', `The portal could not be built:\n${output.trim()}`));
    });
  });
}

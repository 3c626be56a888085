import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const VERSION = '5';

/** Installs `@slack/bolt` outside of the project, once. Returns its folder; `null`, with a line, when it cannot. */
export async function installBolt(): Promise<string | null> {
  const folder = join(tmpdir(), 'konstruct-bench-peers');
  if (existsSync(join(folder, 'node_modules/@slack/bolt/package.json'))) return folder;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"private":true}');
  try {
    await promisify(execFile)('npm', ['install', `@slack/bolt@${VERSION}`, '--no-audit', '--no-fund'], {
      cwd: folder,
      timeout: 120_000,
    });
    return folder;
  } catch {
    console.error(
      `Bolt is left out: "npm install @slack/bolt@${VERSION}" in ${folder} failed (no network?). Its ratios are missing.`,
    );
    return null;
  }
}

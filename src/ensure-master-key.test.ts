import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Config, loadConfig } from './config.ts';
import { ensureMasterKey } from './ensure-master-key.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'konstruct-key-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function config(env: Record<string, string> = {}, mode: Config['mode'] = 'dev'): Config {
  return loadConfig({ KONSTRUCT_DATA_DIR: join(folder, 'data'), ...env }, { mode, cwd: folder });
}

it('makes a key that only its owner may read and finds it again', async () => {
  const key = await ensureMasterKey(config());
  const path = join(folder, 'data', 'master.key');
  expect(key).toHaveLength(32);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(Buffer.from(await readFile(path, 'utf8'), 'base64')).toEqual(key);
  expect(await ensureMasterKey(config())).toEqual(key);
  expect(await readdir(join(folder, 'data'))).toEqual(['master.key']);
});

it('gives all processes that start at the same time the same key', async () => {
  const keys = await Promise.all(Array.from({ length: 8 }, () => ensureMasterKey(config())));
  expect(new Set(keys.map((key) => key.toString('hex'))).size).toBe(1);
});

it('prefers KONSTRUCT_MASTER_KEY and then keeps nothing', async () => {
  const key = randomBytes(32);
  expect(await ensureMasterKey(config({ KONSTRUCT_MASTER_KEY: key.toString('base64') }))).toEqual(key);
  expect(await readdir(folder)).toEqual([]);
});

it('refuses a key that other users may read, and one that is none', async () => {
  await ensureMasterKey(config());
  const path = join(folder, 'data', 'master.key');
  await chmod(path, 0o644);
  await expect(ensureMasterKey(config())).rejects.toThrow(/chmod 600/);
  await chmod(path, 0o600);
  await writeFile(path, 'lost');
  await expect(ensureMasterKey(config())).rejects.toThrow(/Restore it from a backup/);
});

it('makes no key for a database of the operator’s own', async () => {
  const own = config({ DATABASE_URL: 'postgres://localhost/konstruct' }, 'command');
  await expect(ensureMasterKey(own)).rejects.toThrow(/KONSTRUCT_MASTER_KEY is not set/);
});

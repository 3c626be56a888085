import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Config, loadConfig } from './config.ts';
import { createCipher } from './core/cipher.ts';
import { ensureMasterKey as ensureKey } from './ensure-master-key.ts';
import type { StoredSecret } from './stores/stored-secrets.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'konstruct-key-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Nothing is stored, unless it is said. */
function ensureMasterKey(config: Config, secrets: readonly StoredSecret[] = []) {
  return ensureKey(config, async () => secrets);
}

function secretUnder(key: Buffer): StoredSecret {
  const envelope = createCipher([key]).encrypt('x', 'owner');
  return { name: 'x', envelopes: [envelope], open: (cipher) => cipher.decrypt(envelope, 'owner') };
}

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

it('takes the kept key for a database of the operator’s own when it opens all that is there', async () => {
  const kept = await ensureMasterKey(config());
  const [ours, other] = [secretUnder(kept), secretUnder(randomBytes(32))];
  const database = { DATABASE_URL: 'postgres://localhost/konstruct' };
  expect(await ensureMasterKey(config(database, 'command'), [ours])).toEqual(kept);
  await expect(ensureMasterKey(config(database, 'command'), [ours, other])).rejects.toThrow(/1 of 2 secrets/);
  await expect(ensureMasterKey(config(database, 'command'))).rejects.toThrow(/may be another key/);
  // Dev made it, and will make what is stored there.
  expect(await ensureMasterKey(config(database))).toEqual(kept);
  await expect(ensureMasterKey(config(database), [other])).rejects.toThrow(/1 of 1 secrets/);
  // Beside the embedded database it is the one there is.
  expect(await ensureMasterKey(config(), [other])).toEqual(kept);
});

it('makes no key where secrets are stored that it would not open', async () => {
  const stored = [secretUnder(randomBytes(32))];
  for (const mode of ['dev', 'command'] as const) {
    await expect(ensureMasterKey(config({}, mode), stored)).rejects.toThrow(
      /1 secret is stored, and there is no master key/,
    );
  }
  expect(await readdir(folder)).toEqual([]);
});

import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createMigratedDatabase } from '../support/migrated-database.ts';
import type { TestDatabase } from '../support/postgres.ts';
import { runKonstruct } from '../support/run-konstruct.ts';
import { scratchParent } from '../support/scratch-parents.ts';

const company = (token: string) => `
routes:
  smart: [{ provider: openai-compatible, model: m, baseUrl: "http://127.0.0.1:1/v1", apiKey: sk-1 }]
tenants:
  - slug: acme
    name: Acme
    keys: { anthropic: sk-2 }
    agents: [{ slug: ada, name: Ada }]
    connections: [{ channel: slack, externalId: T0ACME, agent: ada, credentials: { botToken: ${token} } }]
`;
const newKey = () => randomBytes(32).toString('base64');

let folder: string;
let server: TestDatabase;
beforeEach(async () => {
  folder = await mkdtemp(join(scratchParent(), 'konstruct-keys-'));
  server = await createMigratedDatabase();
  await writeFile(join(folder, 'konstruct.yaml'), company('xoxb-1'));
  await writeFile(join(folder, 'changed.yaml'), company('xoxb-2'));
});
afterEach(async () => {
  await server.drop();
  await rm(folder, { recursive: true, force: true });
});

const konstruct = (command: string, env: Readonly<Record<string, string>> = {}) =>
  runKonstruct(command, { cwd: folder, env: { SLACK_API_URL: 'http://127.0.0.1:1/api/', ...env } });

async function keepKey(key: string): Promise<void> {
  await mkdir(join(folder, '.konstruct'), { recursive: true });
  await writeFile(join(folder, '.konstruct', 'master.key'), `${key}\n`, { mode: 0o600 });
}

// Each call is a whole process.
describe('a database of the operator’s own and a key that dev has kept here', { timeout: 60_000 }, () => {
  it('are brought together by no command, unless the key opens all that is stored there', async () => {
    const [own, kept] = [newKey(), newKey()];
    const database = { DATABASE_URL: server.url };
    const serving = { ...database, KONSTRUCT_MASTER_KEY: own };
    await keepKey(kept);
    // Nothing tells yet whose the database is.
    expect(await konstruct('apply -f konstruct.yaml --offline', database)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /KONSTRUCT_MASTER_KEY is not set, and .*master\.key may be another key.*\n/,
      ),
    });
    expect(await konstruct('apply -f konstruct.yaml --offline', serving)).toMatchObject({ code: 0 });
    for (const command of [
      'apply -f changed.yaml --offline',
      'export',
      'keys rotate',
      'apply -f konstruct.yaml --offline --replace-unreadable',
    ]) {
      const refused = await konstruct(command, database);
      expect([refused.code, refused.stderr], command).toEqual([
        1,
        expect.stringMatching(
          /master\.key does not open 3 of 3 secrets .*DATABASE_URL.*; set KONSTRUCT_MASTER_KEY to the key that `konstruct serve` uses/,
        ),
      ]);
    }
    expect((await konstruct('doctor', database)).stdout).toMatch(
      /✗ .*master\.key does not open 3 of 3 secrets/,
    );
    // What serve has stored is as it was.
    expect((await konstruct('apply -f konstruct.yaml --offline --json', serving)).stdout).toContain(
      '"changes": []',
    );
    await keepKey(own);
    expect(await konstruct('apply -f changed.yaml --offline', database)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('credentials changed'),
    });
    expect((await konstruct('export', serving)).code).toBe(0);
  });
});

describe('what the master key does not open', { timeout: 60_000 }, () => {
  it('is stored anew only when that is asked for', async () => {
    const before = { DATABASE_URL: server.url, KONSTRUCT_MASTER_KEY: newKey() };
    const after = { ...before, KONSTRUCT_MASTER_KEY: newKey() };
    expect((await konstruct('apply -f konstruct.yaml --offline', before)).code).toBe(0);
    const refused = await konstruct('apply -f konstruct.yaml --offline', after);
    expect(refused.code).toBe(1);
    for (const place of [
      /konstruct\.yaml:3:\d+: routes\.smart /,
      /konstruct\.yaml:7:\d+: tenants\[0\]\.keys /,
      /konstruct\.yaml:9:\d+: tenants\[0\]\.connections\[0\]\.credentials /,
    ]) {
      expect(refused.stderr).toMatch(place);
    }
    expect(refused.stderr).toMatch(
      /would replace what the master key does not open; set KONSTRUCT_MASTER_KEY to the key it was stored under, or apply with --replace-unreadable if that is lost/,
    );
    expect((await konstruct('apply -f konstruct.yaml --offline --json', before)).stdout).toContain(
      '"changes": []',
    );
    // A start with the file is no other than applying it.
    const start = await konstruct('serve', { ...after, PORT: '0', KONSTRUCT_CONFIG: 'konstruct.yaml' });
    expect(start).toMatchObject({ code: 1, stderr: expect.stringContaining('--replace-unreadable') });

    const replaced = await konstruct('apply -f konstruct.yaml --offline --replace-unreadable', after);
    expect(replaced).toMatchObject({ code: 0, stdout: expect.stringContaining('credentials changed') });
    expect((await konstruct('apply -f konstruct.yaml --offline --json', after)).stdout).toContain(
      '"changes": []',
    );
  });
});

describe('a backup that is restored where there is no key', { timeout: 120_000 }, () => {
  it('is a problem that the doctor tells, and no new key is made for it', async () => {
    const key = newKey();
    const source = { DATABASE_URL: server.url, KONSTRUCT_MASTER_KEY: key };
    expect((await konstruct('apply -f konstruct.yaml --offline', source)).code).toBe(0);
    expect((await konstruct('backup acme.backup', source)).code).toBe(0);
    expect((await konstruct('restore acme.backup')).code).toBe(0);

    const told = await konstruct('doctor');
    expect(told.stdout).toMatch(/✗ There is no usable key: 3 secrets are stored, and there is no master key/);
    expect(told.stdout).not.toContain('There is no master key yet');
    expect(told.code).toBe(1);
    for (const command of ['dev', 'apply -f konstruct.yaml --offline', 'export']) {
      const refused = await konstruct(command, { PORT: '0', HOME: process.env.HOME ?? '' });
      expect([refused.code, refused.stderr], command).toEqual([
        1,
        expect.stringMatching(
          /3 secrets are stored, and there is no master key: .*; set KONSTRUCT_MASTER_KEY to the key they were stored under/,
        ),
      ]);
    }
    expect(existsSync(join(folder, '.konstruct', 'master.key'))).toBe(false);

    expect((await konstruct('export', { KONSTRUCT_MASTER_KEY: key })).code).toBe(0);
    await keepKey(key);
    expect((await konstruct('doctor')).stdout).toContain('✓ The master key opens all 3 stored secrets.');
    expect((await konstruct('export')).code).toBe(0);
  });
});

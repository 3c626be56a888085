import { randomBytes } from 'node:crypto';
import type { Kysely } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { rotateKeys } from '../../src/cli/rotate-keys.ts';
import { applyConfigFile } from '../../src/config-file/apply-config-file.ts';
import { exportConfigFile } from '../../src/config-file/export-config-file.ts';
import { createCipher } from '../../src/core/cipher.ts';
import { createDatabase } from '../../src/db/create-database.ts';
import { createDatabasePool } from '../../src/db/pool.ts';
import type { Database } from '../../src/db/schema.ts';
import { createModelKeyDirectory } from '../../src/stores/model-keys.ts';
import { createRouteDirectory } from '../../src/stores/route-directory.ts';
import { listRoutes, openRoute } from '../../src/stores/routes.ts';
import { createMigratedDatabase } from '../support/migrated-database.ts';
import type { TestDatabase } from '../support/postgres.ts';
import { silentLog } from '../support/silent-log.ts';

const oldKey = randomBytes(32);
const cipher = createCipher([oldKey]);
const env = { ONE: 'sk-one', TWO: 'sk-two', THREE: 'sk-three' };

const file = `
routes:
  default:
    entries:
      - { provider: anthropic, model: claude-sonnet-4-5, apiKeys: ["\${ONE}", "\${TWO}"], weight: 9, contextTokens: 200000 }
      - { provider: openai, model: gpt-5.4, api: chat, weight: 1, maxOutputTokens: 2000 }
    hedgeAfterMs: 1500
    onRefusal: next
    timeouts: { connectMs: 2000, firstTokenMs: 8000, idleMs: 5000, totalMs: 60000 }
  short:
    - { provider: groq, model: llama-3.3-70b-versatile }
  aws:
    - { provider: bedrock, model: amazon.nova-pro-v1:0, region: eu-central-1 }
tenants:
  - slug: acme
    name: Acme
    keys: { anthropic: "\${ONE}", openai: ["\${TWO}", "\${THREE}"] }
  - slug: globex
    name: Globex
`;

let server: TestDatabase;
let admin: pg.Client;
let database: Kysely<Database>;
beforeAll(async () => {
  server = await createMigratedDatabase();
  admin = new pg.Client({ connectionString: server.url });
  await admin.connect();
  database = createDatabase(createDatabasePool({ url: server.url, name: 'test', size: 9, log: silentLog }));
});
afterAll(async () => {
  await database?.destroy();
  await admin?.end();
  await server?.drop();
});
beforeEach(async () => {
  await admin.query('truncate konstruct.tenants, konstruct.routes cascade');
});

const apply = (text: string) =>
  applyConfigFile({ database, cipher, source: { fileName: 'konstruct.yaml', text }, env });

async function tenantId(slug: string): Promise<string> {
  const { rows } = await admin.query<{ id: string }>('select id from konstruct.tenants where slug = $1', [
    slug,
  ]);
  return rows[0]?.id ?? '';
}

describe('model keys and routes', () => {
  it('are stored encrypted, for their tenant alone, and read by the directory', async () => {
    await apply(file);
    const { rows } = await admin.query<{ dump: string }>(
      `select (select string_agg(k::text || convert_from(decode(encode(k.keys, 'hex'), 'escape'), 'latin1'), '') from konstruct.model_keys k)
        || (select string_agg(r::text, '') from konstruct.routes r) as dump`,
    );
    for (const secret of Object.values(env)) expect(rows[0]?.dump).not.toContain(secret);
    const directory = createModelKeyDirectory(database, cipher);
    expect(await directory.find(await tenantId('acme'))).toEqual({
      anthropic: ['sk-one'],
      openai: ['sk-two', 'sk-three'],
    });
    expect(await directory.find(await tenantId('globex'))).toEqual({});
  });

  it('cannot be read under another tenant’s name', async () => {
    await apply(file);
    await admin.query('update konstruct.model_keys set tenant_id = $1', [await tenantId('globex')]);
    const directory = createModelKeyDirectory(database, cipher);
    expect(await directory.find(await tenantId('globex'))).toEqual({ anthropic: null, openai: null });
  });

  it('fail alone when they cannot be decrypted', async () => {
    await apply(file);
    await apply(
      file.replace(
        '  short:\n    - { provider: groq,',
        `  short:\n    - { provider: groq, apiKey: "\${TWO}",`,
      ),
    );
    await admin.query(`update konstruct.model_keys set keys = '\\x00' where provider = 'openai'`);
    await admin.query(
      `update konstruct.routes set entries = jsonb_set(entries, '{0,encryptedApiKeys,0}', '"AAAA"') where name = 'default'`,
    );
    const fallback = { name: 'default', entries: [] };
    const routes = createRouteDirectory({ database, cipher, fallback });
    expect(await routes.find('short')).toMatchObject({ entries: [{ apiKey: 'sk-two' }] });
    await expect(routes.find('default')).rejects.toMatchObject({ code: 'credentials_unreadable' });
    expect(await routes.find('short')).toMatchObject({ entries: [{ apiKey: 'sk-two' }] });
    expect(await createModelKeyDirectory(database, cipher).find(await tenantId('acme'))).toEqual({
      anthropic: ['sk-one'],
      openai: null,
    });
  });

  it('are applied once, exported without secrets, and the export changes nothing', async () => {
    expect((await apply(file)).changes.length).toBeGreaterThan(0);
    expect((await apply(file)).changes).toEqual([]);
    const { text, variables } = await exportConfigFile(database, cipher);
    for (const secret of Object.values(env)) expect(text).not.toContain(secret);
    expect(variables.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['ACME_ANTHROPIC_API_KEY', 'ACME_OPENAI_API_KEY_2']),
    );
    const filled = Object.fromEntries(variables.map(({ name }) => [name, 'x']));
    const again = await applyConfigFile({
      database,
      cipher,
      source: { fileName: 'export.yaml', text },
      env: {
        ...filled,
        ROUTE_DEFAULT_1_API_KEYS_1: 'sk-one',
        ROUTE_DEFAULT_1_API_KEYS_2: 'sk-two',
        ACME_ANTHROPIC_API_KEY: 'sk-one',
        ACME_OPENAI_API_KEY_1: 'sk-two',
        ACME_OPENAI_API_KEY_2: 'sk-three',
      },
      dryRun: true,
    });
    expect(again.changes).toEqual([]);
    const stored = (await listRoutes(database)).find(({ name }) => name === 'default');
    expect(stored && openRoute(cipher, stored)).toMatchObject({
      hedgeAfterMs: 1500,
      onRefusal: 'next',
      timeouts: { idleMs: 5000 },
      entries: [
        { apiKeys: ['sk-one', 'sk-two'], weight: 9 },
        { api: 'chat', maxOutputTokens: 2000 },
      ],
    });
  });

  it('follow the master key', async () => {
    await apply(file);
    const newKey = randomBytes(32);
    const result = await rotateKeys(database, createCipher([newKey, oldKey]));
    expect(result).toEqual({ reencrypted: 3, current: 0, unreadable: [] }); // two providers of acme, one route with keys
    const directory = createModelKeyDirectory(database, createCipher([newKey]));
    expect(await directory.find(await tenantId('acme'))).toMatchObject({ anthropic: ['sk-one'] });
    expect((await rotateKeys(database, createCipher([newKey, oldKey]))).current).toBe(3);
  });

  it('do not undo what was applied while the master key changes', async () => {
    await apply(file);
    const changed = '[{"provider": "openai", "model": "gpt-5.4"}]';
    await admin.query('begin');
    await admin.query(`update konstruct.routes set entries = $1 where name = 'default'`, [changed]);
    const rotation = rotateKeys(database, createCipher([randomBytes(32), oldKey]));
    // It has read the route as it was, and waits for the row.
    const isWaiting = async () => {
      const { rows } = await admin.query<{ waiting: number }>(
        `select count(*)::int as waiting from pg_locks where not granted and locktype = 'transactionid'
           and pg_blocking_pids(pid) @> array[pg_backend_pid()]`,
      );
      return rows[0]?.waiting;
    };
    await expect.poll(isWaiting, { timeout: 10_000 }).toBe(1);
    await admin.query('commit');
    expect(await rotation).toMatchObject({ reencrypted: 2 });
    const stored = (await listRoutes(database)).find(({ name }) => name === 'default');
    expect(stored?.entries).toEqual(JSON.parse(changed));
  });

  it('stay when the file says nothing of them, and go when it says that there are none', async () => {
    await apply(file);
    const id = await tenantId('acme');
    await apply('tenants: [{ slug: acme, name: Acme }]');
    expect(Object.keys(await createModelKeyDirectory(database, cipher).find(id))).toHaveLength(2);
    await apply('tenants: [{ slug: acme, name: Acme, keys: {} }]');
    expect(await createModelKeyDirectory(database, cipher).find(id)).toEqual({});
  });

  it('are refused with file, line and what to do', async () => {
    const wrong = `routes:
  default:
    entries:
      - { provider: antropic, model: claude }
      - { provider: openai, model: gpt, baseUrl: localhost }
    hedgeAfter: 5
  other:
    - { provider: openai, modell: gpt }
    - { provider: openai-compatible, model: llama }
tenants:
  - slug: acme
    name: Acme
    keys: { ollama: "key" }
`;
    const error = await apply(wrong).then(
      () => null,
      (reason: Error) => reason,
    );
    expect(
      error?.message
        .split('\n')
        .slice(1)
        .map((line) => line.trim().split(' ').slice(0, 2).join(' ')),
    ).toEqual([
      'konstruct.yaml:4:21: routes.default.entries[0].provider',
      'konstruct.yaml:5:50: routes.default.entries[1].baseUrl',
      'konstruct.yaml:6:5: routes.default.hedgeAfter',
      'konstruct.yaml:8:7: routes.other[0].model',
      'konstruct.yaml:8:27: routes.other[0].modell',
      'konstruct.yaml:9:7: routes.other[1].baseUrl',
      'konstruct.yaml:13:13: tenants[0].keys.ollama',
    ]);
    expect(error?.message).toContain('did you mean hedgeAfterMs?');
  });
});

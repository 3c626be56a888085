import { randomBytes } from 'node:crypto';
import type { Kysely } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { connectionOwner, createCipher } from '../../src/core/cipher.ts';
import type { Credentials } from '../../src/core/tenant.ts';
import { createDatabase } from '../../src/db/create-database.ts';
import { createDatabasePool } from '../../src/db/pool.ts';
import type { Database } from '../../src/db/schema.ts';
import { defaultSeeds } from '../../src/simulator/default-seeds.ts';
import { renewStoredCredentials } from '../../src/stores/credential-renewal.ts';
import { createMigratedDatabase } from '../support/migrated-database.ts';
import type { TestDatabase } from '../support/postgres.ts';
import { type SeededTenant, seedTenants } from '../support/seed-tenants.ts';
import { silentLog } from '../support/silent-log.ts';

const [oldKey, newKey] = [randomBytes(32), randomBytes(32)];
const cipher = createCipher([oldKey]);
const rotated = createCipher([newKey, oldKey]);

let server: TestDatabase;
let admin: pg.Client;
let database: Kysely<Database>;
let tenant: SeededTenant;
beforeAll(async () => {
  server = await createMigratedDatabase();
  admin = new pg.Client({ connectionString: server.url });
  await admin.connect();
  database = createDatabase(createDatabasePool({ url: server.url, name: 'test', size: 9, log: silentLog }));
  const workspaces = defaultSeeds.slice(0, 1);
  [tenant] = (await seedTenants({ databaseUrl: server.url, cipher, workspaces })) as [SeededTenant];
});
afterAll(async () => {
  await database?.destroy();
  await admin?.end();
  await server?.drop();
});

const first = { botToken: 'one', refreshToken: 'r1' };
const second = { botToken: 'two', refreshToken: 'r2' };

async function store(credentials: Credentials, under = cipher): Promise<void> {
  const sealed = under.encrypt(
    JSON.stringify(credentials),
    connectionOwner(tenant.tenantId, tenant.connectionId),
  );
  await admin.query('update konstruct.connections set credentials = $1 where id = $2', [
    sealed,
    tenant.connectionId,
  ]);
}

async function stored(): Promise<Credentials> {
  const { rows } = await admin.query('select credentials from konstruct.connections where id = $1', [
    tenant.connectionId,
  ]);
  const owner = connectionOwner(tenant.tenantId, tenant.connectionId);
  return JSON.parse(rotated.decrypt(rows[0].credentials, owner));
}

const renew = (during: (credentials: Credentials) => Promise<Credentials>, held: Credentials = first) =>
  renewStoredCredentials(
    database,
    rotated,
    { tenantId: tenant.tenantId, id: tenant.connectionId },
    {
      isGood: (credentials) => credentials.botToken !== held.botToken,
      renew: async (credentials) => ({ credentials: await during(credentials), expiresAtMs: null }),
    },
  );

describe('credentials that are renewed', () => {
  beforeEach(() => store(first));

  it('are stored before anybody has them', async () => {
    expect(await renew(async () => second)).toEqual(second);
    expect(await stored()).toEqual(second);
  });

  it('are renewed once by many at the same time', async () => {
    let asked = 0;
    const all = Array.from({ length: 5 }, () =>
      renew(async () => {
        asked += 1;
        return second;
      }),
    );
    expect(await Promise.all(all)).toEqual(all.map(() => second));
    expect(asked).toBe(1);
  });

  it('are stored although the master key was changed meanwhile', async () => {
    await renew(async () => {
      await store(first, rotated);
      return second;
    });
    expect(await stored()).toEqual(second);
  });

  it('give way to others that were applied or installed meanwhile', async () => {
    const applied = { botToken: 'applied' };
    const result = await renew(async () => {
      await store(applied);
      return second;
    });
    expect(result).toEqual(applied);
    expect(await stored()).toEqual(applied);
  });

  it('stay where the platform refuses', async () => {
    await expect(renew(() => Promise.reject(new Error('refused')))).rejects.toThrow('refused');
    expect(await stored()).toEqual(first);
  });
});

import { randomBytes } from 'node:crypto';
import type { Kysely } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { applyConfigFile } from '../../src/config-file/apply-config-file.ts';
import { exportConfigFile } from '../../src/config-file/export-config-file.ts';
import { readInstallation } from '../../src/config-file/read-installation.ts';
import { createCipher } from '../../src/core/cipher.ts';
import { createDatabase } from '../../src/db/create-database.ts';
import { createDatabasePool } from '../../src/db/pool.ts';
import type { Database } from '../../src/db/schema.ts';
import { openCredentials } from '../../src/stores/connections.ts';
import { saveInstallation } from '../../src/stores/installations.ts';
import { createMigratedDatabase } from '../support/migrated-database.ts';
import type { TestDatabase } from '../support/postgres.ts';
import { silentLog } from '../support/silent-log.ts';

const cipher = createCipher([randomBytes(32)]);
const company = `
tenants:
  - slug: acme
    name: Acme
    agents: [{ slug: ada, name: Ada }, { slug: bob, name: Bob }]
    connections: []
`;
const withConnection = (fields: string) =>
  company.replace('connections: []', `connections: [{ channel: slack, externalId: T0ACME, ${fields} }]`);

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

const apply = (text: string, prune = false) =>
  applyConfigFile({ database, cipher, source: { fileName: 'konstruct.yaml', text }, env: {}, prune });

async function acme() {
  const found = (await readInstallation(database, new Set(['acme']))).tenants.get('acme');
  if (found === undefined) throw new Error('There is no acme.');
  return found;
}

const credentials = { botToken: 'xoxe.xoxb-1', refreshToken: 'xoxe-1', tokenExpiresAt: '1' };

async function install(agent: string): Promise<void> {
  const { tenant, agents } = await acme();
  await saveInstallation(database, cipher, {
    tenantId: tenant.id,
    agentId: agents.find(({ slug }) => slug === agent)?.id ?? '',
    channel: 'slack',
    app: {
      credentials,
      expiresAtMs: 1,
      externalId: 'T0ACME',
      appId: 'A1',
      agentUserId: 'U1',
      name: 'Acme',
      openUrl: null,
    },
    keep: [],
  });
}

describe('a workspace that was installed in a browser', () => {
  beforeEach(async () => {
    await admin.query('truncate konstruct.tenants cascade');
    await apply(company);
  });

  it('is exported without its credentials, and what is exported changes nothing', async () => {
    await install('ada');
    const { text, variables } = await exportConfigFile(database, cipher);
    expect(text).toContain('externalId: T0ACME');
    expect(text).not.toContain('credentials');
    expect(variables).toEqual([]);
    expect((await apply(text, true)).changes).toEqual([]);
    const [connection] = (await acme()).connections;
    expect(connection && openCredentials(cipher, connection)).toEqual(credentials);
  });

  it('takes its settings and its agent from a file that names no credentials', async () => {
    await install('ada');
    await apply(withConnection('agent: bob, settings: { ratePerMinute: 7 }'));
    const { connections, agents } = await acme();
    expect(connections[0]).toMatchObject({
      agentId: agents.find(({ slug }) => slug === 'bob')?.id,
      settings: { ratePerMinute: 7 },
      isInstalled: true,
    });
    expect(connections[0] && openCredentials(cipher, connections[0])).toEqual(credentials);
  });

  it('is applied, and no longer renewed, where a file names credentials for it', async () => {
    await install('ada');
    await apply(withConnection('agent: ada, credentials: { botToken: xoxb-applied }'));
    const [connection] = (await acme()).connections;
    expect(connection?.isInstalled).toBe(false);
    expect(connection && openCredentials(cipher, connection)).toEqual({ botToken: 'xoxb-applied' });
    const { rows } = await admin.query('select credentials_expire_at as ends from konstruct.connections');
    expect(rows).toEqual([{ ends: null }]);
  });

  it('is not pruned with its agent by a file that does not know it, until the app is gone there', async () => {
    await install('bob');
    const withoutBob = company.replace(', { slug: bob, name: Bob }', '');
    const { warnings } = await apply(withoutBob, true);
    expect(warnings).toEqual([expect.stringContaining('was installed in a browser')]);
    expect((await acme()).connections).toHaveLength(1);
    expect((await acme()).agents).toHaveLength(2);
    await admin.query("update konstruct.connections set status = 'disabled'");
    await apply(withoutBob, true);
    expect((await acme()).connections).toEqual([]);
    expect((await acme()).agents).toHaveLength(1);
  });

  it('that is in a file before anybody installed it is said to be missing', async () => {
    const { warnings, changes } = await apply(withConnection('agent: ada'));
    expect(changes).toEqual([]);
    expect(warnings).toEqual([expect.stringContaining('slack T0ACME of acme is not connected yet')]);
  });

  it('is for channels that know such: a Telegram bot needs its token', async () => {
    const telegram = withConnection('agent: ada').replace('slack', 'telegram').replace('T0ACME', '"123456"');
    await expect(apply(telegram)).rejects.toThrow(/credentials is missing/);
    const emptied = telegram.replace('agent: ada', 'agent: ada, credentials: ');
    await expect(apply(emptied)).rejects.toThrow(
      /konstruct\.yaml:6:\d+: tenants\[0\]\.connections\[0\]\.credentials is missing/,
    );
    const discord = emptied.replace('telegram', 'discord').replace('"123456"', '"123456789012345678"');
    await expect(apply(discord)).rejects.toThrow(/credentials is missing/);
    // Of Slack it is an installation in a browser that is to come.
    const slack = withConnection('agent: ada, credentials: ');
    expect((await apply(slack)).warnings).toEqual([expect.stringContaining('is not connected yet')]);
  });

  it('says how answers are shown while they are written', async () => {
    await install('ada');
    const streaming = (value: string) => withConnection(`agent: ada, settings: { streaming: ${value} }`);
    await apply(streaming('native'));
    expect((await acme()).connections[0]?.settings).toEqual({ streaming: 'native' });
    expect((await exportConfigFile(database, cipher)).text).toContain('streaming: native');
    await expect(apply(streaming('often'))).rejects.toThrow(/settings\.streaming .*native/);
    const telegram = withConnection(
      'agent: ada, credentials: { botToken: x }, settings: { streaming: native }',
    )
      .replace('slack', 'telegram')
      .replace('T0ACME', '"123456"');
    await expect(apply(telegram)).rejects.toThrow(
      /settings\.streaming is native, but telegram has no streaming of its own \(slack, .*teams.* have\)/,
    );
  });
});

import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { createCipher } from '../../src/core/cipher.ts';
import { startEmbeddedDatabase } from '../../src/db/embedded/start-embedded-database.ts';
import { migrate } from '../../src/db/migrate.ts';
import { seedTenants } from '../../test/support/seed-tenants.ts';
import { silentLog } from '../../test/support/silent-log.ts';
import { workspaces } from './events.ts';
import { familyCpuMs, nameOf, parentOf } from './process-usage.ts';

/** A PostgreSQL for the bench: that of `DATABASE_URL`, if it runs on this machine, or an embedded one. */
export interface DatabaseServer {
  readonly version: string;
  /** CPU of all its processes so far, in ms. */
  cpuMs(): number;
  /** A migrated database with all workspaces of the bench and, unless told otherwise, the usual history. */
  createDatabase(modelUrl: string, options?: { readonly history: History }): Promise<BenchDatabase>;
  stop(): Promise<void>;
}

/** Of 20,000 conversations: 40,000 messages (usual), or a million (full). */
export type History = 'none' | 'usual' | 'full';
const turnsPerConversation = { usual: 1, full: 25 } as const;

export interface BenchDatabase {
  readonly url: string;
  /** base64 */
  readonly masterKey: string;
  drop(): Promise<void>;
}

/** So high that no event of the bench is refused: the limit itself is not what is measured. */
const RATE_PER_MINUTE = 10_000_000;

const seedHistory = readFileSync(new URL('./seed-history.sql', import.meta.url), 'utf8');

export async function startDatabaseServer(): Promise<DatabaseServer> {
  const configured = process.env.DATABASE_URL;
  const dataDir = mkdtempSync(join(tmpdir(), 'konstruct-bench-'));
  const embedded = configured ? null : await startEmbeddedDatabase({ dataDir, log: silentLog });
  const adminUrl = configured ?? embedded?.url ?? '';
  const { version, postmaster } = await asAdmin(adminUrl, async (client) => {
    const { rows } = await client.query<{ version: string; backend: number }>(
      'select version(), pg_backend_pid() as backend',
    );
    return { version: rows[0]?.version ?? '', postmaster: postmasterOf(rows[0]?.backend ?? 0) };
  });

  // Filled once: copying one is a matter of seconds, whatever is in it.
  const templates = new Map<string, Promise<Template>>();
  return {
    version: version.split(' ').slice(0, 2).join(' '),
    cpuMs: () => (postmaster === null ? Number.NaN : familyCpuMs(postmaster)),
    async createDatabase(modelUrl, { history } = { history: 'usual' }) {
      const kind = `${history} ${modelUrl}`;
      const template = templates.get(kind) ?? makeTemplate(adminUrl, modelUrl, history);
      templates.set(kind, template);
      const { name: original, masterKey } = await template;
      const { name, url } = databaseOf(adminUrl);
      await asAdmin(adminUrl, (client) => client.query(`create database ${name} template ${original}`));
      return { url, masterKey, drop: () => dropDatabase(adminUrl, name) };
    },
    async stop() {
      for (const template of templates.values()) await dropDatabase(adminUrl, (await template).name);
      await embedded?.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

interface Template {
  readonly name: string;
  readonly masterKey: string;
}

async function makeTemplate(adminUrl: string, modelUrl: string, history: History): Promise<Template> {
  const { name, url } = databaseOf(adminUrl);
  await asAdmin(adminUrl, (client) => client.query(`create database ${name}`));
  const key = randomBytes(32);
  await migrate(url, { log: silentLog });
  await seedTenants({
    databaseUrl: url,
    cipher: createCipher([key]),
    workspaces: workspaces.map((workspace) => ({
      ...workspace,
      name: `Company ${workspace.id}`,
      appId: '',
      botId: '',
      agentName: 'Ada',
      users: [],
      channels: [],
    })),
    routes: {
      default: [{ provider: 'openai-compatible', model: 'bench', baseUrl: modelUrl, apiKey: 'key' }],
    },
    settings: { ratePerMinute: RATE_PER_MINUTE },
  });
  if (history !== 'none') {
    await asAdmin(url, async (client) => {
      await client.query(`set bench.turns = ${turnsPerConversation[history]}`);
      await client.query(seedHistory);
    });
  }
  return { name, masterKey: key.toString('base64') };
}

function databaseOf(adminUrl: string) {
  const name = `konstruct_bench_${randomBytes(4).toString('hex')}`;
  const url = new URL(adminUrl);
  url.pathname = name;
  return { name, url: url.href };
}

async function dropDatabase(adminUrl: string, name: string): Promise<void> {
  await asAdmin(adminUrl, (client) => client.query(`drop database if exists ${name} with (force)`));
}

/** The parent of a connection's process; `null`: the server is on another machine. */
function postmasterOf(backend: number): number | null {
  try {
    return nameOf(backend).startsWith('postgres') ? parentOf(backend) : null;
  } catch {
    return null;
  }
}

async function asAdmin<Result>(url: string, work: (client: pg.Client) => Promise<Result>): Promise<Result> {
  const client = new pg.Client({ connectionString: url, query_timeout: 600_000 });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

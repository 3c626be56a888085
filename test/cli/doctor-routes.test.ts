import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { expect, it } from 'vitest';
import { createMigratedDatabase } from '../support/migrated-database.ts';
import { runKonstruct } from '../support/run-konstruct.ts';

const company = `
routes:
  smart: [{ provider: demo, model: scripted }]
tenants:
  - { slug: acme, name: Acme, agents: [{ slug: ada, name: Ada, route: smart }, { slug: bob, name: Bob }] }
`;

it('names agents whose route does not exist', { timeout: 60_000 }, async () => {
  const server = await createMigratedDatabase();
  const folder = await mkdtemp(join(tmpdir(), 'konstruct-doctor-'));
  const admin = new pg.Client({ connectionString: server.url });
  try {
    await writeFile(join(folder, 'konstruct.yaml'), company);
    const env = { DATABASE_URL: server.url, KONSTRUCT_MASTER_KEY: randomBytes(32).toString('base64') };
    const konstruct = (command: string) => runKonstruct(command, { cwd: folder, env });
    const models = async () => {
      const { stdout } = await konstruct('doctor --json');
      const checks: { check: string; findings: { level: string; text: string; remedy: string }[] }[] =
        JSON.parse(stdout).checks;
      return checks.find(({ check }) => check === 'Models')?.findings ?? [];
    };
    expect(await konstruct('apply -f konstruct.yaml')).toMatchObject({ code: 0 });
    expect((await models()).filter(({ level }) => level === 'problem')).toEqual([]);
    await admin.connect();
    await admin.query('delete from konstruct.routes');
    expect((await models()).filter(({ level }) => level === 'problem')).toEqual([
      {
        level: 'problem',
        text: 'Agent ada of acme uses the route smart, which does not exist.',
        remedy: expect.stringMatching(/^Add the route to konstruct\.yaml/),
      },
    ]);
  } finally {
    await admin.end();
    await server.drop();
    await rm(folder, { recursive: true, force: true });
  }
});

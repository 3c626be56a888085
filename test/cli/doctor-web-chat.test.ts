import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Fastify from 'fastify';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { DoctorContext } from '../../src/cli/doctor/check.ts';
import { checkWebChat } from '../../src/cli/doctor/check-web-chat.ts';
import { createDatabase } from '../../src/db/create-database.ts';
import { createDatabasePool } from '../../src/db/pool.ts';
import { widgetScript } from '../../src/gateway/widget-script.ts';
import { createMigratedDatabase } from '../support/migrated-database.ts';
import type { TestDatabase } from '../support/postgres.ts';
import { runKonstruct } from '../support/run-konstruct.ts';
import { silentLog } from '../support/silent-log.ts';

let folder: string;
let server: TestDatabase;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'konstruct-cli-'));
  server = await createMigratedDatabase();
});
afterAll(async () => {
  await server?.drop();
  await rm(folder, { recursive: true, force: true });
});

const company = (settings: string) => `
tenants:
  - slug: acme
    name: Acme
    agents: [{ slug: ada, name: Ada }]
    connections:
      - { channel: widget, externalId: acme-site, agent: ada, credentials: { secret: "\${SECRET}" }, settings: { ${settings} } }
`;

async function apply(settings: string): Promise<void> {
  await writeFile(join(folder, 'konstruct.yaml'), company(settings));
  const env = {
    DATABASE_URL: server.url,
    KONSTRUCT_MASTER_KEY: randomBytes(32).toString('base64'),
    SECRET: 'x'.repeat(40),
  };
  const { code, stderr } = await runKonstruct('apply -f konstruct.yaml', { cwd: folder, env });
  expect(stderr).toBe('');
  expect(code).toBe(0);
}

async function findings(widgetFile: string) {
  const database = createDatabase(
    createDatabasePool({ url: server.url, name: 'doctor', size: 2, log: silentLog }),
  );
  try {
    return await checkWebChat.run({ database, widgetFile } as unknown as DoctorContext);
  } finally {
    await database.destroy();
  }
}

it('the doctor says how to make the script of web chats when it was never built, and nothing where none is used', async () => {
  const missing = join(folder, 'widget.js');
  expect(await findings(missing)).toEqual([]);
  await apply('allowAnonymous: true');
  expect(await findings(missing)).toEqual([
    {
      level: 'problem',
      text: `The script of web chats is not built (${missing}), so pages that ask for /widget.js get 404.`,
      remedy:
        'Run `npm run build` in the checkout, on every machine that runs a gateway; nothing has to be restarted.',
    },
  ]);
  await writeFile(missing, '');
  expect(await findings(missing)).toMatchObject([{ level: 'ok', text: 'The script of web chats is built.' }]);
}, 60_000);

it('a page that asks for a script that was never built is told how to make it, and gets it once it is there', async () => {
  const file = join(folder, 'later.js');
  const server = Fastify();
  await server.register(widgetScript(file));
  expect((await server.inject('/widget.js')).json()).toMatchObject({
    code: 'not_found',
    message: expect.stringContaining('npm run build'),
  });
  await writeFile(file, 'konstruct');
  expect((await server.inject('/widget.js')).body).toBe('konstruct');
  await server.close();
});

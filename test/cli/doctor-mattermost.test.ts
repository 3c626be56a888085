import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  type MattermostServer,
  startMattermostServer,
} from '../support/mattermost/start-mattermost-server.ts';
import { createMigratedDatabase } from '../support/migrated-database.ts';
import type { TestDatabase } from '../support/postgres.ts';
import { runKonstruct } from '../support/run-konstruct.ts';

const TOKEN = 'adabottoken0standin0000000';

let folder: string;
let database: TestDatabase;
let server: MattermostServer;
let env: Record<string, string>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'konstruct-cli-'));
  database = await createMigratedDatabase();
  server = await startMattermostServer();
  const ada = server.addUser({ username: 'ada', is_bot: true, token: TOKEN });
  server.addChannel('O', [ada], server.addTeam('acme', [ada]));
  env = {
    KONSTRUCT_MASTER_KEY: randomBytes(32).toString('base64'),
    KONSTRUCT_PUBLIC_URL: 'https://konstruct.example.com',
    DATABASE_URL: database.url,
    ADA_SERVER: server.url,
    ADA_TOKEN: TOKEN,
  };
});
afterAll(async () => {
  await server?.close();
  await database?.drop();
  await rm(folder, { recursive: true, force: true });
});

const konstruct = (command: string) => runKonstruct(command, { env, cwd: folder });

async function apply(externalId: string): Promise<string> {
  const connection = `{ channel: mattermost, externalId: "${externalId}", agent: ada, credentials: { serverUrl: "\${ADA_SERVER}", botToken: "\${ADA_TOKEN}" } }`;
  const company = `
tenants:
  - slug: acme
    name: Acme
    agents: [{ slug: ada, name: Ada }]
    connections:
      - ${connection}
`;
  await writeFile(join(folder, 'konstruct.yaml'), company);
  return (await konstruct('apply -f konstruct.yaml --prune')).stderr;
}

async function connections(): Promise<string> {
  const { checks } = JSON.parse((await konstruct('doctor --json')).stdout) as {
    checks: readonly { check: string; findings: readonly { level: string; text: string }[] }[];
  };
  const found = checks.find(({ check }) => check === 'Connections')?.findings ?? [];
  return found.map(({ level, text: line }) => `${level}: ${line}`).join('\n');
}

it('a connection is named by its server and its bot, and anything else is refused with an example', async () => {
  expect(await apply('ada')).toContain('chat.acme.example/ada');
}, 60_000);

it('the doctor asks a bot’s own server, and says whose the token is when it is another’s', async () => {
  const place = server.url.replace('http://', '');
  expect(await apply(`${place}/ada`)).toBe('');
  const found = await connections();
  expect(found).toContain(`mattermost ${place}/ada of acme answers as ada in ada.`);
  expect(found).toMatch(/buttons lead to https:\/\/konstruct\.example\.com\/mattermost\/[0-9a-f-]{36};/);
  expect(found).not.toContain(TOKEN);
  expect(await apply(`${place}/gus`)).toBe('');
  expect(await connections()).toMatch(/^problem: .*the token belongs to ada \(.*\/ada\)\.$/m);
  server.revoke(TOKEN);
  expect(await connections()).toMatch(/^problem: .*Mattermost refused users\.me: unauthorized\./m);
}, 60_000);

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { App } from '../support/discord/discord-world.ts';
import { type DiscordServer, startDiscordServer } from '../support/discord/start-discord-server.ts';
import {
  type GoogleChatServer,
  startGoogleChatServer,
} from '../support/google-chat/start-google-chat-server.ts';
import { createMigratedDatabase } from '../support/migrated-database.ts';
import type { TestDatabase } from '../support/postgres.ts';
import { runKonstruct } from '../support/run-konstruct.ts';
import { startTeamsServer, type TeamsServer } from '../support/teams/start-teams-server.ts';

const APP = '11111111-1111-4111-8111-111111111111';
const ACME = 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa';
const PROJECT = '111111111111';
const company = `
tenants:
  - slug: acme
    name: Acme
    agents: [{ slug: ada, name: Ada }]
    connections:
      - { channel: teams, externalId: ${ACME}, agent: ada, credentials: {} }
      - channel: google-chat
        externalId: "${PROJECT}"
        agent: ada
        credentials: { serviceAccount: "\${GOOGLE_KEY}", audience: "${PROJECT}" }
`;
const discordConnection = (id: string) => `
      - { channel: discord, externalId: "${id}", agent: ada, credentials: { botToken: "\${DISCORD_TOKEN}" } }
`;

let folder: string;
let database: TestDatabase;
let teams: TeamsServer;
let chat: GoogleChatServer;
let discord: DiscordServer;
let ada: App;
let env: Record<string, string>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'konstruct-cli-'));
  discord = await startDiscordServer();
  ada = discord.addApp({ name: 'Ada' });
  discord.addServer('Acme', [ada]);
  await writeFile(join(folder, 'konstruct.yaml'), company.trimEnd() + discordConnection(ada.id));
  database = await createMigratedDatabase();
  teams = await startTeamsServer();
  chat = await startGoogleChatServer();
  teams.addApp({ appId: APP, password: 'right~password', name: 'Ada' });
  const { serviceAccount } = chat.addApp(PROJECT, 'Ada');
  chat.addSpace('S1', 'SPACE', [PROJECT]);
  env = {
    KONSTRUCT_MASTER_KEY: randomBytes(32).toString('base64'),
    DATABASE_URL: database.url,
    KONSTRUCT_PUBLIC_URL: 'https://konstruct.example.com',
    GOOGLE_KEY: serviceAccount,
    GOOGLE_CHAT_API_URL: chat.apiUrl,
    GOOGLE_CHAT_CERTS_URL: chat.certsUrl,
    GOOGLE_CHAT_TOKEN_URL: chat.tokenUrl,
    DISCORD_API_URL: discord.apiUrl,
    DISCORD_TOKEN: ada.token,
    TEAMS_APP_ID: APP.toUpperCase(),
    TEAMS_APP_PASSWORD: 'right~password',
    TEAMS_API_URL: teams.apiUrl,
    TEAMS_LOGIN_URL: teams.loginUrl,
    TEAMS_OPENID_URL: teams.openIdUrl,
  };
});
afterAll(async () => {
  await chat?.close();
  await discord?.close();
  await teams?.close();
  await database?.drop();
  await rm(folder, { recursive: true, force: true });
});

async function konstruct(command: string, more: Readonly<Record<string, string>> = {}): Promise<string> {
  const { stdout } = await runKonstruct(command, { cwd: folder, env: { ...env, ...more } });
  return stdout;
}

async function connections(more: Record<string, string> = {}): Promise<readonly string[]> {
  const { checks } = JSON.parse(await konstruct('doctor --json', more)) as {
    checks: readonly { check: string; findings: readonly { level: string; text: string }[] }[];
  };
  const found = checks.find(({ check }) => check === 'Connections')?.findings ?? [];
  return found.map(({ level, text: line }) => `${level}: ${line}`).sort();
}

it('the doctor asks for the tokens of Teams, Google Chat and Discord, and says which addresses belong there', async () => {
  await konstruct('apply -f konstruct.yaml');
  const found = (await connections()).join('\n');
  expect(found).toMatch(
    /^ok: .*its messaging endpoint at Azure has to be https:\/\/konstruct\.example\.com\/teams\/messages\.$/m,
  );
  expect(found).toMatch(
    /^ok: .*its HTTP endpoint URL has to be https:\/\/konstruct\.example\.com\/google-chat\/[0-9a-f-]{36}\.$/m,
  );
  expect(found).toContain(`answers as 28:${APP} in the Microsoft tenant ${ACME}.`);
  expect(found).toContain(`answers as chat@project-${PROJECT}.iam.gserviceaccount.com`);
  expect(found).toMatch(/^ok: .*in servers it sees every message/m);
  expect(found).not.toMatch(/^(?:warning|problem)/m);
}, 60_000);

it('the doctor says what a Discord bot may not do, and names no token', async () => {
  ada.canReadMessages = false;
  discord.world.servers.forEach(({ bots }) => {
    bots.set(ada.user.id, 1n << 10n);
  });
  const found = (await connections()).join('\n');
  expect(found).toMatch(/^warning: .*the Message Content Intent is off/m);
  expect(found).toMatch(
    /^problem: .*in "Acme" the bot lacks these permissions: Send Messages, Create Public Threads/m,
  );
  ada.token = `${ada.token.slice(0, -3)}new`;
  const refused = (await connections()).join('\n');
  expect(refused).toMatch(/^problem: .*unauthorized/m);
  expect(refused).not.toContain(ada.token.slice(0, -3));
}, 60_000);

it('the doctor says how to mend an app that is not set and a key that is none', async () => {
  const { TEAMS_APP_ID: _id, TEAMS_APP_PASSWORD: _password, ...without } = env;
  const { stdout } = await runKonstruct('doctor --json', { cwd: folder, env: without });
  const remedyOf = (json: string, text: RegExp) => {
    const { checks } = JSON.parse(json) as {
      checks: readonly { findings: readonly { text: string; remedy: string | null }[] }[];
    };
    return checks.flatMap(({ findings }) => findings).find((each) => text.test(each.text))?.remedy;
  };
  expect(remedyOf(stdout, /app_missing/)).toBe(
    'Set TEAMS_APP_ID and TEAMS_APP_PASSWORD, or give the connection appId and appPassword.',
  );

  const broken = env.GOOGLE_KEY?.replace('BEGIN PRIVATE KEY', 'BEGIN KEY') ?? '';
  await konstruct('apply -f konstruct.yaml', { GOOGLE_KEY: broken });
  expect(remedyOf(await konstruct('doctor --json'), /service_account_malformed/)).toBe(
    'Apply the whole JSON file of a key of the service account as `serviceAccount`; Google makes a new one under Keys.',
  );
  await konstruct('apply -f konstruct.yaml');
}, 60_000);

it('the doctor names what Microsoft says of a wrong password, and no secret', async () => {
  const found = (await connections({ TEAMS_APP_PASSWORD: 'wrong~password' })).join('\n');
  expect(found).toMatch(/^problem: .*invalid_client/m);
  expect(found).not.toContain('wrong~password');
}, 60_000);

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCipher } from '../../src/core/cipher.ts';
import { readInstallLink } from '../../src/core/install-link.ts';
import { startEmbeddedDatabase } from '../../src/db/embedded/start-embedded-database.ts';
import { migrate } from '../../src/db/migrate.ts';
import { createMigratedDatabase } from '../support/migrated-database.ts';
import { createEmptyDatabase, type TestDatabase } from '../support/postgres.ts';
import { runKonstruct } from '../support/run-konstruct.ts';
import { silentLog } from '../support/silent-log.ts';

const masterKey = randomBytes(32).toString('base64');
const company = `
tenants:
  - slug: acme
    name: Acme
    agents: [{ slug: ada, name: Ada }]
    connections: [{ channel: slack, externalId: T0ACME, agent: ada, credentials: { botToken: "\${TOKEN}" } }]
`;

let folder: string;
let server: TestDatabase;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'konstruct-cli-'));
  await writeFile(join(folder, 'konstruct.yaml'), company);
  server = await createMigratedDatabase();
});
afterAll(async () => {
  await server?.drop();
  await rm(folder, { recursive: true, force: true });
});

const konstruct = (command: string, env: Readonly<Record<string, string>> = {}) =>
  runKonstruct(command, {
    cwd: folder,
    env: { KONSTRUCT_MASTER_KEY: masterKey, DATABASE_URL: server.url, ...env },
  });

// Each call is a whole process: on a busy machine they take their time.
describe('konstruct', { timeout: 60_000 }, () => {
  it('prints its commands and its version without loading what they need', async () => {
    const help = await konstruct('--help', { NODE_DEBUG: 'esm,module' });
    expect(help.code).toBe(0);
    const loaded = new Set(help.stderr.match(/(?<=node_modules\/)[^/]+/g));
    expect([...loaded]).toEqual(['commander']);
    for (const command of [
      'migrate',
      'apply',
      'export',
      'doctor',
      'dead-letters',
      'backup',
      'restore',
      'keys',
    ]) {
      expect(help.stdout).toMatch(new RegExp(`^  ${command} `, 'm'));
    }
    const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'));
    expect(await konstruct('--version')).toMatchObject({ code: 0, stdout: `${version}\n` });
  });

  it.each([
    ['aply', /unknown command 'aply'\n\(Did you mean apply\?\)/],
    ['apply', /required option '-f, --file <file>' not specified/],
    ['apply -f konstruct.yaml --prun', /unknown option '--prun'\n\(Did you mean --prune\?\)/],
    ['apply -f nowhere.yaml', /The file nowhere\.yaml does not exist/],
    ['keys', /Usage: konstruct keys/],
    ['keys rotat', /unknown command 'rotat'/],
    ['', /Usage: konstruct/],
  ])('exits with 2 when called wrongly: %s', async (args, message) => {
    const { code, stderr, stdout } = await konstruct(args);
    expect(stderr).toMatch(message);
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });

  it('exits with 1 and one clear line when it fails; the stack only with --verbose', async () => {
    const env = { DATABASE_URL: 'postgres://nobody:hunter2@127.0.0.1:1/none', TOKEN: 'x' };
    const { code, stderr } = await konstruct('apply -f konstruct.yaml', env);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^konstruct: PostgreSQL cannot be reached: .*\nCheck DATABASE_URL.*\n$/);
    const verbose = await konstruct('--verbose apply -f konstruct.yaml', env);
    expect(verbose.stderr).toMatch(/\n +at /);
    expect(stderr + verbose.stderr).not.toContain('hunter2');
  });

  it('lists every problem of the environment', async () => {
    const { code, stderr } = await konstruct('migrate', { PORT: 'x', LOG_LEVEL: 'loud' });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^konstruct: The configuration has 2 problems:\n {2}PORT .*\n {2}LOG_LEVEL .*\n$/);
  });

  it('says that the data folder is a file, whatever was called', async () => {
    const env = { DATABASE_URL: '', KONSTRUCT_DATA_DIR: 'konstruct.yaml' };
    for (const command of ['dev', 'export', 'doctor']) {
      const { code, stdout, stderr } = await konstruct(command, env);
      expect(stdout + stderr, command).toMatch(
        /KONSTRUCT_DATA_DIR leads to .*konstruct\.yaml, which is a file; name a folder/,
      );
      expect(code, command).toBe(1);
    }
    const below = await konstruct('export', { ...env, KONSTRUCT_DATA_DIR: 'konstruct.yaml/data' });
    expect(below.stderr).toMatch(/leads to .*konstruct\.yaml, which is a file/);
  });

  it('says that HOST is no address of this machine, and nothing of a database', async () => {
    const { code, stderr } = await konstruct('serve', { HOST: '203.0.113.7' });
    const said = stderr.split('\n').filter((line) => !line.startsWith('{'));
    expect(said).toEqual([
      'konstruct: 203.0.113.7 is no address of this machine.',
      'Set HOST to an address of this machine and PORT to one that this user may take; ordinary users often may not below 1024.',
      '',
    ]);
    expect(code).toBe(1);
  });

  it('migrates, applies, exports, rotates keys', async () => {
    const empty = await createEmptyDatabase();
    try {
      const env = { DATABASE_URL: empty.url, TOKEN: 'xoxb-secret' };
      const early = await konstruct('apply -f konstruct.yaml', env);
      expect(early).toMatchObject({ code: 1, stderr: expect.stringContaining('Run `konstruct migrate`') });
      expect((await konstruct('migrate', env)).stdout).toMatch(/0001_tenancy\.sql/);
      expect((await konstruct('apply -f konstruct.yaml', env)).stdout).toMatch(/^\+ tenant acme\n/);
      const again = await konstruct('apply -f konstruct.yaml --json', env);
      expect(JSON.parse(again.stdout)).toMatchObject({ changes: [], unchanged: 3 });
      const exported = await konstruct('export', env);
      expect(exported.stdout).toContain(`botToken: \${ACME_SLACK_BOT_TOKEN}`);
      expect(exported.stderr).toContain('ACME_SLACK_BOT_TOKEN  botToken of slack T0ACME of acme');
      const rotated = {
        ...env,
        KONSTRUCT_MASTER_KEY: randomBytes(32).toString('base64'),
        KONSTRUCT_MASTER_KEY_PREVIOUS: masterKey,
      };
      expect((await konstruct('keys rotate', rotated)).stdout).toMatch('Re-encrypted: 1.');
      const lost = await konstruct('keys rotate', env);
      expect(lost).toMatchObject({ code: 1, stderr: expect.stringContaining('slack T0ACME of acme') });
    } finally {
      await empty.drop();
    }
  });

  it('backs up and restores, by file and through a pipe', async () => {
    const [source, target] = [await createEmptyDatabase(), await createEmptyDatabase()];
    try {
      const env = { DATABASE_URL: source.url, TOKEN: 'xoxb-secret' };
      await konstruct('migrate', env);
      await konstruct('apply -f konstruct.yaml', env);
      const written = await konstruct('backup acme.backup', env);
      expect(written).toMatchObject({ code: 0, stderr: '' });
      expect(written.stdout).toBe(
        'Backed up to acme.backup. 1 tenant, 1 agent, 1 connection, 0 conversations, 0 messages.\n',
      );
      expect((await stat(join(folder, 'acme.backup'))).mode & 0o777).toBe(0o600);
      expect(await konstruct('backup acme.backup', env)).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('exists already; --force replaces it'),
      });
      expect((await konstruct('backup acme.backup --force', env)).code).toBe(0);
      expect(await konstruct('backup nowhere/acme.backup', env)).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('cannot be written'),
      });

      const there = { DATABASE_URL: target.url };
      expect((await konstruct('restore nothing.backup', there)).code).toBe(2);
      const restored = await konstruct('restore acme.backup --json', there);
      expect(JSON.parse(restored.stdout)).toMatchObject({
        version: expect.any(String),
        rows: { tenants: 1 },
      });
      expect(await konstruct('restore acme.backup', there)).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/^konstruct: The database has data already .*\n.*--force/),
      });
      expect(await konstruct('restore konstruct.yaml --force', there)).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('it is no backup of Konstruct'),
      });
      // The same key opens what is restored.
      expect((await konstruct('apply -f konstruct.yaml --json', { ...env, ...there })).stdout).toContain(
        '"unchanged": 3',
      );

      const piped = await konstruct('backup -', env);
      expect(piped.stderr).toMatch(/^Backed up to -\. 1 tenant,/);
      expect((await readdir(folder)).filter((name) => name.endsWith('.partial'))).toEqual([]);
    } finally {
      await source.drop();
      await target.drop();
    }
  });

  it('works on the embedded database while another process runs it', async () => {
    const dataDir = join(folder, 'data');
    const running = await startEmbeddedDatabase({ dataDir, log: silentLog });
    try {
      await migrate(running.url, { log: silentLog });
      const env = { DATABASE_URL: '', KONSTRUCT_DATA_DIR: dataDir, TOKEN: 'x' };
      expect(await konstruct('apply -f konstruct.yaml', env)).toMatchObject({
        code: 0,
        stderr: '',
        stdout: expect.stringContaining('3 created'),
      });
    } finally {
      await running.stop();
    }
  });
});

describe('konstruct doctor', { timeout: 60_000 }, () => {
  it('looks at every part and says what to do', async () => {
    const slack = createServer((request, response) => {
      response.setHeader('content-type', 'application/json');
      response.setHeader('x-oauth-scopes', 'chat:write');
      response.end(
        JSON.stringify(
          request.url === '/api/auth.test'
            ? { ok: true, user_id: 'U1', bot_id: 'B1', team_id: 'T0OTHER', team: 'Other' }
            : { ok: true },
        ),
      );
    });
    const redis = createTcpServer((socket) => socket.once('data', () => socket.end('+OK\r\n+PONG\r\n')));
    for (const stand of [slack, redis]) await once(stand.listen(0, '127.0.0.1'), 'listening');
    try {
      const env = {
        TOKEN: 'xoxb-secret',
        SLACK_API_URL: `http://127.0.0.1:${(slack.address() as AddressInfo).port}/api/`,
        REDIS_URL: `redis://:hunter2@127.0.0.1:${(redis.address() as AddressInfo).port}`,
        OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318',
        KONSTRUCT_PUBLIC_URL: 'http://127.0.0.1:1',
      };
      await konstruct('apply -f konstruct.yaml', env);
      const { code, stdout } = await konstruct('doctor --json', env);
      const checks: { check: string; findings: { level: string; text: string; remedy: string | null }[] }[] =
        JSON.parse(stdout).checks;
      const found = (name: string) => checks.find(({ check }) => check === name)?.findings ?? [];
      const levels = (name: string) => found(name).map(({ level }) => level);
      expect(levels('Configuration')).toEqual(['ok', 'warning']);
      expect(levels('Database')).toEqual(['ok', 'ok', 'ok', 'ok']);
      expect(found('Master key')[0]?.text).toBe('The master key opens all 1 stored secrets.');
      expect(found('Redis')).toEqual([{ level: 'ok', text: 'Redis answers.', remedy: null }]);
      expect(found('Models')[0]?.text).toMatch(/demo/);
      expect(found('Connections').map(({ text: line }) => line)).toEqual([
        expect.stringContaining('no signing secret'),
        expect.stringContaining('/slack/events (Event Subscriptions)'),
        expect.stringContaining('the token belongs to Other (T0OTHER)'),
      ]);
      expect(found('Dead letters')).toEqual([{ level: 'ok', text: 'There are none.', remedy: null }]);
      expect(levels('Clock')).toEqual(['ok', 'ok']);
      expect(levels('Public URL')).toEqual(['problem', 'problem']);
      expect(
        checks.flatMap(({ findings }) => findings).every((each) => each.level === 'ok' || each.remedy),
      ).toBe(true);
      expect(stdout).not.toMatch(/hunter2|xoxb-secret/);
      expect(code).toBe(1);
    } finally {
      slack.close();
      redis.close();
    }
  });

  it('prints a link by which people connect a workspace', async () => {
    await konstruct('apply -f konstruct.yaml', { TOKEN: 'xoxb-secret' });
    const env = {
      KONSTRUCT_PUBLIC_URL: 'https://konstruct.example.com',
      SLACK_CLIENT_ID: '1.2',
      SLACK_CLIENT_SECRET: 'shibboleth',
    };
    const wanted = 'install-link slack --tenant acme --agent ada';
    const { stdout, code } = await konstruct(wanted, env);
    expect(code).toBe(0);
    const link = new URL(stdout.trim());
    expect(link.origin + link.pathname).toBe('https://konstruct.example.com/slack/install');
    const cipher = createCipher([Buffer.from(masterKey, 'base64')]);
    const read = (nowMs: number) =>
      readInstallLink(cipher, 'slack', link.searchParams.get('link') ?? '', nowMs);
    expect(read(Date.now() + 6.9 * 86_400_000)).toMatchObject({ tenantId: expect.stringMatching(/-/) });
    expect(read(Date.now() + 7.1 * 86_400_000)).toBeNull();
    const cases: readonly (readonly [string, object, number, RegExp])[] = [
      [wanted, { SLACK_CLIENT_ID: '', SLACK_CLIENT_SECRET: '' }, 1, /set SLACK_CLIENT_ID and SLACK_CLIENT_S/],
      [wanted, { KONSTRUCT_PUBLIC_URL: '' }, 1, /set KONSTRUCT_PUBLIC_URL/],
      [wanted.replace('ada', 'eve'), {}, 1, /acme has no agent eve; it has: ada/],
      [wanted.replace('acme', 'globex'), {}, 1, /There is no tenant globex/],
      [wanted.replace('slack', 'telegram'), {}, 2, /Links are for slack/],
    ];
    for (const [args, change, status, message] of cases) {
      const refused = await konstruct(args, { ...env, ...change });
      expect([refused.code, refused.stderr], args).toEqual([status, expect.stringMatching(message)]);
    }
  });

  it('prints the manifest of an app of one connection, and beside a link the same to paste', async () => {
    await konstruct('apply -f konstruct.yaml', { TOKEN: 'xoxb-secret' });
    const address = '--public-url https://konstruct.example.com';
    const { stdout, code } = await konstruct(`manifest slack --json ${address} --connection T0ACME`);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).settings.event_subscriptions.request_url).toMatch(
      /^https:\/\/konstruct\.example\.com\/slack\/events\/[0-9a-f-]{36}$/,
    );
    const printed = (await konstruct(`manifest slack ${address}`)).stdout;
    const [, link = ''] = /(https:\/\/api\.slack\.com\S+)/.exec(printed) ?? [];
    expect(JSON.parse(printed.slice(printed.indexOf('{')))).toEqual(
      JSON.parse(new URL(link).searchParams.get('manifest_json') ?? ''),
    );
    const withoutAddress = await konstruct('manifest slack --json --socket-mode');
    expect(JSON.parse(withoutAddress.stdout).settings.socket_mode_enabled).toBe(true);
    expect(await konstruct('manifest slack')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--socket-mode'),
    });
    expect(await konstruct(`manifest slack ${address} --connection T0NOBODY`)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('There is no Slack connection T0NOBODY'),
    });
  });

  it('makes nothing where there is nothing yet', async () => {
    const env = { DATABASE_URL: '', KONSTRUCT_MASTER_KEY: '', SLACK_API_URL: 'http://127.0.0.1:1/api/' };
    const { code, stdout } = await konstruct('doctor', { ...env, KONSTRUCT_DATA_DIR: 'untouched' });
    expect(stdout).toMatch(/✓ There is no embedded database yet/);
    expect(stdout).toMatch(/✓ There is no master key yet/);
    expect(existsSync(join(folder, 'untouched'))).toBe(false);
    expect(code).toBe(0);
  });

  it('reports a key that opens nothing and a database that is not there', async () => {
    const otherKey = {
      KONSTRUCT_MASTER_KEY: randomBytes(32).toString('base64'),
      SLACK_API_URL: 'http://127.0.0.1:1/api/',
    };
    expect((await konstruct('doctor', otherKey)).stdout).toContain(
      '✗ The master key does not open 1 of 1 stored secrets',
    );
    const gone = await konstruct('doctor', {
      ...otherKey,
      DATABASE_URL: 'postgres://u:hunter2@127.0.0.1:1/none',
    });
    expect(gone.stdout).toMatch(/✗ The database was not usable: PostgreSQL cannot be reached/);
    expect(gone.stdout).not.toContain('hunter2');
    expect(gone.code).toBe(1);
  });

  it('asks Slack whether app tokens open sockets; no address is needed then', async () => {
    const asked: (string | undefined)[] = [];
    const slack = createServer((request, response) => {
      if (request.url === '/api/apps.connections.open') asked.push(request.headers.authorization);
      const isGood = request.headers.authorization === 'Bearer xapp-good-secret';
      response.setHeader('content-type', 'application/json');
      response.end(
        JSON.stringify(
          isGood ? { ok: true, url: 'wss://127.0.0.1/link' } : { ok: false, error: 'invalid_auth' },
        ),
      );
    });
    await once(slack.listen(0, '127.0.0.1'), 'listening');
    try {
      const file = company.replace('}" } }', '}", appToken: "xapp-bad-secret" } }');
      await writeFile(
        join(folder, 'sockets.yaml'),
        file.replaceAll('acme', 'sock').replace('T0ACME', 'T0SOCK'),
      );
      const env = {
        TOKEN: 'xoxb-secret',
        SLACK_APP_TOKEN: 'xapp-good-secret',
        SLACK_API_URL: `http://127.0.0.1:${(slack.address() as AddressInfo).port}/api/`,
      };
      expect(await konstruct('apply -f sockets.yaml', env)).toMatchObject({ code: 0 });
      const { stdout } = await konstruct('doctor --json', env);
      const checks: { check: string; findings: { level: string; text: string }[] }[] =
        JSON.parse(stdout).checks;
      const found = (name: string) => checks.find(({ check }) => check === name)?.findings;
      expect(found('Socket Mode')).toMatchObject([
        { level: 'ok', text: 'SLACK_APP_TOKEN opens sockets.' },
        { level: 'problem', text: 'appToken of T0SOCK of sock opens no sockets (invalid_auth).' },
      ]);
      expect(found('Public URL')).toMatchObject([{ level: 'ok' }]);
      expect(JSON.stringify(found('Connections'))).not.toContain('signing secret');
      expect(asked.sort()).toEqual(['Bearer xapp-bad-secret', 'Bearer xapp-good-secret']);
      expect(stdout).not.toMatch(/xapp-(good|bad)/);
    } finally {
      slack.close();
    }
  });
});

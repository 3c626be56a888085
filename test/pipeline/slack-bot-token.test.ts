import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defaultSeeds } from '../../src/simulator/default-seeds.ts';
import { agentTexts, ask, until } from '../support/conversation.ts';
import { acme } from '../support/people.ts';
import { runKonstruct } from '../support/run-konstruct.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';
import { type ServeProcess, startServeProcess } from '../support/start-serve-process.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

const [acmeSeed, globexSeed] = defaultSeeds as [(typeof defaultSeeds)[0], (typeof defaultSeeds)[0]];
const token = acmeSeed.botToken;
/** Nothing listens there. */
const nowhere = 'http://127.0.0.1:9/api/';
const mention = {
  workspaceId: acme.workspaceId,
  channelId: acme.general,
  userId: acme.mara,
  text: `<@${acme.agent}> hello`,
};

let installation: Installation;
let folder: string;
const serving: ServeProcess[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'konstruct-token-'));
});
afterEach(async () => {
  for (const each of serving.splice(0)) await each.end('SIGKILL');
  await installation.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Without any tenant, unless told otherwise. */
async function install(workspaces: typeof defaultSeeds = []): Promise<void> {
  installation = await startInstallation({ app: null, simulator: { workspaces: defaultSeeds }, workspaces });
}

async function serve(role: 'all' | 'gateway' | 'worker', env: Readonly<Record<string, string>>) {
  const started = await startServeProcess(installation, role, env);
  serving.push(started);
  return started;
}

async function konstruct(command: string, env: Readonly<Record<string, string>> = {}) {
  const access = {
    DATABASE_URL: installation.databaseUrl,
    KONSTRUCT_MASTER_KEY: installation.masterKey.toString('base64'),
  };
  const run = await runKonstruct(command, { cwd: folder, env: { ...access, ...env } });
  expect(run.stderr.split('\n')[0]).not.toMatch(/^konstruct:/);
  return run.stdout;
}

async function apply(text: string): Promise<void> {
  await writeFile(join(folder, 'konstruct.yaml'), text);
  await konstruct('apply -f konstruct.yaml --offline', { TOKEN: token });
}

const events = (process: ServeProcess, name: string) => process.lines.filter(({ event }) => event === name);
const workspaces = () =>
  installation.query(
    `select t.slug, c.external_id as workspace, c.status from konstruct.tenants t
     left join konstruct.connections c on c.tenant_id = t.id and c.channel = 'slack' order by t.slug`,
  );

const company = (connection: string) => `
tenants:
  - slug: acme
    name: Acme
    timeZone: Europe/Berlin
    budget: { dailyUsd: 20 }
    agents: [{ slug: ada, name: Ada, persona: Dry., instructions: Be brief., limits: { maxTurnUsd: 0.5 } }]
    connections: [{ ${connection} }]
`;
const slackOf = (more: string) =>
  company(
    `channel: slack, externalId: ${acmeSeed.id}, agent: ada, credentials: { botToken: "\${TOKEN}" }${more}`,
  );

// Each start is a whole process.
describe('SLACK_BOT_TOKEN of a workspace that is connected nowhere', { timeout: 60_000 }, () => {
  it('makes a tenant of its own, whatever others are called', async () => {
    installation = await startInstallation({
      app: null,
      simulator: { workspaces: [acmeSeed, { ...globexSeed, name: acmeSeed.name }] },
      workspaces: [],
    });
    await apply(
      company(
        'channel: widget, externalId: acme-site, agent: ada, credentials: { secret: 0123456789012345678901234567890123456789012= }',
      ),
    );
    const before = await konstruct('export');
    expect(before).toContain('dailyUsd: 20');
    for (const botToken of [token, globexSeed.botToken]) {
      await (await serve('all', { SLACK_BOT_TOKEN: botToken })).end('SIGKILL');
    }
    expect(await workspaces()).toEqual([
      { slug: 'acme', workspace: null, status: null },
      { slug: 'acme-2', workspace: acmeSeed.id, status: 'active' },
      { slug: 'acme-3', workspace: globexSeed.id, status: 'active' },
    ]);
    // All of what was there, to the letter.
    const [acmeAlone] = (await konstruct('export')).split('  - slug: acme-2');
    expect(acmeAlone).toBe(before);
  });

  it('is one tenant when several processes start with it at the same moment', async () => {
    await install();
    await Promise.all(
      ['all', 'gateway', 'gateway'].map((role) => serve(role as 'all', { SLACK_BOT_TOKEN: token })),
    );
    expect(await workspaces()).toEqual([{ slug: 'acme', workspace: acmeSeed.id, status: 'active' }]);
  });

  it('makes none where the workspace is connected for one app only', async () => {
    await install();
    await apply(slackOf(', appId: A0OWN'));
    const started = await serve('gateway', { SLACK_BOT_TOKEN: token });
    expect(events(started, 'slack.token_unused')).toMatchObject([
      { reason: 'connected_for_one_app_only', tenants: ['acme'] },
    ]);
    expect(await workspaces()).toHaveLength(1);
  });
});

describe('SLACK_BOT_TOKEN while Slack does not answer', { timeout: 60_000 }, () => {
  it('keeps no worker from starting, which does not ask', async () => {
    await install([acmeSeed]);
    const worker = await serve('worker', { SLACK_BOT_TOKEN: 'xoxb-revoked' });
    const cut = await serve('worker', { SLACK_BOT_TOKEN: token, SLACK_API_URL: nowhere });
    for (const { lines } of [worker, cut]) {
      expect(lines.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([]);
    }
  });

  it('keeps no gateway from starting, which connects the workspace when Slack is back', async () => {
    await install();
    const { hostname: host, port } = new URL(installation.slackApiUrl);
    const slack = await startTcpProxy({ host, port: Number(port) });
    await slack.down();
    const gateway = await serve('all', {
      SLACK_BOT_TOKEN: token,
      SLACK_API_URL: `http://127.0.0.1:${slack.port}/api/`,
    });
    expect(events(gateway, 'slack.not_reached')[0]).toMatchObject({ level: 'warn', reason: 'ECONNREFUSED' });
    expect(await workspaces()).toEqual([]);
    expect((await fetch(`${gateway.url}/health`)).status).toBe(200);

    await slack.up();
    try {
      await until('the workspace is connected', async () => (await workspaces()).length === 1, 20_000);
      installation.useGateway(gateway.url);
      const { sent } = await ask(installation, mention);
      expect(agentTexts(installation, sent)).toEqual(['You said: mara: hello']);
    } finally {
      await slack.close();
    }
  });

  it('is no reason to stop late', async () => {
    await install([acmeSeed]);
    const gateway = await serve('gateway', { SLACK_BOT_TOKEN: token, SLACK_API_URL: nowhere });
    const startedAt = Date.now();
    expect(await gateway.end('SIGTERM')).toBe(0);
    expect(Date.now() - startedAt).toBeLessThan(5_000);
  });
});

describe('SLACK_BOT_TOKEN that Slack refuses', { timeout: 60_000 }, () => {
  it('stops nobody who is connected already', async () => {
    await install([acmeSeed]);
    const started = await serve('all', { SLACK_BOT_TOKEN: 'xoxb-revoked' });
    expect(events(started, 'slack.token_refused')).toMatchObject([
      { level: 'error', reason: 'invalid_auth' },
    ]);
    installation.useGateway(started.url);
    const { sent } = await ask(installation, mention);
    expect(agentTexts(installation, sent)).toEqual(['You said: mara: hello']);
    const doctor = await konstruct('doctor', {
      SLACK_BOT_TOKEN: 'xoxb-revoked',
      SLACK_API_URL: installation.slackApiUrl,
    });
    expect(doctor).toContain('✗ SLACK_BOT_TOKEN: Slack does not accept it (invalid_auth).');
  });
});

describe('SLACK_BOT_TOKEN of a workspace that is disabled', { timeout: 60_000 }, () => {
  it('enables it only when it is another token, and not what the operator disabled', async () => {
    await install();
    const restart = async () => {
      const started = await serve('gateway', { SLACK_BOT_TOKEN: token });
      await started.end('SIGKILL');
      return started;
    };
    const disabled = [{ slug: 'acme', workspace: acmeSeed.id, status: 'disabled' }];

    await apply(slackOf(', enabled: false'));
    expect(events(await restart(), 'slack.token_unused')).toMatchObject([{ reason: 'disabled_by_operator' }]);
    expect(await workspaces()).toEqual(disabled);
    expect(await konstruct('export')).toContain('enabled: false');

    // Another token is stored, for the day the operator enables it.
    await apply(slackOf(', enabled: false').replace(`"\${TOKEN}"`, 'xoxb-old'));
    expect(events(await restart(), 'connection.token_replaced')).toHaveLength(1);
    expect(await workspaces()).toEqual(disabled);

    // Shut out by the platform: the token it has shut out is no way back, a new one is.
    const shutOut = `update konstruct.connections set status = 'disabled', disabled_reason = 'token_revoked'`;
    await installation.query(shutOut);
    expect(events(await restart(), 'slack.token_unused')).toMatchObject([{ reason: 'token_revoked' }]);
    expect(await workspaces()).toEqual(disabled);
    await apply(slackOf(', enabled: true').replace(`"\${TOKEN}"`, 'xoxb-old'));
    await installation.query(shutOut);
    await restart();
    expect(await workspaces()).toEqual([{ slug: 'acme', workspace: acmeSeed.id, status: 'active' }]);
  });

  it('replaces nothing that the master key does not open', async () => {
    await install([acmeSeed]);
    await installation.query(
      `update konstruct.connections set credentials = set_byte(credentials, 1, 255 - get_byte(credentials, 1))`,
    );
    const stored = await installation.query('select credentials from konstruct.connections');
    const started = await serve('gateway', { SLACK_BOT_TOKEN: token });
    expect(events(started, 'slack.token_unused')).toMatchObject([
      { level: 'warn', reason: 'credentials_unreadable' },
    ]);
    expect(await installation.query('select credentials from konstruct.connections')).toEqual(stored);
  });
});

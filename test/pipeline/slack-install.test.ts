import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { connectionOwner } from '../../src/core/cipher.ts';
import { makeInstallLink } from '../../src/core/install-link.ts';
import { sealToken } from '../../src/core/sealed-token.ts';
import { defaultSeeds } from '../../src/simulator/default-seeds.ts';
import type { WorkspaceSeed } from '../../src/simulator/workspace.ts';
import { ask, until } from '../support/conversation.ts';
import { createInstallBrowser, type InstallBrowser, type Visited } from '../support/install-browser.ts';
import { acme, globex } from '../support/people.ts';
import { SIGNING_SECRET } from '../support/signing-secret.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';

const PUBLIC_URL = 'https://konstruct.example.com';
const CLIENT = { clientId: '123.456', clientSecret: 'client-secret-shibboleth' };
const HOUR_MS = 3_600_000;

/** A workspace that nobody has connected yet. */
const initech = workspace('T0INITECH01', 'Initech');
const organisation: WorkspaceSeed = {
  ...workspace('T0HOOLI0001', 'Hooli'),
  enterpriseId: 'E0HOOLI0001',
  orgWideInstall: true,
};

function workspace(id: string, name: string): WorkspaceSeed {
  const tail = id.slice(2, 8);
  return {
    id,
    name,
    appId: 'A0KONSTRUCT',
    botUserId: `U0${tail}BOT`,
    botId: `B0${tail}BOT`,
    botToken: `xoxb-never-${tail}`,
    agentName: 'Ada',
    users: [{ id: `U0${tail}PETER`, handle: 'peter', name: 'Peter' }],
    channels: [
      {
        id: `C0${tail}GEN`,
        name: 'general',
        kind: 'public',
        memberIds: [`U0${tail}PETER`, `U0${tail}BOT`],
      },
    ],
  };
}

function mentionIn(seed: WorkspaceSeed) {
  const [user] = seed.users;
  const [channel] = seed.channels;
  return {
    workspaceId: seed.id,
    channelId: channel?.id ?? '',
    userId: user?.id ?? '',
    text: `<@${seed.botUserId}> hello`,
  };
}

let installation: Installation;
let browser: InstallBrowser;
let appUrl = '';
/** How far this installation and its Slack are ahead of the machine's clock. */
let aheadMs = 0;
const now = () => Date.now() + aheadMs;

async function start(tokenRotation: boolean): Promise<void> {
  aheadMs = 0;
  installation = await startInstallation({
    settings: { ratePerMinute: 10_000 },
    simulator: {
      workspaces: [...defaultSeeds, initech, organisation],
      clock: now,
      oauth: { ...CLIENT, redirectUrls: [`${PUBLIC_URL}/slack/oauth_redirect`], tokenRotation },
    },
    app: null,
  });
  appUrl = (await installation.startApp(appOptions())).url;
  installation.model.respond(() => 'Answer.');
}

const appOptions = () => ({
  publicUrl: PUBLIC_URL,
  wallClock: now,
  slack: { signingSecret: SIGNING_SECRET, apiUrl: installation.slackApiUrl, values: CLIENT },
});

beforeEach(() => {
  browser = createInstallBrowser(PUBLIC_URL, () => appUrl);
});

const tenantOf = (workspaceId: string) => {
  const found = installation.tenants.find(({ workspace: seed }) => seed.id === workspaceId);
  if (found === undefined) throw new Error(`Nobody has ${workspaceId}.`);
  return found;
};

function linkFor(workspaceId: string, hours = 1): string {
  return makeInstallLink(installation.cipher, 'slack', tenantOf(workspaceId), {
    publicUrl: PUBLIC_URL,
    path: '/slack/install',
    expiresAtMs: now() + hours * HOUR_MS,
  });
}

/** Opens a link and goes as far as Slack's page. */
async function toSlack(link: string): Promise<Visited> {
  const page = await browser.open(link);
  expect(page.status).toBe(200);
  return browser.open(page.link(/Continue to Slack/));
}

async function install(link: string, seed: WorkspaceSeed): Promise<Visited> {
  return browser.open((await toSlack(link)).link(new RegExp(`Allow in ${seed.name}`)));
}

interface StoredRow {
  readonly id: string;
  readonly tenantId: string;
  readonly status: string;
  readonly credentials: Readonly<Record<string, string>>;
  readonly expiresAt: Date | null;
}

async function stored(externalId: string): Promise<readonly StoredRow[]> {
  const rows = await installation.query(
    'select id, tenant_id, status, credentials, credentials_expire_at from konstruct.connections where external_id = $1',
    [externalId],
  );
  return rows.map((row) => {
    const owner = connectionOwner(String(row.tenant_id), String(row.id));
    return {
      id: String(row.id),
      tenantId: String(row.tenant_id),
      status: String(row.status),
      credentials: JSON.parse(installation.cipher.decrypt(row.credentials as Buffer, owner)),
      expiresAt: row.credentials_expire_at as Date | null,
    };
  });
}

async function theOnly(externalId: string): Promise<StoredRow> {
  const [row, ...more] = await stored(externalId);
  if (row === undefined || more.length > 0) throw new Error(`${more.length + 1} rows of ${externalId}`);
  return row;
}

/** Calls of a method that the simulator has answered. */
function callsOf(method: string): { readonly method: string; readonly error: string | null }[] {
  const seen: { method: string; error: string | null }[] = [];
  installation.simulator.subscribe((event) => {
    if (event.type === 'api.called' && event.call.method === method) seen.push(event.call);
  });
  return seen;
}

describe('a workspace that is connected in a browser', () => {
  beforeAll(() => start(false));
  afterAll(() => installation.stop());

  it('is the tenant’s and the agent’s of the link, and is answered', async () => {
    const page = await browser.open(linkFor(acme.workspaceId));
    expect(page.title).toBe('Connect Slack to Acme');
    expect(page.html).toContain('Ada will answer there');
    const consent = await browser.open(page.link(/Continue to Slack/));
    expect(consent.url.startsWith(installation.slackApiUrl.replace('api/', 'oauth/v2/authorize?'))).toBe(
      true,
    );
    for (const scope of ['chat:write', 'app_mentions:read']) expect(consent.html).toContain(scope);
    const done = await browser.open(consent.link(/Allow in Initech/));
    expect(done.status).toBe(200);
    expect(done.title).toBe('Ada is in Initech');
    expect(done.link(/Open Slack/)).toBe('https://slack.com/app_redirect?app=A0KONSTRUCT&team=T0INITECH01');
    const row = await theOnly(initech.id);
    expect(row).toMatchObject({ tenantId: tenantOf(acme.workspaceId).tenantId, status: 'active' });
    expect(row.credentials).toEqual({ botToken: expect.stringMatching(/^xoxb-(?!never)/) });
    expect((await ask(installation, mentionIn(initech))).answer.isAgent).toBe(true);
  });

  it('keeps its settings and secrets when it is installed again, and is enabled by it with the new token', async () => {
    const before = await theOnly(acme.workspaceId);
    const owner = connectionOwner(before.tenantId, before.id);
    const credentials = { botToken: 'xoxb-old', signingSecret: SIGNING_SECRET, refreshToken: 'xoxe-1-old' };
    await installation.query(
      `update konstruct.connections set credentials = $1, app_id = 'A0KONSTRUCT', own_signing_secret = true,
       status = 'disabled', disabled_reason = 'tokens_revoked', settings = '{"ratePerMinute": 77}' where id = $2`,
      [installation.cipher.encrypt(JSON.stringify(credentials), owner), before.id],
    );
    const seed = defaultSeeds[0] as WorkspaceSeed;
    expect((await install(linkFor(acme.workspaceId), seed)).title).toBe('Ada is in Acme');
    const after = await theOnly(acme.workspaceId);
    expect(after).toMatchObject({ id: before.id, status: 'active' });
    expect(after.credentials.botToken).not.toBe('xoxb-old');
    expect(Object.keys(after.credentials).sort()).toEqual(['botToken', 'signingSecret']);
    expect(
      await installation.query('select settings, disabled_reason from konstruct.connections where id = $1', [
        before.id,
      ]),
    ).toEqual([{ settings: { ratePerMinute: 77 }, disabled_reason: null }]);
    expect((await ask(installation, mentionIn(seed))).answer.isAgent).toBe(true);
  });

  it('is not shut out by the goodbye of an earlier installation that comes late', async () => {
    const before = await theOnly(initech.id);
    const { simulator } = installation;
    simulator.setInstallation(initech.id, 'app_uninstalled');
    await until('it is off', async () => (await theOnly(initech.id)).status === 'disabled');
    aheadMs += 60_000;
    await install(linkFor(acme.workspaceId), initech);
    await installation.query(
      "update konstruct.connections set installed_at = installed_at + interval '1 minute' where id = $1",
      [before.id],
    );
    aheadMs -= 30_000; // half a minute before it was installed again
    await simulator.fire(initech.id, { type: 'app_uninstalled' });
    expect(await theOnly(initech.id)).toMatchObject({ status: 'active' });
    aheadMs += 60_000;
    await simulator.fire(initech.id, { type: 'app_uninstalled' });
    expect(await theOnly(initech.id)).toMatchObject({ status: 'disabled' });
  });

  it('of another tenant is refused, and stays as it is', async () => {
    const before = await theOnly(globex.workspaceId);
    const page = await install(linkFor(acme.workspaceId), defaultSeeds[1] as WorkspaceSeed);
    expect(page.status).toBe(409);
    expect(page.title).toBe('Globex belongs to somebody else here');
    expect(await theOnly(globex.workspaceId)).toEqual(before);
  });

  it('is an organisation where the app is installed on all of it', async () => {
    const page = await install(linkFor(globex.workspaceId), organisation);
    expect(page.title).toBe('Max is in Hooli');
    expect(await stored(organisation.id)).toEqual([]);
    expect(await theOnly(organisation.enterpriseId as string)).toMatchObject({ status: 'active' });
    expect((await ask(installation, mentionIn(organisation))).answer.isAgent).toBe(true);
  });

  it('gets a connection beside the one of an app of its own', async () => {
    const before = await theOnly(globex.workspaceId);
    await installation.query('update konstruct.connections set own_signing_secret = true where id = $1', [
      before.id,
    ]);
    await install(linkFor(globex.workspaceId), defaultSeeds[1] as WorkspaceSeed);
    const rows = await stored(globex.workspaceId);
    expect(rows).toHaveLength(2);
    expect(rows.find(({ id }) => id === before.id)?.credentials).toEqual(before.credentials);
    await installation.query("delete from konstruct.connections where external_id = $1 and app_id <> ''", [
      globex.workspaceId,
    ]);
    await installation.query('update konstruct.connections set own_signing_secret = false where id = $1', [
      before.id,
    ]);
  });
});

describe('the way to a connected workspace', () => {
  beforeAll(() => start(false));
  afterAll(() => installation.stop());

  const nothingWasConnected = async () => expect(await stored(initech.id)).toEqual([]);

  it('has pages that load, run, frame and remember nothing', async () => {
    const { headers, html } = await browser.open(linkFor(acme.workspaceId));
    const policy = headers.get('content-security-policy') ?? '';
    expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-[^']+'; /);
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toMatch(/unsafe|script-src|\*/);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    expect(html).toContain('<html lang="en">');
    expect(html).not.toMatch(/<script|<img|onclick|style="/);
  });

  it('begins with a link of the operator’s that is still good, and with nothing else', async () => {
    const { cipher } = installation;
    const target = tenantOf(acme.workspaceId);
    const foreign = sealToken(cipher, 'install-state slack', { ...target } as never, now() + HOUR_MS);
    const gone = makeInstallLink(
      cipher,
      'slack',
      { tenantId: target.tenantId, agentId: crypto.randomUUID() },
      { publicUrl: PUBLIC_URL, path: '/slack/install', expiresAtMs: now() + HOUR_MS },
    );
    const other = linkFor(acme.workspaceId).replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'));
    const links = ['', '?link=', '?link=x', `?link=${foreign}`].map(
      (query) => `${PUBLIC_URL}/slack/install${query}`,
    );
    for (const link of [...links, gone, other.slice(0, -9), linkFor(acme.workspaceId, -1)]) {
      const page = await browser.open(link);
      expect([page.status, page.title], link).toEqual([403, 'This link does not work']);
      expect(page.headers.get('set-cookie')).toBeNull();
    }
  });

  it('ends without a connection where somebody says no', async () => {
    const page = await browser.open((await toSlack(linkFor(acme.workspaceId))).link(/Cancel/));
    expect([page.status, page.title]).toEqual([200, 'Nothing was connected']);
    await nothingWasConnected();
  });

  it('cannot be finished in another browser than the one it was begun in', async () => {
    const consent = await toSlack(linkFor(acme.workspaceId));
    const other = createInstallBrowser(PUBLIC_URL, () => appUrl);
    await other.open(linkFor(acme.workspaceId));
    const page = await other.open(consent.link(/Allow in Initech/));
    expect([page.status, page.title]).toEqual([400, 'Please begin again']);
    await nothingWasConnected();
  });

  it('is gone once: not a second time, not changed, and not after half an hour', async () => {
    const seen = callsOf('oauth.v2.access');
    const denied = await browser.open((await toSlack(linkFor(acme.workspaceId))).link(/Cancel/));
    expect((await browser.open(denied.url.replace('error=access_denied', 'code=x'))).status).toBe(400);
    const consent = await toSlack(linkFor(acme.workspaceId));
    const changed = consent.link(/Allow in Initech/).replace(/state=[\w-]{9}/, 'state=AAAAAAAAA');
    expect((await browser.open(changed)).status).toBe(400);
    aheadMs += 31 * 60_000;
    expect((await browser.open(consent.link(/Allow in Initech/))).status).toBe(400);
    for (const query of ['', '?state=', '?code=x', '?error=access_denied'])
      expect((await browser.open(`${PUBLIC_URL}/slack/oauth_redirect${query}`)).status).toBe(400);
    expect(seen).toEqual([]);
    await nothingWasConnected();
  });

  it('may be gone in two tabs at once', async () => {
    const one = await toSlack(linkFor(acme.workspaceId));
    const two = await toSlack(linkFor(acme.workspaceId));
    expect((await browser.open(one.link(/Cancel/))).title).toBe('Nothing was connected');
    expect((await browser.open(two.link(/Cancel/))).title).toBe('Nothing was connected');
  });

  it.each([
    ['invalid_code', 'api_error'],
    ['code_already_used', 'api_error'],
    ['bad_redirect_uri', 'api_error'],
    ['invalid_client_id', 'api_error'],
  ] as const)('says what Slack said when the code is refused: %s', async (error, kind) => {
    installation.simulator.faults.add({ kind, error, method: 'oauth.v2.access', remaining: 1 });
    const page = await install(linkFor(acme.workspaceId), initech);
    expect(page.status).toBe(502);
    expect(page.html).toContain(error);
    await nothingWasConnected();
  });

  it('survives a Slack that breaks off, and tells no secret in its log', async () => {
    installation.simulator.faults.add({ kind: 'api_cut_before', method: 'oauth.v2.access', remaining: 1 });
    expect((await install(linkFor(acme.workspaceId), initech)).status).toBe(502);
    await nothingWasConnected();
    expect((await install(linkFor(acme.workspaceId), initech)).status).toBe(200);
    const { botToken = '?' } = (await theOnly(initech.id)).credentials;
    const log = JSON.stringify(installation.log.lines);
    expect(log).toContain('install.done');
    for (const secret of [botToken, CLIENT.clientSecret]) expect(log).not.toContain(secret);
  });

  it('is shut where the installation has no client id, and says so', async () => {
    const app = await installation.startApp({
      ...appOptions(),
      slack: { signingSecret: SIGNING_SECRET, apiUrl: installation.slackApiUrl },
    });
    const page = await createInstallBrowser(PUBLIC_URL, () => app.url).open(linkFor(acme.workspaceId));
    expect([page.status, page.title]).toEqual([404, 'Slack cannot be connected here']);
    await app.stop();
  });
});

describe('a token that rotates', () => {
  beforeAll(() => start(true));
  afterAll(() => installation.stop());

  const seed = defaultSeeds[0] as WorkspaceSeed;
  beforeEach(async () => {
    aheadMs += HOUR_MS; // limits and holds of the test before are over
    await install(linkFor(acme.workspaceId), seed);
  });
  const renewJob = async () => {
    await installation.query("select graphile_worker.add_job('renew_credentials', '{}'::json)");
  };
  const logged = (event: string) => installation.log.lines.filter((line) => line.event === event).length;

  it('is stored with what renews it and when it ends', async () => {
    const { credentials, expiresAt } = await theOnly(acme.workspaceId);
    expect(credentials).toEqual({
      botToken: expect.stringMatching(/^xoxe\.xoxb-/),
      refreshToken: expect.stringMatching(/^xoxe-1-/),
      tokenExpiresAt: String(expiresAt?.getTime()),
    });
    expect((expiresAt?.getTime() ?? 0) - now()).toBeGreaterThan(11.9 * HOUR_MS);
  });

  it('is renewed in the last two hours of its life, once, whoever is asked to', async () => {
    const before = await theOnly(acme.workspaceId);
    const seen = callsOf('oauth.v2.access');
    await renewJob();
    aheadMs += 10.5 * HOUR_MS;
    await renewJob();
    await until('it is renewed', async () => {
      return (await theOnly(acme.workspaceId)).credentials.botToken !== before.credentials.botToken;
    });
    await renewJob();
    expect((await ask(installation, mentionIn(seed))).answer.isAgent).toBe(true);
    expect(seen).toHaveLength(1);
    expect((await theOnly(acme.workspaceId)).credentials.refreshToken).not.toBe(
      before.credentials.refreshToken,
    );
  });

  it('that has expired is renewed by whoever needs it, once for two processes that need it at the same time', async () => {
    const second = await installation.startApp(appOptions());
    aheadMs += 13 * HOUR_MS;
    const seen = callsOf('oauth.v2.access');
    const all = Array.from({ length: 6 }, () => ask(installation, mentionIn(seed)));
    for (const { answer } of await Promise.all(all)) expect(answer.isAgent).toBe(true);
    expect(seen.map(({ error }) => error)).toEqual([null]);
    installation.useGateway(appUrl);
    await second.stop();
  });

  it('that Slack calls expired before its time is renewed, and the call is made once more', async () => {
    const before = await theOnly(acme.workspaceId);
    const fault = { kind: 'api_error', error: 'token_expired', method: 'chat.postMessage' } as const;
    installation.simulator.faults.add({ ...fault, remaining: 1 });
    expect((await ask(installation, mentionIn(seed))).answer.isAgent).toBe(true);
    expect((await theOnly(acme.workspaceId)).credentials.botToken).not.toBe(before.credentials.botToken);
  });

  it('is not lost when the database cannot store it: what Slack gave out is kept for the next attempt', async () => {
    const before = await theOnly(acme.workspaceId);
    await installation.query(`
      create function konstruct.refuse() returns trigger language plpgsql as $$ begin raise exception 'disk'; end $$`);
    await installation.query(`
      create trigger refuse before update of credentials on konstruct.connections
      for each row execute function konstruct.refuse()`);
    const seen = callsOf('oauth.v2.access');
    aheadMs += 10.5 * HOUR_MS;
    const failures = logged('credentials.not_renewed');
    await renewJob();
    await until('it was not stored', () => logged('credentials.not_renewed') > failures);
    expect(await theOnly(acme.workspaceId)).toEqual(before);
    await installation.query('drop function konstruct.refuse cascade');
    await renewJob();
    await until('it is stored', async () => {
      return (await theOnly(acme.workspaceId)).credentials.botToken !== before.credentials.botToken;
    });
    expect(seen).toHaveLength(1);
    expect((await ask(installation, mentionIn(seed))).answer.isAgent).toBe(true);
  });

  it('that cannot be renewed works until it ends; then its connection is off and says why', async () => {
    const fault = { kind: 'api_error', error: 'invalid_refresh_token', method: 'oauth.v2.access' } as const;
    installation.simulator.faults.add({ ...fault, remaining: 2 });
    aheadMs += 11 * HOUR_MS;
    const failures = logged('credentials.not_renewed');
    await renewJob();
    await until('it was refused', () => logged('credentials.not_renewed') > failures);
    expect(await theOnly(acme.workspaceId)).toMatchObject({ status: 'active' });
    expect((await ask(installation, mentionIn(seed))).answer.isAgent).toBe(true);
    aheadMs += 2 * HOUR_MS;
    await renewJob();
    await until('it is off', async () => (await theOnly(acme.workspaceId)).status === 'disabled');
    expect(installation.log.lines).toContainEqual(
      expect.objectContaining({
        event: 'connection.disabled',
        fields: expect.objectContaining({ reason: 'token_expired' }),
      }),
    );
  });
});

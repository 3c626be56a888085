import { afterEach, describe, expect, it } from 'vitest';
import { connectionOwner } from '../../src/core/cipher.ts';
import type { DeliveryAttempt } from '../../src/simulator/control-api.ts';
import { defaultSeeds } from '../../src/simulator/default-seeds.ts';
import type { SentMessage } from '../../src/simulator/simulator.ts';
import { agentTexts, answerTo, ask, idle, until } from '../support/conversation.ts';
import { expireLeases } from '../support/expire-leases.ts';
import { acme, globex } from '../support/people.ts';
import { retryDelaysMs } from '../support/retry-delays.ts';
import { SIGNING_SECRET } from '../support/signing-secret.ts';
import { signedSlackRequest } from '../support/slack-request.ts';
import {
  type Installation,
  type InstallationOptions,
  startInstallation,
} from '../support/start-installation.ts';
import { type ServeProcess, startServeProcess } from '../support/start-serve-process.ts';
import { startTcpProxy, throughProxy } from '../support/tcp-proxy.ts';

const appToken = 'xapp-1-shared';
const ownToken = 'xapp-1-globex';
const [acmeSeed, globexSeed] = defaultSeeds;
if (!acmeSeed || !globexSeed) throw new Error('The default seeds changed.');
const mention = {
  workspaceId: acme.workspaceId,
  channelId: acme.general,
  userId: acme.mara,
  text: `<@${acme.agent}> hello`,
};

let installation: Installation;
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** Everything over sockets: Slack knows no address of ours. */
async function start(options: InstallationOptions = {}): Promise<Installation> {
  installation = await startInstallation({
    settings: { ratePerMinute: 10_000 },
    ...options,
    simulator: {
      appToken,
      eventsUrl: 'http://127.0.0.1:1/nowhere',
      retryDelaysMs,
      ...options.simulator,
    },
  });
  closing.push(() => installation.stop());
  installation.model.respond(() => 'Answer.');
  return installation;
}

const overSockets = (apiUrl = '') => ({ slack: { signingSecret: null, appToken, apiUrl } });

async function startApp(): Promise<void> {
  await installation.startApp(overSockets(installation.slackApiUrl));
  await socketsAre(2);
}

const socketsAre = (count: number, token = appToken) =>
  until(`there are ${count} sockets`, () => installation.simulator.sockets.count(token) === count);

async function serve(role: 'all' | 'gateway' | 'worker', databaseUrl?: string): Promise<ServeProcess> {
  const before = installation.simulator.sockets.count(appToken);
  const started = await startServeProcess(
    databaseUrl === undefined ? installation : { ...installation, databaseUrl },
    role,
    role === 'worker' ? {} : { SLACK_APP_TOKEN: appToken },
  );
  closing.push(() => started.end('SIGKILL'));
  if (role !== 'worker') await socketsAre(before + 2);
  return started;
}

function attempts(): readonly DeliveryAttempt[] {
  const seen: DeliveryAttempt[] = [];
  installation.simulator.subscribe((event) => {
    if (event.type === 'delivery.attempted') seen.push(event.delivery);
  });
  return seen;
}

function ackedOf(seen: readonly DeliveryAttempt[], { ts }: SentMessage): readonly DeliveryAttempt[] {
  return seen.filter(({ messageId, outcome }) => messageId === ts && outcome === 'ok');
}

async function eachIsAnsweredOnce(all: readonly SentMessage[]): Promise<void> {
  for (const sent of all) await answerTo(installation, sent, undefined, 30_000);
  expect(await Promise.all(all.map(({ acked }) => acked))).toEqual(all.map(() => true));
  await idle(installation);
  for (const sent of all) expect(agentTexts(installation, sent)).toEqual(['Answer.']);
  expect(installation.simulator.sockets.violations).toEqual([]);
}

const isStored = ({ ts }: SentMessage) =>
  until(
    'it is stored',
    async () =>
      (await installation.query('select 1 from konstruct.messages where external_id = $1', [ts])).length ===
      1,
  );

describe('an installation that Slack cannot reach', () => {
  it('hears over two sockets and answers, without a signing secret or an address', async () => {
    await start({ app: null });
    await startApp();
    const seen = attempts();
    const { sent } = await ask(installation, mention);
    await eachIsAnsweredOnce([sent]);
    expect(seen.map(({ outcome }) => outcome)).toEqual(seen.map(() => 'ok'));
  });

  it('acks interactions and slash commands too', async () => {
    await start({ app: null });
    await startApp();
    const team = { id: acme.workspaceId, domain: 'acme' };
    const never = new AbortController().signal;
    const { sockets } = installation.simulator;
    const interactive = { type: 'block_actions', team, user: { id: acme.mara }, actions: [] };
    const command = { command: '/ask', text: 'a & b', team_id: acme.workspaceId, channel_id: acme.general };
    for (const envelope of [
      { type: 'interactive', payload: interactive, retry: null },
      { type: 'slash_commands', payload: command, retry: null },
    ] as const) {
      expect(await sockets.deliver(appToken, envelope, 3_000, never)).toBe('ok');
    }
  });

  it('does not ack what it cannot read', async () => {
    await start({ app: null });
    await startApp();
    const payload = { type: 'url_verification' };
    const never = new AbortController().signal;
    const envelope = { type: 'events_api', payload, retry: null } as const;
    expect(await installation.simulator.sockets.deliver(appToken, envelope, 300, never)).toBe('http_timeout');
    expect(installation.log.lines).toContainEqual(
      expect.objectContaining({
        event: 'slack.envelope_unacked',
        fields: expect.objectContaining({ code: 'body_malformed' }),
      }),
    );
  });
});

describe('a gateway that is killed', () => {
  it('between the commit and the ack over a socket: Slack repeats the envelope, and it is answered once', {
    timeout: 60_000,
  }, async () => {
    await start({ app: null });
    await serve('worker');
    const { hostname, port } = new URL(installation.databaseUrl);
    const proxy = await startTcpProxy({ host: hostname, port: Number(port) });
    closing.push(() => proxy.close());
    const first = await serve('gateway', throughProxy(installation.databaseUrl, proxy));
    const { sent: warm } = await ask(installation, mention); // it knows the connection now
    const seen = attempts();
    proxy.mute(); // PostgreSQL commits; the gateway never hears of it
    const sent = await installation.simulator.say(mention);
    await isStored(sent);
    expect(ackedOf(seen, sent)).toEqual([]);
    await first.end('SIGKILL');
    await socketsAre(0);
    await serve('gateway');
    await eachIsAnsweredOnce([warm, sent]);
    expect(ackedOf(seen, sent).filter(({ retryNumber }) => retryNumber === 0)).toEqual([]);
  });

  it('beside another one: that one hears what Slack repeats', { timeout: 60_000 }, async () => {
    await start({ app: null });
    const [first] = [await serve('all'), await serve('all')];
    expect(installation.simulator.sockets.count(appToken)).toBe(4);
    const all: SentMessage[] = [];
    for (let index = 0; index < 20; index += 1) {
      all.push(await installation.simulator.say(mention));
      if (index === 10) first.child.kill('SIGKILL');
    }
    await first.end('SIGKILL');
    await expireLeases(installation, first);
    await eachIsAnsweredOnce(all);
  });

  it('by SIGTERM: it lets go of its sockets and exits with 0', { timeout: 60_000 }, async () => {
    await start({ app: null });
    const only = await serve('all');
    const { sent } = await ask(installation, mention);
    expect(await only.end('SIGTERM')).toBe(0);
    expect(installation.simulator.sockets.count(appToken)).toBe(0);
    await eachIsAnsweredOnce([sent]);
  });
});

describe('sockets that end', () => {
  it('are opened again after they were cut, and nothing is lost or answered twice', async () => {
    await start({ app: null });
    await startApp();
    const all: SentMessage[] = [];
    for (let index = 0; index < 6; index += 1) {
      all.push(await installation.simulator.say(mention));
      if (index === 3) installation.simulator.sockets.cut(appToken);
    }
    await eachIsAnsweredOnce(all);
    await socketsAre(2);
  });

  it.each(['warning', 'refresh_requested'])(
    'have their successor before they close after %s: no event has to be repeated',
    async (reason) => {
      await start({ app: null });
      await startApp();
      const { sockets } = installation.simulator;
      const seen = attempts();
      const ending = sockets.disconnect(appToken, reason, 1_000);
      await socketsAre(2); // the old ones do not count any more
      const all = await Promise.all(Array.from({ length: 5 }, () => installation.simulator.say(mention)));
      await ending;
      all.push(await installation.simulator.say(mention));
      await eachIsAnsweredOnce(all);
      expect(seen.filter(({ outcome, retryNumber }) => outcome !== 'ok' || retryNumber > 0)).toEqual([]);
    },
  );
});

describe('a slow database', () => {
  it('gets no ack out of us: Slack repeats the envelope until it is stored, and it is answered once', {
    timeout: 60_000,
  }, async () => {
    await start({ app: null, simulator: { ackTimeoutMs: 400 } });
    await startApp();
    const { sent: warm } = await ask(installation, mention);
    await idle(installation);
    const seen = attempts();
    const { default: pg } = await import('pg');
    const locker = new pg.Client({ connectionString: installation.databaseUrl });
    await locker.connect();
    await locker.query('begin; lock table konstruct.rate_buckets in access exclusive mode');
    const sent = await installation.simulator.say(mention);
    await until('Slack has waited in vain', () => seen.some(({ outcome }) => outcome === 'http_timeout'));
    expect(ackedOf(seen, sent)).toEqual([]);
    await locker.query('rollback');
    await locker.end();
    await eachIsAnsweredOnce([warm, sent]);
  });

  it('that is away: the same, and the sockets stay', { timeout: 60_000 }, async () => {
    let proxy: Awaited<ReturnType<typeof startTcpProxy>> | undefined;
    await start({
      app: null,
      simulator: { ackTimeoutMs: 1_000 },
      through: async (url) => {
        const { hostname, port } = new URL(url);
        proxy = await startTcpProxy({ host: hostname, port: Number(port) });
        return throughProxy(url, proxy);
      },
    });
    closing.push(async () => proxy?.close());
    await startApp();
    await proxy?.down();
    const seen = attempts();
    const sent = await installation.simulator.say(mention);
    await until('Slack has waited in vain', () => seen.some(({ outcome }) => outcome === 'http_timeout'));
    expect(installation.simulator.sockets.count(appToken)).toBe(2);
    await proxy?.up();
    await eachIsAnsweredOnce([sent]);
  });
});

describe("a tenant's own app", () => {
  async function give(credentials: Readonly<Record<string, string>>): Promise<void> {
    const tenant = installation.tenants.find(({ workspace }) => workspace.id === globex.workspaceId);
    const owner = connectionOwner(tenant?.tenantId ?? '', tenant?.connectionId ?? '');
    const sealed = installation.cipher.encrypt(
      JSON.stringify({ botToken: globexSeed?.botToken, ...credentials }),
      owner,
    );
    await installation.query(
      'update konstruct.connections set credentials = $1, own_signing_secret = $2 where id = $3',
      [sealed, credentials.appToken !== undefined, tenant?.connectionId],
    );
  }
  const inGlobex = {
    workspaceId: globex.workspaceId,
    channelId: globex.general,
    userId: globex.yuki,
    text: `<@${globex.agent}> hello`,
  };
  const payloadOf = (team: string, channel: string, user: string, agent: string) => ({
    type: 'event_callback',
    team_id: team,
    api_app_id: 'A0KONSTRUCT',
    event_id: `Ev${Math.random().toString(36).slice(2, 12)}`,
    authorizations: [{ team_id: team, user_id: agent, is_bot: true }],
    event: {
      type: 'app_mention',
      user,
      text: `<@${agent}> hi`,
      ts: `${Math.floor(Date.now() / 1000)}.000100`,
      channel,
    },
  });

  it('has sockets of its own from when its token is stored until it is taken away', async () => {
    await start({ app: null, workspaces: [acmeSeed, { ...globexSeed, appToken: ownToken }] });
    await startApp();
    await give({ appToken: ownToken });
    await socketsAre(2, ownToken);
    const { sent } = await ask(installation, inGlobex);
    await eachIsAnsweredOnce([sent]);
    await give({});
    await socketsAre(0, ownToken);
    await socketsAre(2);
  });

  it('speaks for its own workspace only, and nobody else speaks for it', async () => {
    await start({ app: null, workspaces: [acmeSeed, { ...globexSeed, appToken: ownToken }] });
    await startApp();
    await give({ appToken: ownToken });
    await socketsAre(2, ownToken);
    const never = new AbortController().signal;
    const forAcme = payloadOf(acme.workspaceId, acme.general, acme.mara, acme.agent);
    const forGlobex = payloadOf(globex.workspaceId, globex.general, globex.yuki, globex.agent);
    for (const [token, payload] of [
      [ownToken, forAcme],
      [appToken, forGlobex],
    ] as const) {
      const logged = installation.log.lines.length;
      const envelope = { type: 'events_api', payload, retry: null } as const;
      expect(await installation.simulator.sockets.deliver(token, envelope, 3_000, never)).toBe('ok');
      expect(installation.log.lines.slice(logged).map(({ event }) => event)).toContain(
        'event.unknown_installation',
      );
    }
    expect(await installation.query('select 1 from konstruct.messages')).toEqual([]);
    // Nor does the signing secret of an installation that has both ways speak for it, or say that it is there.
    const app = await installation.startApp();
    const refusals = [];
    for (const payload of [forGlobex, payloadOf('T0NOBODY001', globex.general, globex.yuki, globex.agent)]) {
      const { body, headers } = signedSlackRequest(JSON.stringify(payload), 'guessed', Date.now());
      const response = await fetch(`${app.url}/slack/events`, {
        method: 'POST',
        body: new Uint8Array(body),
        headers: headers as Record<string, string>,
      });
      refusals.push({ status: response.status, body: await response.text() });
    }
    expect(refusals[0]).toEqual(refusals[1]);
    expect(refusals[0]?.status).toBe(401);
    const text = JSON.stringify(installation.log.lines);
    for (const secret of [ownToken, appToken, SIGNING_SECRET]) expect(text).not.toContain(secret);
  });
});

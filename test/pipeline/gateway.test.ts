import { createHmac, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { connectionOwner } from '../../src/core/cipher.ts';
import { defaultSeeds } from '../../src/simulator/default-seeds.ts';
import { agentTexts, answerTo, ask, idle, textOf, until } from '../support/conversation.ts';
import { acme } from '../support/people.ts';
import { SIGNING_SECRET } from '../support/signing-secret.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';

const [acmeSeed, globexSeed] = defaultSeeds;
if (!acmeSeed || !globexSeed) throw new Error('The default seeds changed.');
/** A company in an organisation, and one whose app is installed on the whole organisation. */
const gridSeed = {
  ...globexSeed,
  id: 'T0GRID00001',
  name: 'Grid',
  enterpriseId: 'E0GRID00001',
  botToken: 'xoxb-grid',
};
const orgSeed = {
  ...globexSeed,
  id: 'E0WIDE00001',
  name: 'Wide',
  enterpriseId: 'E0WIDE00001',
  orgWideInstall: true,
  botToken: 'xoxb-wide',
};

let installation: Installation;
let logged = 0;
beforeAll(async () => {
  installation = await startInstallation({ workspaces: [acmeSeed, globexSeed, gridSeed, orgSeed] });
  installation.model.respond(() => 'Answer.');
});
afterAll(() => installation.stop());
beforeEach(async () => {
  await idle(installation);
  logged = installation.log.lines.length;
});

const eventBody = (overrides: Record<string, unknown> = {}) =>
  JSON.stringify({
    type: 'event_callback',
    team_id: acme.workspaceId,
    api_app_id: 'A0KONSTRUCT',
    event_id: `Ev${randomUUID().slice(0, 10)}`,
    authorizations: [{ team_id: acme.workspaceId, enterprise_id: null, user_id: acme.agent, is_bot: true }],
    event: {
      type: 'app_mention',
      user: acme.mara,
      text: `<@${acme.agent}> hello`,
      ts: `${Math.floor(Date.now() / 1000)}.${String(Math.floor(Math.random() * 1e6)).padStart(6, '0')}`,
      channel: acme.general,
    },
    ...overrides,
  });

function post(
  body: string | Buffer,
  options: {
    secret?: string | null;
    ageSeconds?: number;
    path?: string;
    headers?: Record<string, string>;
  } = {},
) {
  const timestamp = String(Math.floor(Date.now() / 1000) - (options.ageSeconds ?? 0));
  const hmac = createHmac('sha256', options.secret ?? SIGNING_SECRET)
    .update(`v0:${timestamp}:`)
    .update(body);
  const signature =
    options.secret === null
      ? {}
      : { 'x-slack-request-timestamp': timestamp, 'x-slack-signature': `v0=${hmac.digest('hex')}` };
  return fetch(`${installation.app?.url}${options.path ?? '/slack/events'}`, {
    method: 'POST',
    body: typeof body === 'string' ? body : new Uint8Array(body),
    headers: { 'content-type': 'application/json', ...signature, ...options.headers },
  });
}

const newLines = () => installation.log.lines.slice(logged).filter(({ level }) => level !== 'debug');
const rows = async () =>
  (
    await installation.query(
      'select (select count(*) from konstruct.messages)::int + (select count(*) from konstruct.conversations)::int as n',
    )
  )[0]?.n;

describe('bad input', () => {
  it.each([
    ['no signature', () => post(eventBody(), { secret: null }), 401, 'signature_missing'],
    ['a wrong signature', () => post(eventBody(), { secret: 'wrong' }), 401, 'signature_invalid'],
    ['a request of six minutes ago', () => post(eventBody(), { ageSeconds: 360 }), 401, 'signature_expired'],
    ['a request of the future', () => post(eventBody(), { ageSeconds: -360 }), 401, 'signature_expired'],
    ['malformed JSON', () => post('{"type":'), 400, 'body_malformed'],
    ['no JSON object', () => post('[1, 2]'), 400, 'body_malformed'],
    ['a body over 1 MiB', () => post(Buffer.alloc(1024 * 1024 + 1, 'x')), 413, 'body_too_large'],
    ['an unknown path', () => post(eventBody(), { path: '/slack/nothing' }), 404, 'not_found'],
  ] as const)(
    '%s gets one clear answer and one log line, and nothing is stored',
    async (_name, send, status, code) => {
      const before = await rows();
      const response = await send();
      expect(response.status).toBe(status);
      expect(await response.json()).toEqual({
        error: code,
        message: expect.any(String),
        remedy: expect.any(String),
      });
      expect(newLines()).toHaveLength(1);
      expect(newLines()[0]).toMatchObject({ event: 'request.refused', fields: { status, code } });
      expect(await rows()).toBe(before);
    },
  );

  it('an unknown workspace is acked, so that Slack does not retry, and logged once', async () => {
    const before = await rows();
    const team = 'T0NOBODY001';
    const response = await post(
      eventBody({ team_id: team, authorizations: [{ team_id: team, user_id: 'U1', is_bot: true }] }),
    );
    expect(response.status).toBe(200);
    expect(newLines()).toEqual([expect.objectContaining({ event: 'event.unknown_installation' })]);
    expect(await rows()).toBe(before);
  });

  it('never shows a secret or the text of a message in a log', async () => {
    await post(eventBody(), { secret: 'wrong' });
    const text = JSON.stringify(installation.log.lines, (_key, value) =>
      value instanceof Error ? `${value.stack} ${JSON.stringify(value)}` : value,
    );
    for (const secret of [SIGNING_SECRET, acmeSeed.botToken, 'hello', 'Answer.'])
      expect(text).not.toContain(secret);
  });

  it('stores text that PostgreSQL could not: NUL and half surrogate pairs are taken out', async () => {
    const { event } = JSON.parse(eventBody());
    const body = eventBody({ event: { ...event, text: `<@${acme.agent}> a\u0000b\ud800` } });
    expect((await post(body)).status).toBe(200);
    const [stored] = await installation.query(
      'select content from konstruct.messages where external_id = $1',
      [event.ts],
    );
    expect(stored?.content).toBe('ab\ufffd');
  });
});

describe('url_verification', () => {
  it('answers the challenge only after the signature holds', async () => {
    const body = JSON.stringify({ type: 'url_verification', token: 't', challenge: 'c-1' });
    expect((await post(body, { secret: 'wrong' })).status).toBe(401);
    const response = await post(body);
    expect(response.status).toBe(200);
    expect(await response.text()).toContain('c-1');
  });
});

describe('edits and deletions', () => {
  it('change what is stored; what was deleted is not kept', async () => {
    const { simulator } = installation;
    const place = { workspaceId: acme.workspaceId, channelId: acme.support, userId: acme.mara };
    const { sent } = await ask(installation, { ...place, text: `<@${acme.agent}> what about Monday?` });
    await idle(installation);
    await simulator.edit(sent, `<@${acme.agent}> what about Tuesday?`);
    const stored = () =>
      installation.query(
        'select content, edited_at is not null as edited, deleted_at is not null as deleted from konstruct.messages where external_id = $1',
        [sent.ts],
      );
    await until('the edit is stored', async () => (await stored())[0]?.content === 'what about Tuesday?');
    expect((await stored())[0]).toMatchObject({ edited: true, deleted: false });
    await simulator.deleteMessage(sent);
    await until('the deletion is stored', async () => (await stored())[0]?.deleted === true);
    expect((await stored())[0]?.content).toBe('');
  });
});

describe('who an event is for', () => {
  it.each([
    ['a workspace of an organisation (Enterprise Grid)', gridSeed],
    ['an installation on the whole organisation', orgSeed],
  ])('is found for %s', async (_name, seed) => {
    const channel = seed.channels[0];
    const user = seed.users[0];
    const { answer } = await ask(installation, {
      workspaceId: seed.id,
      channelId: channel?.id ?? '',
      userId: user?.id ?? '',
      text: `<@${seed.botUserId}> hello`,
    });
    expect(textOf(answer)).toBe('Answer.');
    const tenant = installation.tenants.find(({ workspace }) => workspace.id === seed.id);
    expect(
      await installation.query(
        'select distinct tenant_id from konstruct.messages where channel_id = $1 and connection_id = $2',
        [channel?.id, tenant?.connectionId],
      ),
    ).toEqual([{ tenant_id: tenant?.tenantId }]);
  });

  it('is the authorised workspace in a Slack Connect channel, not the one the message was written in', async () => {
    const body = JSON.parse(
      eventBody({ team_id: globexSeed.id, context_team_id: globexSeed.id, is_ext_shared_channel: true }),
    );
    expect((await post(JSON.stringify(body))).status).toBe(200);
    const [stored] = await installation.query(
      'select tenant_id from konstruct.messages where external_id = $1',
      [body.event.ts],
    );
    expect(stored?.tenant_id).toBe(installation.tenants[0]?.tenantId);
  });

  it('is never the agent itself or another bot', async () => {
    const requests = installation.model.requests.length;
    const { event } = JSON.parse(eventBody());
    for (const sender of [
      { user: acme.agent },
      { user: 'U0OTHERBOT', bot_id: 'B0OTHER' },
      { user: 'U1', subtype: 'bot_message' },
    ]) {
      expect((await post(eventBody({ event: { ...event, ...sender } }))).status).toBe(200);
    }
    await idle(installation);
    expect(installation.model.requests.length).toBe(requests);
  });
});

describe('a connection with a signing secret of its own', () => {
  const own = 'own-signing-secret';
  let connectionId = '';
  beforeAll(async () => {
    const tenant = installation.tenants.find(({ workspace }) => workspace.id === globexSeed.id);
    connectionId = tenant?.connectionId ?? '';
    const sealed = installation.cipher.encrypt(
      JSON.stringify({ botToken: globexSeed.botToken, signingSecret: own }),
      connectionOwner(tenant?.tenantId ?? '', connectionId),
    );
    await installation.query(
      'update konstruct.connections set credentials = $1, own_signing_secret = true where id = $2',
      [sealed, connectionId],
    );
  });
  beforeEach(() =>
    until('the strangers of the test before are forgotten', async () => {
      return (await post(eventBody(), { path: `/slack/events/${randomUUID()}` })).status === 401;
    }),
  );
  const globexBody = () => {
    const { event } = JSON.parse(eventBody());
    return eventBody({
      team_id: globexSeed.id,
      authorizations: [{ team_id: globexSeed.id, user_id: globexSeed.botUserId, is_bot: true }],
      event: { ...event, channel: 'C0GLOBXGENE', user: 'U0GLOBXYUKI' },
    });
  };

  it('is believed with that secret on the shared path and on its own, a second after the change at the latest', async () => {
    await until(
      'the change has reached the gateway',
      async () => (await post(globexBody(), { secret: own })).status === 200,
      1_000,
    );
    expect((await post(globexBody(), { secret: own, path: `/slack/events/${connectionId}` })).status).toBe(
      200,
    );
  });

  it('is not believed with the secret of the installation', async () => {
    expect((await post(globexBody())).status).toBe(401);
    expect((await post(globexBody(), { path: `/slack/events/${connectionId}` })).status).toBe(401);
  });

  it('cannot speak for another company', async () => {
    const before = await rows();
    expect((await post(eventBody(), { secret: own })).status).toBe(401);
    const response = await post(eventBody(), { secret: own, path: `/slack/events/${connectionId}` });
    expect(response.status).toBe(200);
    expect(newLines().some(({ event }) => event === 'event.unknown_installation')).toBe(true);
    expect(await rows()).toBe(before);
  });

  it('is heard through a flood of strangers', async () => {
    await post(globexBody(), { secret: own });
    const strangers = Array.from({ length: 60 }, (_, index) =>
      post(
        eventBody({
          team_id: `T${index}`,
          authorizations: [{ team_id: `T${index}`, user_id: 'U1', is_bot: true }],
        }),
        {
          secret: 'guessed',
        },
      ),
    );
    const heard = await post(globexBody(), { secret: own });
    expect(heard.status).toBe(200);
    for (const { status } of await Promise.all(strangers)) expect([401, 503]).toContain(status);
  });

  it('answers for an id that nobody knows, and for a connection without a secret, as for a wrong signature', async () => {
    const without = installation.tenants.find(({ workspace }) => workspace.id === acmeSeed.id)?.connectionId;
    const wrong = await post(globexBody(), { secret: 'guessed', path: `/slack/events/${connectionId}` });
    const expected = await wrong.text();
    expect(wrong.status).toBe(401);
    for (const id of [randomUUID(), 'nonsense', '%00', without]) {
      for (const secret of ['guessed', SIGNING_SECRET, own]) {
        const response = await post(eventBody(), { secret, path: `/slack/events/${id}` });
        expect({ id, status: response.status, body: await response.text() }).toEqual({
          id,
          status: 401,
          body: expected,
        });
      }
    }
  });

  it('is heard on its own path through a flood of made-up ids', async () => {
    await post(globexBody(), { secret: own, path: `/slack/events/${connectionId}` });
    const strangers = Array.from({ length: 60 }, () =>
      post(eventBody(), { secret: 'guessed', path: `/slack/events/${randomUUID()}` }),
    );
    const heard = await post(globexBody(), { secret: own, path: `/slack/events/${connectionId}` });
    expect(heard.status).toBe(200);
    for (const { status } of await Promise.all(strangers)) expect([401, 503]).toContain(status);
  });

  it('is one of any number that a gateway has to look up at once, as after its start and after every change', async () => {
    const [tenant] = await installation.query(
      'select tenant_id, agent_id from konstruct.connections where id = $1',
      [connectionId],
    );
    const { tenant_id: tenantId, agent_id: agentId } = tenant ?? {};
    const companies = Array.from({ length: 60 }, (_, index) => ({
      id: randomUUID(),
      externalId: `T0MANY${String(index).padStart(5, '0')}`,
      secret: `secret-${index}`,
    }));
    for (const { id, externalId, secret } of companies) {
      const credentials = JSON.stringify({ botToken: `xoxb-${externalId}`, signingSecret: secret });
      await installation.query(
        `insert into konstruct.connections
           (tenant_id, id, agent_id, channel, external_id, app_id, agent_user_id, credentials, own_signing_secret)
         values ($1, $2, $3, 'slack', $4, '', 'U0MANY', $5, true)`,
        [
          tenantId,
          id,
          agentId,
          externalId,
          installation.cipher.encrypt(credentials, connectionOwner(String(tenantId), id)),
        ],
      );
    }
    const ignored = (externalId: string) =>
      eventBody({
        team_id: externalId,
        authorizations: [{ team_id: externalId, user_id: 'U0MANY', is_bot: true }],
        event: { type: 'member_joined_channel', user: 'U1', channel: 'C1' },
      });
    for (const path of [(id: string) => `/slack/events/${id}`, () => '/slack/events']) {
      await installation.query('update konstruct.connections set settings = settings where id = $1', [
        connectionId,
      ]); // announced, so that nothing is remembered any more
      const heard = companies.map(async ({ id, externalId, secret }) => {
        const { status } = await post(ignored(externalId), { secret, path: path(id) });
        return status;
      });
      expect(new Set(await Promise.all(heard))).toEqual(new Set([200]));
    }
  });

  it('says nothing about ids either when the signature is missing or too old', async () => {
    for (const options of [{ secret: null }, { secret: 'guessed', ageSeconds: 360 }]) {
      const bodies = [];
      for (const id of [connectionId, randomUUID()]) {
        const response = await post(globexBody(), { ...options, path: `/slack/events/${id}` });
        expect(response.status).toBe(401);
        bodies.push(await response.text());
      }
      expect(bodies[0]).toBe(bodies[1]);
    }
  });
});

describe('a bot user that nobody knew', () => {
  it('is learned from the first event that names it', async () => {
    const id = installation.tenants[0]?.connectionId;
    await installation.query(`update konstruct.connections set agent_user_id = '' where id = $1`, [id]);
    const known = async () =>
      (await installation.query('select agent_user_id from konstruct.connections where id = $1', [id]))[0]
        ?.agent_user_id;
    await until('it is recorded', async () => {
      await post(eventBody());
      return (await known()) === acme.agent;
    });
  });
});

describe('an app that is uninstalled', () => {
  it('disables the connection at once, tells the operators, and works again when it is applied anew', async () => {
    const { simulator } = installation;
    const place = { workspaceId: acme.workspaceId, channelId: acme.general, userId: acme.mara };
    await idle(installation);
    simulator.setInstallation(acme.workspaceId, 'app_uninstalled');
    const status = async () =>
      (
        await installation.query(
          'select status, disabled_reason from konstruct.connections where external_id = $1',
          [acme.workspaceId],
        )
      )[0];
    await until('it is disabled', async () => (await status())?.status === 'disabled');
    expect(await status()).toEqual({ status: 'disabled', disabled_reason: 'app_uninstalled' });
    expect(
      installation.log.lines.some(({ event, level }) => event === 'connection.disabled' && level === 'error'),
    ).toBe(true);
    const requests = installation.model.requests.length;
    expect((await post(eventBody())).status).toBe(200);
    await idle(installation);
    expect(installation.model.requests.length).toBe(requests);

    simulator.setInstallation(acme.workspaceId, 'installed');
    await installation.query(`update konstruct.connections set status = 'active' where external_id = $1`, [
      acme.workspaceId,
    ]);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const sent = await simulator.say({ ...place, text: `<@${acme.agent}> are you back?` });
    await answerTo(installation, sent);
    expect(agentTexts(installation, sent)).toEqual(['Answer.']);
  });
});

describe('GET /health', () => {
  it('says that everything works, and which version', async () => {
    const response = await fetch(`${installation.app?.url}/health`);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      status: 'ok',
      version: 'test',
      role: 'all',
      database: 'ok',
      queue: { waiting: expect.any(Number), oldestMs: expect.any(Number) },
    });
  });

  it.each(['/health', '/readyz', '/livez'])('answers HEAD %s as GET, without the body', async (path) => {
    const response = await fetch(`${installation.app?.url}${path}`, { method: 'HEAD' });
    expect(response.status).toBe(200);
    expect(await response.text()).toBe('');
  });
});

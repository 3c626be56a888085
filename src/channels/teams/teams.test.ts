import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { recordingLog } from '../../../test/support/recording-log.ts';
import { startTeamsServer, type TeamsServer } from '../../../test/support/teams/start-teams-server.ts';
import type { Conversation } from '../../../test/support/teams/teams-world.ts';
import type { Channel, ChannelRequest } from '../../core/channel.ts';
import { isKonstructError } from '../../core/errors.ts';
import type { ConnectionAccess } from '../../core/outbound.ts';
import { systemTime } from '../../system-time.ts';
import { teams } from './index.ts';

const app = { appId: '11111111-1111-4111-8111-111111111111', password: 'shared~password', name: 'Ada' };
const single = { appId: '22222222-2222-4222-8222-222222222222', password: 'own~password', name: 'Iris' };
const TENANT = 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa';
const access: ConnectionAccess = { connectionId: 'c', externalId: TENANT, credentials: {} };
const own: ConnectionAccess = {
  connectionId: 'o',
  externalId: TENANT,
  credentials: { appId: single.appId, appPassword: single.password, tenantId: TENANT },
};
const { signal } = new AbortController();
let server: TeamsServer;
let channel: Channel;
let places = 0;
beforeAll(async () => {
  server = await startTeamsServer();
  server.addApp(app);
  server.addApp({ ...single, tenantId: TENANT });
  channel = open();
});
afterAll(async () => {
  channel.close();
  await server.close();
});

function open(values: Record<string, string> = {}, log = recordingLog()): Channel {
  const { loginUrl, openIdUrl } = server;
  const installed = { appId: app.appId, appPassword: app.password, loginUrl, openIdUrl, ...values };
  return teams.open({ apiUrl: server.apiUrl, ...systemTime, log, values: installed, timeoutMs: 500 });
}

function newChat(type: Conversation['type'] = 'personal'): Conversation {
  places += 1;
  const apps = [app.appId, single.appId];
  return server.addConversation({ id: `19:place-${places}@thread.tacv2`, type, tenantId: TENANT, apps });
}

const post = (chat: Conversation, markdown: string, as = access, by = channel) =>
  by.post(
    as,
    { target: { channelId: chat.id, threadId: null }, markdown, marker: { deliveryId: '1' } },
    signal,
  );

describe('a request', () => {
  const request = (fields: object, claims: object = {}): ChannelRequest => {
    const activity = server.activity(newChat(), app.appId, { type: 'message', id: '1', ...fields });
    const authorization = `Bearer ${server.sign(app.appId, activity, claims as Record<string, unknown>)}`;
    return {
      path: '/teams/messages',
      headers: { authorization },
      body: Buffer.from(JSON.stringify(activity)),
    };
  };
  const codeOf = async (given: ChannelRequest, by = channel): Promise<string> => {
    try {
      await by.verify(given, app.appId, Date.now());
      return 'accepted';
    } catch (error) {
      return isKonstructError(error) ? error.code : String(error);
    }
  };

  it.each([
    ['as Microsoft makes it', {}, {}, 'accepted'],
    ['for another app', {}, { aud: single.appId }, 'signature_invalid'],
    ['by another issuer', {}, { iss: 'https://sts.windows.net/x/' }, 'signature_invalid'],
    [
      'whose token is for another address',
      {},
      { serviceurl: 'https://smba.trafficmanager.net/amer/' },
      'signature_invalid',
    ],
    ['whose token names no address', {}, { serviceurl: undefined }, 'signature_invalid'],
    ['of another channel', { channelId: 'webchat' }, {}, 'signature_invalid'],
    ['without an address', { serviceUrl: undefined }, { serviceurl: undefined }, 'signature_invalid'],
    ['that expired', {}, { exp: 1_700_000_000 }, 'signature_expired'],
  ])('%s is %s', async (_what, fields, claims, expected) => {
    expect(await codeOf(request(fields, claims))).toBe(expected);
  });

  it.each([
    'https://evil.trafficmanager.net/emea/',
    'https://smba.trafficmanager.net.evil.example/emea/',
    'https://smba.trafficmanager.net:8443/emea/',
    'http://smba.trafficmanager.net/emea/',
    'https://user@smba.trafficmanager.net/emea/',
    'smba.trafficmanager.net',
  ])('with the address %s is refused, although a token vouches for it', async (serviceUrl) => {
    expect(await codeOf(request({ serviceUrl }))).toBe('signature_invalid');
  });

  it('signed by a key that is not endorsed for Teams is refused', async () => {
    const other = await startTeamsServer();
    other.addApp(app);
    other.rotateKeys(['webchat']);
    const { apiUrl, openIdUrl, loginUrl } = other;
    const by = teams.open({ apiUrl, ...systemTime, log: recordingLog(), values: { openIdUrl, loginUrl } });
    const chat = other.addConversation({ id: 'a:1', type: 'personal', tenantId: TENANT, apps: [] });
    const activity = other.activity(chat, app.appId, { type: 'message' });
    const headers = { authorization: `Bearer ${other.sign(app.appId, activity)}` };
    const given = { path: '/', headers, body: Buffer.from(JSON.stringify(activity)) };
    expect(await codeOf(given, by)).toBe('signature_invalid');
    by.close();
    await other.close();
  });

  it('is to be sent again while the keys cannot be had', async () => {
    server.trouble = 'keys';
    const by = open();
    expect(await codeOf(request({}), by)).toBe('platform_unavailable');
    server.trouble = null;
    by.close();
  });

  it('whose body is no JSON is refused as that, once it is proved', async () => {
    expect(await codeOf({ ...request({}), body: Buffer.from('{') })).toBe('body_malformed');
    const forged = { ...request({}), headers: { authorization: 'Bearer a.b.c' } };
    expect(await codeOf({ ...forged, body: Buffer.from('{') })).toBe('signature_invalid');
  });
});

describe('where Teams is called', () => {
  it('is what a company’s activities name, and the global address until then', async () => {
    const by = open();
    const chat = newChat();
    await post(chat, 'one', access, by);
    const activity = server.activity(chat, app.appId, { type: 'message', id: '1' });
    const headers = { authorization: `Bearer ${server.sign(app.appId, activity)}` };
    await by.verify(
      { path: '/', headers, body: Buffer.from(JSON.stringify(activity)) },
      app.appId,
      Date.now(),
    );
    await post(chat, 'two', access, by);
    await post(chat, 'three', own, by);
    const other = { ...access, externalId: 'bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb' };
    await post(chat, 'four', other, by);
    const regions = server.calls.filter(({ conversationId }) => conversationId === chat.id);
    expect(regions.map(({ region }) => region)).toEqual(['teams', 'emea', 'teams', 'teams']);
    by.close();
  });
});

describe('the app’s token', () => {
  it('is asked for once, and again when it is not taken any more', async () => {
    const by = open();
    const chat = newChat();
    const before = server.logins;
    await Promise.all([post(chat, 'a', access, by), post(chat, 'b', access, by)]);
    expect(server.logins - before).toBe(1);
    server.revokeTokens();
    await post(chat, 'c', access, by);
    expect(server.logins - before).toBe(2);
    expect([...chat.messages.values()].map(({ shown }) => shown).sort()).toEqual(['a', 'b', 'c']);
    by.close();
  });

  it('of a single-tenant app comes from its own tenant', async () => {
    const { messageId } = await post(newChat(), 'mine', own);
    expect(messageId).not.toBe('');
    const elsewhere = { ...own, credentials: { ...own.credentials, tenantId: '' } };
    await expect(post(newChat(), 'x', elsewhere)).rejects.toMatchObject({
      code: 'platform_rejected',
      details: { platformError: 'unauthorized_client' },
    });
  });

  it.each([
    ['half of an app', { appId: single.appId }, 'app_missing'],
    ['an app id that is none', { appId: 'x', appPassword: app.password }, 'app_missing'],
    [
      'the installation’s app with another password',
      { appId: app.appId, appPassword: 'guessed' },
      'invalid_client',
    ],
  ])('is given to no connection with %s', async (_what, credentials, platformError) => {
    await post(newChat(), 'the installation’s token is there');
    await expect(post(newChat(), 'x', { ...access, credentials })).rejects.toMatchObject({
      code: 'platform_rejected',
      details: { platformError },
    });
  });

  it('that cannot be had leaves no doubt about the message: it is tried again', async () => {
    server.trouble = 'login';
    const by = open();
    const error = await post(newChat(), 'x', access, by).catch((thrown: unknown) => thrown);
    server.trouble = null;
    expect(isKonstructError(error, 'platform_unavailable') && error.details.outcomeUnknown).toBe(undefined);
    by.close();
  });
});

describe('a message', () => {
  it('is sent again after a 412, which did nothing, and waits as long as Teams says', async () => {
    const chat = newChat();
    server.faults.push({ method: 'POST', kind: 'precondition', remaining: 1 });
    await post(chat, 'first');
    server.faults.push({ method: 'POST', kind: 'limit', retryAfterSeconds: 1, remaining: 1 });
    const startedAt = performance.now();
    await post(chat, 'second');
    expect(performance.now() - startedAt).toBeGreaterThan(1_000);
    expect([...chat.messages.values()].map(({ shown }) => shown)).toEqual(['first', 'second']);
  });

  it('with choices is a card whose buttons say what stands on them', async () => {
    const chat = newChat();
    const target = { channelId: chat.id, threadId: null };
    const marker = { deliveryId: '1' };
    const choices = ['Red', 'Blue'];
    const { messageId } = await channel.post(access, { target, markdown: 'Which?', marker, choices }, signal);
    const message = chat.messages.get(messageId);
    expect(message?.card).toMatchObject({ text: 'Which?', actions: [{ title: 'Red' }, { title: 'Blue' }] });
    await channel.edit(access, { target, messageId, markdown: 'Red it is.', marker }, signal);
    expect(message).toMatchObject({ card: null, shown: 'Red it is.' });
  });

  it('in a channel goes below its post; typing says nothing', async () => {
    const place = newChat('channel');
    const { messageId: root } = await post(place, 'a post');
    const target = { channelId: place.id, threadId: root };
    const marker = { deliveryId: '2' };
    const { messageId } = await channel.post(access, { target, markdown: 'below', marker }, signal);
    await channel.typing?.(access, { target, messageId: root }, signal);
    expect(place.messages.get(messageId)).toMatchObject({ rootId: root });
    expect(place.typing).toBe(1);
  });

  it('that is nothing is shown as three dots', async () => {
    const chat = newChat();
    const { messageId } = await post(chat, ' \n');
    expect(chat.messages.get(messageId)?.shown).toBe('…');
  });
});

describe('a file', () => {
  const limits = { maxBytes: 100 };
  const fetched = (externalId: string, maxBytes = 100) =>
    channel.fetchFile?.(
      access,
      { name: 'x', mediaType: 'x/x', sizeBytes: null, externalId },
      { ...limits, maxBytes },
      signal,
    );

  it('is fetched from its own address without a token, a picture from Teams with one', async () => {
    const content = Buffer.from([0, 255, 128, 7]);
    const file = server.addFile('/drive/plan.bin', content, 'application/x-plan; charset=binary');
    const picture = server.addFile('/teams/v3/attachments/1/views/original', content, 'image/png');
    expect(await fetched(`download ${file}?tempauth=1`)).toEqual({
      content,
      mediaType: 'application/x-plan',
    });
    expect(await fetched(`picture ${picture}`)).toEqual({ content, mediaType: 'image/png' });
    expect(server.downloads.map(({ authorization }) => authorization !== null)).toEqual([false, true]);
  });

  it('that is too large is not read to its end', async () => {
    const file = server.addFile('/drive/large', Buffer.alloc(500_000), 'text/plain');
    await expect(fetched(`download ${file}`)).rejects.toMatchObject({ code: 'attachment_too_large' });
  });

  it.each([
    ['download https://evil.example/x', 'file_host_foreign'],
    ['download https://sharepoint.com.evil.example/x', 'file_host_foreign'],
    ['download http://contoso.sharepoint.com/x', 'file_host_foreign'],
    ['download http://169.254.169.254/latest', 'file_host_foreign'],
    ['picture https://contoso.sharepoint.com/x', 'file_host_foreign'],
    ['picture https://evil.trafficmanager.net/x', 'file_host_foreign'],
    ['reference https://contoso.sharepoint.com/x', 'file_needs_graph'],
    ['x', 'file_unknown'],
  ])('%s is not fetched: %s', async (externalId, platformError) => {
    await expect(fetched(externalId)).rejects.toMatchObject({
      code: 'platform_rejected',
      details: { platformError },
    });
  });

  it('that is gone says so', async () => {
    await expect(fetched(`download ${server.url}/drive/gone`)).rejects.toMatchObject({
      code: 'platform_rejected',
    });
  });
});

describe('the doctor', () => {
  const ours = 'https://konstruct.example.com/teams/messages/c';
  const findings = async (as: ConnectionAccess, webhookUrl: string | null, by = channel) => {
    const identity = await by.identify(as, signal);
    const found = await by.examine(as, identity, { webhookUrl, hasSharedSecret: true }, signal);
    return found.map(({ level, text }) => `${level}: ${text}`);
  };

  it('says which address belongs at Azure', async () => {
    expect(await findings(access, ours)).toEqual([
      'ok: its messaging endpoint at Azure has to be https://konstruct.example.com/teams/messages.',
    ]);
    expect(await findings(own, ours.replace('/c', '/o'))).toEqual([
      'ok: its messaging endpoint at Azure has to be https://konstruct.example.com/teams/messages/o.',
    ]);
    expect(await findings(access, null)).toEqual([
      'warning: nobody knows under which address Teams reaches this installation.',
    ]);
  });

  it('says when Microsoft’s keys cannot be fetched, and when an app is another company’s', async () => {
    server.trouble = 'keys';
    const by = open();
    const found = await findings(access, ours, by);
    server.trouble = null;
    expect(found[0]).toMatch(/^problem: the keys that Teams signs its messages with cannot be fetched/);
    const elsewhere = { ...own, externalId: 'bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb' };
    expect((await findings(elsewhere, ours))[0]).toMatch(
      /^warning: the app is registered for the single tenant/,
    );
    const identity = await by.identify(elsewhere, signal);
    const [{ remedy } = {}] = await by.examine(
      elsewhere,
      identity,
      { webhookUrl: ours, hasSharedSecret: true },
      signal,
    );
    expect(remedy).toMatch(/nobody register a multi-tenant bot any more: .* an app of its own tenant/);
    by.close();
  });

  it('says that there is no app at all', async () => {
    const by = open({ appId: '' });
    await expect(by.identify(access, signal)).rejects.toMatchObject({
      details: { platformError: 'app_missing' },
    });
    const identity = { externalId: TENANT, agentUserId: '', name: '', scopes: null };
    const [first] = await by.examine(access, identity, { webhookUrl: ours, hasSharedSecret: false }, signal);
    expect(first?.text).toBe('there is no app id, so everything Teams sends is refused.');
    by.close();
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ChatApp, Space } from '../../../test/support/google-chat/google-chat-world.ts';
import {
  type GoogleChatServer,
  startGoogleChatServer,
} from '../../../test/support/google-chat/start-google-chat-server.ts';
import { silentLog } from '../../../test/support/silent-log.ts';
import type { Channel } from '../../core/channel.ts';
import { isKonstructError } from '../../core/errors.ts';
import type { ConnectionAccess } from '../../core/outbound.ts';
import { systemTime } from '../../system-time.ts';
import { googleChat } from './index.ts';

const PROJECT = '111111111111';
const OURS = 'https://konstruct.example.com/google-chat/c';
const { signal } = new AbortController();
let server: GoogleChatServer;
let app: ChatApp;
let channel: Channel;
let access: ConnectionAccess;
let spaces = 0;
beforeAll(async () => {
  server = await startGoogleChatServer();
  app = server.addApp(PROJECT, 'Ada');
  channel = open();
  const credentials = { serviceAccount: app.serviceAccount, audience: PROJECT };
  access = { connectionId: 'c', externalId: PROJECT, credentials };
});
afterAll(async () => {
  channel.close();
  await server.close();
});

function open(): Channel {
  const { apiUrl, certsUrl, tokenUrl } = server;
  const values = { certsUrl, tokenUrl };
  return googleChat.open({ apiUrl, ...systemTime, log: silentLog, values, timeoutMs: 500 });
}

function newSpace(type: Space['type'] = 'SPACE'): Space {
  spaces += 1;
  return server.addSpace(`U${spaces}`, type, [PROJECT]);
}

const post = (space: Space, markdown: string, deliveryId: string, as = access, by = channel) =>
  by.post(
    as,
    { target: { channelId: `spaces/${space.id}`, threadId: null }, markdown, marker: { deliveryId } },
    signal,
  );

describe('a request', () => {
  const codeOf = async (audience: string, given: Partial<ChatApp>, claims: Record<string, unknown> = {}) => {
    const headers = { authorization: `Bearer ${server.sign({ ...app, ...given }, claims)}` };
    try {
      await channel.verify({ path: '/google-chat', headers, body: Buffer.from('{}') }, audience, Date.now());
      return 'accepted';
    } catch (error) {
      return isKonstructError(error) ? error.code : String(error);
    }
  };
  const addOn = { audience: OURS, isAddOn: true };

  it.each([
    ['of Chat, for the project', PROJECT, { audience: PROJECT }, {}, 'accepted'],
    [
      'of Chat, which does not say of whose app, for the address',
      OURS,
      { audience: OURS },
      {},
      'signature_invalid',
    ],
    ['of an add-on, for the address', OURS, addOn, {}, 'accepted'],
    ['for another project', '222222222222', { audience: PROJECT }, {}, 'signature_invalid'],
    ['for another address', `${OURS}2`, { audience: OURS }, {}, 'signature_invalid'],
    [
      'by another issuer',
      PROJECT,
      { audience: PROJECT },
      { iss: 'https://accounts.google.com' },
      'signature_invalid',
    ],
    ['of anybody with a Google account', OURS, addOn, { email: 'mallory@gmail.com' }, 'signature_invalid'],
    [
      'of an account that looks like an add-on’s',
      OURS,
      addOn,
      { email: `service-${PROJECT}@gcp-sa-gsuiteaddons.iam.gserviceaccount.com.evil.example` },
      'signature_invalid',
    ],
    ['of an address that nobody has verified', OURS, addOn, { email_verified: false }, 'signature_invalid'],
    [
      'of an identity for the project’s number',
      PROJECT,
      { audience: OURS },
      { aud: PROJECT },
      'signature_invalid',
    ],
    ['that expired', PROJECT, { audience: PROJECT }, { exp: 1_700_000_000 }, 'signature_expired'],
  ])('%s is judged', async (_what, audience, given, claims, expected) => {
    expect(await codeOf(audience, given, claims)).toBe(expected);
  });

  it('is to be sent again while the keys cannot be had', async () => {
    server.trouble = 'keys';
    const by = open();
    const headers = { authorization: `Bearer ${server.sign(app)}` };
    const request = { path: '/google-chat', headers, body: Buffer.from('{}') };
    await expect(Promise.resolve(by.verify(request, PROJECT, Date.now()))).rejects.toMatchObject({
      status: 503,
    });
    server.trouble = null;
    by.close();
  });
});

describe('the app’s token', () => {
  it('is asked for once, where we say and not where the key file does, and again when it is not taken', async () => {
    const by = open();
    const before = server.logins;
    await Promise.all([post(newSpace(), 'a', 't1', access, by), post(newSpace(), 'b', 't2', access, by)]);
    expect(server.logins - before).toBe(1);
    server.revokeTokens();
    await post(newSpace(), 'c', 't3', access, by);
    expect(server.logins - before).toBe(2);
    by.close();
  });

  it.each([
    ['no JSON', 'x', 'service_account_malformed'],
    ['a key of another kind', '{"type":"authorized_user"}', 'service_account_malformed'],
    [
      'a key that is none',
      JSON.stringify({
        type: 'service_account',
        client_email: 'x@y.z',
        private_key: '-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n',
      }),
      'service_account_malformed',
    ],
  ])('is not asked for with %s, and nothing of it is said', async (_what, serviceAccount, platformError) => {
    const as = { ...access, credentials: { serviceAccount } };
    const error = await post(newSpace(), 'x', 'm', as).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'platform_rejected', details: { platformError } });
    expect(
      isKonstructError(error) && JSON.stringify([error.message, error.details, String(error.cause)]),
    ).not.toContain('secret');
  });

  it('that cannot be had leaves no doubt about the message', async () => {
    server.trouble = 'login';
    const by = open();
    const error = await post(newSpace(), 'x', 'l', access, by).catch((thrown: unknown) => thrown);
    server.trouble = null;
    expect(isKonstructError(error, 'platform_unavailable') && error.details.outcomeUnknown).toBe(undefined);
    by.close();
  });
});

describe('a message', () => {
  it('of a delivery is there once, whoever sends it again, and is found by that', async () => {
    const space = newSpace();
    const target = { channelId: `spaces/${space.id}`, threadId: null };
    const first = await post(space, 'once', 'd1');
    expect(await post(space, 'once', 'd1')).toEqual(first);
    expect(space.messages.size).toBe(1);
    expect(await channel.findByMarker(access, target, { deliveryId: 'd1' }, signal)).toEqual(first);
    expect(await channel.findByMarker(access, target, { deliveryId: 'd2' }, signal)).toBeNull();
    const elsewhere = { ...access, connectionId: 'another installation’s' };
    expect(await channel.findByMarker(elsewhere, target, { deliveryId: 'd1' }, signal)).toBeNull();
  });

  it('with choices has buttons below its text, which an edit takes away and a press replaces', async () => {
    const space = newSpace();
    const target = { channelId: `spaces/${space.id}`, threadId: null };
    const marker = { deliveryId: 'b1' };
    const message = { target, markdown: 'Which?', marker, choices: ['Red', 'Blue & <b>'] };
    const { messageId } = await channel.post(access, message, signal);
    const shown = space.messages.get(messageId);
    expect(JSON.stringify(shown?.cards)).toContain('"text":"Red"');
    const press = { channelId: target.channelId, threadId: null, messageId, choice: 'Blue & <b>' };
    await channel.acknowledgeAction?.(access, press as never, signal);
    expect(JSON.stringify(shown?.cards)).toContain('✓ Blue &amp; &lt;b&gt;');
    expect(shown?.text).toBe('Which?');
    await channel.edit(access, { target, messageId, markdown: 'Done.', marker }, signal);
    expect(shown).toMatchObject({ text: 'Done.', cards: [] });
  });

  it('in a thread stands there, and on its own where the thread is gone', async () => {
    const space = newSpace();
    const { messageId } = await post(space, 'first', 'h1');
    const threadId = space.messages.get(messageId)?.threadId as string;
    const at = async (thread: string, deliveryId: string) => {
      const target = { channelId: `spaces/${space.id}`, threadId: thread };
      const sent = await channel.post(access, { target, markdown: 'x', marker: { deliveryId } }, signal);
      return space.messages.get(sent.messageId);
    };
    expect(await at(threadId, 'h2')).toMatchObject({ threadId, isReply: true });
    expect(await at('gone', 'h3')).toMatchObject({ isReply: false });
  });

  it('for one person is seen by nobody else, and is an ordinary one in a direct message', async () => {
    for (const [type, viewer] of [
      ['SPACE', 'users/31'],
      ['DIRECT_MESSAGE', null],
    ] as const) {
      const space = newSpace(type);
      const target = { channelId: `spaces/${space.id}`, threadId: null };
      await channel.postPrivately(access, { target, personId: 'users/31', markdown: 'psst' }, signal);
      expect([...space.messages.values()]).toMatchObject([{ text: 'psst', viewer }]);
    }
  });

  it('to what is no space is not sent', async () => {
    const target = { channelId: 'spaces/../token', threadId: null };
    const message = { target, markdown: 'x', marker: { deliveryId: 'n' } };
    await expect(channel.post(access, message, signal)).rejects.toMatchObject({
      details: { platformError: 'space_malformed' },
    });
  });
});

describe('a file', () => {
  const fetched = (externalId: string) =>
    channel.fetchFile?.(
      access,
      { name: 'x', mediaType: 'x/x', sizeBytes: null, externalId },
      { maxBytes: 100 },
      signal,
    );

  it('that was uploaded is fetched', async () => {
    const content = Buffer.from([0, 255, 7]);
    server.addMedia('ClxzcGF=/x', content, 'application/pdf');
    expect(await fetched('media ClxzcGF=/x')).toEqual({ content, mediaType: 'application/pdf' });
    server.addMedia('large', Buffer.alloc(1_000), 'text/plain');
    await expect(fetched('media large')).rejects.toMatchObject({ code: 'attachment_too_large' });
  });

  it.each([
    ['drive d1', 'file_needs_drive'],
    ['media ../../token', 'file_unknown'],
    ['media https://evil.example/x', 'file_unknown'],
    ['x', 'file_unknown'],
  ])('%s is not: %s', async (externalId, platformError) => {
    await expect(fetched(externalId)).rejects.toMatchObject({ details: { platformError } });
  });
});

describe('the doctor', () => {
  const findings = async (credentials: Record<string, string>, hasSharedSecret = false, by = channel) => {
    const as = { ...access, credentials: { serviceAccount: app.serviceAccount, ...credentials } };
    const identity = await by.identify(as, signal);
    const found = await by.examine(as, identity, { webhookUrl: OURS, hasSharedSecret }, signal);
    return found.map(({ level, text }) => `${level}: ${text}`);
  };

  it('says which address belongs into the app’s configuration, and when the audience is wrong', async () => {
    newSpace();
    const ok = `ok: its HTTP endpoint URL has to be ${OURS}`;
    expect(await findings({ audience: PROJECT })).toEqual([`${ok}.`]);
    expect(await findings({ audience: OURS })).toEqual([
      `${ok}, and the app a Workspace add-on: of a plain one Google does not say whose it is, so it is refused.`,
    ]);
    expect(await findings({ audience: '222222222222' })).toEqual([
      'problem: its audience is neither its project number nor its own address.',
    ]);
    expect(await findings({})).toEqual([
      'problem: there is no audience, so everything Chat sends is refused.',
    ]);
    expect(await findings({}, true)).toEqual([]);
  });

  it('says when Google’s keys cannot be fetched, and when the app is nowhere yet', async () => {
    const lonely = server.addApp('222222222222', 'Gus');
    const as = { ...access, credentials: { serviceAccount: lonely.serviceAccount, audience: PROJECT } };
    server.trouble = 'keys';
    const by = open();
    const identity = await by.identify(as, signal);
    const found = await by.examine(as, identity, { webhookUrl: null, hasSharedSecret: false }, signal);
    server.trouble = null;
    by.close();
    expect(found.map(({ text }) => text)).toEqual([
      'the app is in no space and no direct message yet.',
      'the keys that Google signs with cannot be fetched, so nothing that Chat sends can be believed.',
    ]);
  });
});

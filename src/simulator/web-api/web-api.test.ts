import type { WebClient } from '@slack/web-api';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { recordingLog } from '../../../test/support/recording-log.ts';
import type { TestSimulator } from '../../../test/support/simulator/start-test-simulator.ts';
import { acme, globex, startTestSimulator } from '../../../test/support/simulator/start-test-simulator.ts';
import { methodArguments } from './method-arguments.ts';
import { webApiMethods } from './web-api-routes.ts';

let test: TestSimulator;
let client: WebClient;

beforeAll(async () => {
  test = await startTestSimulator();
  client = test.client(acme.token);
});
beforeEach(() => test.simulator.setInstallation(acme.workspaceId, 'installed'));
afterAll(() => test.stop());

/** The error code that Slack's own client got. */
async function errorOf(call: Promise<unknown>): Promise<unknown> {
  const error: unknown = await call.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toHaveProperty('data');
  return (error as { data: { error: string } }).data.error;
}

async function raw(method: string, init: RequestInit = {}) {
  const response = await fetch(`${test.server.apiUrl}${method}`, { method: 'POST', ...init });
  const body: Readonly<Record<string, unknown>> = JSON.parse(await response.text());
  return { status: response.status, headers: response.headers, body };
}

const saidByMara = (text: string, threadTs?: string) =>
  test.simulator.say({
    workspaceId: acme.workspaceId,
    channelId: acme.general,
    userId: acme.mara,
    text,
    ...(threadTs ? { threadTs } : {}),
  });

describe('authentication of the Web API', () => {
  it('tells who the token is and what it may do', async () => {
    const identity = await client.auth.test();
    expect(identity).toMatchObject({
      ok: true,
      team: 'Acme',
      team_id: acme.workspaceId,
      user: 'ada',
      user_id: acme.agent,
      bot_id: 'B0ACMEADA01',
      is_enterprise_install: false,
    });
    expect(identity.response_metadata?.scopes).toContain('chat:write');
  });

  it('refuses missing, unknown and withdrawn tokens each in its own way', async () => {
    expect((await raw('auth.test')).body).toEqual({ ok: false, error: 'not_authed' });
    expect(await errorOf(test.client('xoxb-nobody').auth.test())).toBe('invalid_auth');
    test.simulator.setInstallation(acme.workspaceId, 'tokens_revoked');
    expect(await errorOf(client.auth.test())).toBe('token_revoked');
    test.simulator.setInstallation(acme.workspaceId, 'app_uninstalled');
    expect(await errorOf(client.auth.test())).toBe('account_inactive');
  });

  it('takes the token as an argument too, and JSON bodies', async () => {
    const form = await raw('auth.test', { body: new URLSearchParams({ token: acme.token }) });
    expect(form.body).toMatchObject({ ok: true, team_id: acme.workspaceId });
    const json = await raw('chat.postMessage', {
      headers: { 'content-type': 'application/json; charset=utf-8', authorization: `Bearer ${acme.token}` },
      body: JSON.stringify({ channel: acme.general, text: 'as JSON' }),
    });
    expect(json.body).toMatchObject({ ok: true, channel: acme.general });
  });

  it('names unknown methods and bodies that it cannot read', async () => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${acme.token}` };
    expect((await raw('chat.sing', { headers })).body).toEqual({
      ok: false,
      error: 'unknown_method',
      req_method: 'chat.sing',
    });
    expect((await raw('auth.test', { headers, body: '{' })).body.error).toBe('invalid_json');
    expect((await raw('auth.test', { headers, body: '[]' })).body.error).toBe('json_not_object');
    expect((await raw('auth.test', { body: new FormData() })).body.error).toBe('invalid_post_type');
  });

  it('refuses requests of browsers', async () => {
    const answer = await raw('api.test', { headers: { origin: 'https://evil.example' } });
    expect(answer.status).toBe(403);
  });

  it('says which scope is missing', async () => {
    const seed = test.simulator.workspaces.get(globex.workspaceId)?.seed;
    if (!seed) throw new Error('no seed');
    test.simulator.addWorkspace({ ...seed, scopes: ['chat:write'] });
    const answer = await raw('users.info', {
      headers: { authorization: `Bearer ${globex.token}` },
      body: new URLSearchParams({ user: globex.yuki }),
    });
    expect(answer.body).toEqual({
      ok: false,
      error: 'missing_scope',
      needed: 'users:read',
      provided: 'chat:write',
    });
    expect(answer.headers.get('x-oauth-scopes')).toBe('chat:write');
    test.simulator.addWorkspace(seed);
  });
});

describe('isolation between workspaces', () => {
  it('hides channels, messages and people of the other workspace', async () => {
    const other = test.client(globex.token);
    const sent = await saidByMara('for Acme only');
    const place = { channel: acme.general, ts: sent.ts };
    expect(await errorOf(other.chat.postMessage({ channel: acme.general, text: 'x' }))).toBe(
      'channel_not_found',
    );
    expect(await errorOf(other.chat.update({ ...place, text: 'x' }))).toBe('channel_not_found');
    expect(await errorOf(other.chat.delete(place))).toBe('channel_not_found');
    expect(await errorOf(other.conversations.replies(place))).toBe('channel_not_found');
    expect(await errorOf(other.conversations.history({ channel: place.channel }))).toBe('channel_not_found');
    expect(await errorOf(other.conversations.info({ channel: place.channel }))).toBe('channel_not_found');
    expect(await errorOf(other.users.info({ user: acme.mara }))).toBe('user_not_found');
    expect(await errorOf(other.team.info({ team: acme.workspaceId }))).toBe('team_not_found');
    expect(await errorOf(other.conversations.open({ users: acme.mara }))).toBe('user_not_found');
  });
});

describe('chat.postMessage', () => {
  it('posts into a thread and answers with the message', async () => {
    const root = await saidByMara('question');
    const posted = await client.chat.postMessage({
      channel: acme.general,
      text: 'answer',
      thread_ts: root.ts,
    });
    expect(posted).toMatchObject({
      channel: acme.general,
      ts: expect.stringMatching(/^\d+\.\d{6}$/),
      message: {
        type: 'message',
        text: 'answer',
        thread_ts: root.ts,
        bot_id: 'B0ACMEADA01',
        user: acme.agent,
      },
    });
  });

  it('takes a reply’s ts for its thread, and lands in the channel when the root is gone', async () => {
    const root = await saidByMara('root');
    const reply = await saidByMara('reply', root.ts);
    const post = (threadTs: string) =>
      client.chat.postMessage({ channel: acme.general, text: 'x', thread_ts: threadTs });
    expect((await post(reply.ts)).message).toMatchObject({ thread_ts: root.ts });
    const gone = await saidByMara('gone');
    await test.simulator.deleteMessage(gone);
    expect((await post(gone.ts)).message).not.toHaveProperty('thread_ts');
  });

  it.each([
    ['no_text', { text: '' }],
    ['msg_too_long', { text: 'x'.repeat(40_001) }],
    ['msg_too_long', { markdown_text: 'x'.repeat(12_001) }],
    ['markdown_text_conflict', { markdown_text: 'x', text: 'x' }],
    ['invalid_metadata_format', { text: 'x', metadata: '{"event_type":"a"}' }],
    ['invalid_blocks_format', { blocks: '{' }],
  ])('answers %s', async (code, content) => {
    expect(await errorOf(client.apiCall('chat.postMessage', { channel: acme.general, ...content }))).toBe(
      code,
    );
  });

  it('tells a channel that the agent is not in from one that it cannot see', async () => {
    const post = (channel: string) => client.chat.postMessage({ channel, text: 'x' });
    expect(await errorOf(post(acme.random))).toBe('not_in_channel');
    expect(await errorOf(post('C0NOWHERE'))).toBe('channel_not_found');
    expect(await errorOf(client.apiCall('chat.postMessage', { text: 'x' }))).toBe('invalid_arguments');
  });

  it('opens the direct conversation with a person', async () => {
    const posted = await client.chat.postMessage({ channel: acme.priya, markdown_text: '**hi**' });
    expect(posted.channel).toBe('D0ACMEPRIY1');
    expect(test.simulator.messages(acme.workspaceId, 'D0ACMEPRIY1').at(-1)).toMatchObject({
      text: '*hi*',
      markdown: '**hi**',
      isAgent: true,
    });
  });
});

describe('chat.update and chat.delete', () => {
  it('replaces the text and keeps metadata unless it is given', async () => {
    const metadata = { event_type: 'delivery', event_payload: { id: 'd1' } };
    const { ts = '' } = await client.chat.postMessage({ channel: acme.general, text: 'Thinking…', metadata });
    const updated = await client.chat.update({ channel: acme.general, ts, text: 'done' });
    expect(updated).toMatchObject({ ts, text: 'done', message: { text: 'done', metadata } });
    const cleared = await client.apiCall('chat.update', {
      channel: acme.general,
      ts,
      text: 'x',
      metadata: {},
    });
    expect(cleared).not.toHaveProperty('message.metadata');
  });

  it('refuses other people’s messages, unknown ones and long texts', async () => {
    const { ts } = await saidByMara('mine');
    const place = { channel: acme.general, ts };
    const own = await client.chat.postMessage({ channel: acme.general, text: 'own' });
    expect(await errorOf(client.chat.update({ ...place, text: 'x' }))).toBe('cant_update_message');
    expect(await errorOf(client.chat.delete(place))).toBe('cant_delete_message');
    const unknown = { channel: acme.general, ts: '1.000000' };
    expect(await errorOf(client.chat.update({ ...unknown, text: 'x' }))).toBe('message_not_found');
    const long = { channel: acme.general, ts: own.ts ?? '', text: 'x'.repeat(4_001) };
    expect(await errorOf(client.chat.update(long))).toBe('msg_too_long');
    expect(await client.chat.delete({ channel: acme.general, ts: own.ts ?? '' })).toMatchObject({ ok: true });
    expect(await errorOf(client.chat.delete({ channel: acme.general, ts: own.ts ?? '' }))).toBe(
      'message_not_found',
    );
  });

  it('tells one person something that is not in the history', async () => {
    const input = { channel: acme.general, text: 'psst' };
    const posted = await client.chat.postEphemeral({ ...input, user: acme.mara });
    expect(posted.message_ts).toMatch(/^\d+\.\d{6}$/);
    const history = await client.conversations.history({ channel: acme.general, limit: 1 });
    expect(history.messages?.[0]?.text).not.toBe('psst');
    expect(await errorOf(client.chat.postEphemeral({ ...input, user: 'UNOBODY' }))).toBe(
      'user_not_in_channel',
    );
    const update = client.chat.update({ ...input, ts: posted.message_ts ?? '' });
    expect(await errorOf(update)).toBe('message_not_found');
  });
});

describe('conversations', () => {
  it('pages through a thread, each page beginning with the root', async () => {
    const root = await saidByMara('root');
    const replies: string[] = [];
    for (let index = 0; index < 5; index += 1) replies.push((await saidByMara(`r${index}`, root.ts)).ts);
    const seen: string[] = [];
    for await (const page of client.paginate('conversations.replies', {
      channel: acme.general,
      ts: root.ts,
      limit: 2,
    })) {
      const { messages } = page as { messages?: { ts: string; reply_count?: number }[] };
      expect(messages?.[0]).toMatchObject({ ts: root.ts, reply_count: 5 });
      seen.push(...(messages ?? []).slice(1).map(({ ts }) => ts));
    }
    expect(seen).toEqual(replies);
    expect(
      await errorOf(client.conversations.replies({ channel: acme.general, ts: root.ts, cursor: 'nonsense' })),
    ).toBe('invalid_cursor');
  });

  it('gives metadata back only when asked', async () => {
    const metadata = { event_type: 'delivery', event_payload: { id: 'd2' } };
    const { ts = '' } = await client.chat.postMessage({ channel: acme.general, text: 'marked', metadata });
    const plain = await client.conversations.replies({ channel: acme.general, ts });
    expect(plain.messages?.[0]).not.toHaveProperty('metadata');
    const full = await client.conversations.replies({
      channel: acme.general,
      ts,
      include_all_metadata: true,
    });
    expect(full.messages?.[0]).toMatchObject({ metadata });
  });

  it('answers thread_not_found, and not_in_channel for a public channel without the agent', async () => {
    const replies = (channel: string) => client.conversations.replies({ channel, ts: '1.000000' });
    expect(await errorOf(replies(acme.general))).toBe('thread_not_found');
    expect(await errorOf(replies(acme.random))).toBe('not_in_channel');
  });

  it('reads history newest first within a range', async () => {
    const first = await saidByMara('first');
    const second = await saidByMara('second');
    await saidByMara('third');
    const between = { channel: acme.general, oldest: first.ts, latest: second.ts };
    expect((await client.conversations.history(between)).messages).toEqual([]);
    const inclusive = await client.conversations.history({ ...between, inclusive: true });
    expect(inclusive.messages?.map(({ text }) => text)).toEqual(['second', 'first']);
    const page = await client.conversations.history({ channel: acme.general, limit: 1 });
    expect(page).toMatchObject({ messages: [{ text: 'third' }], has_more: true });
  });

  it('describes channels, people and the team', async () => {
    const info = await client.conversations.info({ channel: acme.leads });
    expect(info.channel).toMatchObject({ id: acme.leads, name: 'leads', is_private: true, is_member: true });
    const direct = await client.conversations.info({ channel: acme.dm });
    expect(direct.channel).toMatchObject({ is_im: true, user: acme.mara });
    const person = await client.users.info({ user: acme.mara });
    expect(person.user).toMatchObject({
      real_name: 'Mara Lindqvist',
      is_bot: false,
      team_id: acme.workspaceId,
    });
    expect((await client.team.info()).team).toMatchObject({ name: 'Acme', domain: 'acme' });
  });

  it('opens a group conversation once', async () => {
    const users = `${acme.mara},${acme.priya}`;
    const first = await client.conversations.open({ users });
    const again = await client.conversations.open({ users });
    expect(again).toMatchObject({ already_open: true, channel: { id: first.channel?.id } });
  });

  it('adds and takes away reactions once', async () => {
    const { ts } = await saidByMara('nice');
    const reaction = { channel: acme.general, timestamp: ts, name: 'eyes' };
    await client.reactions.add(reaction);
    expect(await errorOf(client.reactions.add(reaction))).toBe('already_reacted');
    const { messages } = await client.conversations.replies({ channel: acme.general, ts });
    expect(messages?.[0]).toMatchObject({ reactions: [{ name: 'eyes', users: [acme.agent], count: 1 }] });
    await client.reactions.remove(reaction);
    expect(await errorOf(client.reactions.remove(reaction))).toBe('no_reaction');
  });
});

describe('arguments of the Web API', () => {
  it('that no method takes are refused, so that a mistyped name fails a test as it fails nobody at Slack', async () => {
    const wrong = { channel: acme.general, text: 'hi', no_such_field: 'x', thread: '1700000000.000100' };
    const call = client.apiCall('chat.postMessage', wrong);
    await expect(call).rejects.toMatchObject({
      data: {
        error: 'invalid_arguments',
        response_metadata: { messages: ['[ERROR] unknown arguments: no_such_field, thread'] },
      },
    });
    const update = {
      channel: acme.general,
      ts: '1700000000.000100',
      text: 'hi',
      thread_ts: '1700000000.000100',
    };
    expect(await errorOf(client.apiCall('chat.update', update))).toBe('invalid_arguments');
    expect(await errorOf(client.apiCall('users.info', { user: acme.mara, name: 'mara' }))).toBe(
      'invalid_arguments',
    );
  });

  it('are known of each method', async () => {
    expect(
      Object.keys(methodArguments)
        .filter((method) => method !== 'oauth.v2.access')
        .sort(),
    ).toEqual(Object.keys(webApiMethods).sort());
  });

  it('that no method takes are ignored by `konstruct dev`, as by Slack, with a line in its log', async () => {
    const log = recordingLog();
    const lenient = await startTestSimulator({ refusesUnknownArguments: false, log });
    const wrong = { channel: acme.general, text: 'hi', thread: '1700000000.000100' };
    expect((await lenient.client(acme.token).apiCall('chat.postMessage', wrong)).ok).toBe(true);
    expect(log.lines).toContainEqual(
      expect.objectContaining({
        event: 'simulator.unknown_arguments',
        fields: { method: 'chat.postMessage', arguments: ['thread'] },
      }),
    );
    await lenient.stop();
  });
});

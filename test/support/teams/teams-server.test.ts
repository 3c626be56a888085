import { ConversationActivityClient, MessageActivity, TypingActivity } from '@microsoft/teams.api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTeamsServer, type TeamsServer } from './start-teams-server.ts';

const app = { appId: '11111111-1111-4111-8111-111111111111', password: 'stand-in', name: 'Ada' };
const tenantId = 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa';
const CHANNEL = '19:channel@thread.tacv2';
let server: TeamsServer;
let client: ConversationActivityClient;
beforeAll(async () => {
  server = await startTeamsServer();
  server.addApp(app);
  server.addConversation({ id: CHANNEL, type: 'channel', tenantId, apps: [app.appId] });
  client = new ConversationActivityClient(server.apiUrl, { token: await token(app.password) });
});
afterAll(() => server.close());

async function token(secret: string): Promise<string> {
  const form = {
    grant_type: 'client_credentials',
    client_id: app.appId,
    client_secret: secret,
    scope: 'https://api.botframework.com/.default',
  };
  const url = `${server.loginUrl}/botframework.com/oauth2/v2.0/token`;
  const response = await fetch(url, { method: 'POST', body: new URLSearchParams(form) });
  const { access_token, error } = (await response.json()) as { access_token?: string; error?: string };
  return access_token ?? String(error);
}

const said = (text: string) => new MessageActivity(text).withTextFormat('xml');

describe('the stand-in, asked by Microsoft’s client', () => {
  it('sends, threads, types, edits and deletes', async () => {
    const post = await client.create(CHANNEL, said('Hello<br><b>you</b>'));
    const thread = `${CHANNEL};messageid=${post.id}`;
    const reply = await client.create(thread, said('again'));
    await client.create(thread, new TypingActivity());
    await client.update(thread, reply.id, said('Goodbye'));
    const { messages, typing } = server.conversation(CHANNEL);
    expect(messages.get(post.id)).toMatchObject({ shown: 'Hello\nyou', rootId: post.id });
    expect(messages.get(reply.id)).toMatchObject({ shown: 'Goodbye', rootId: post.id, edits: 1 });
    expect(typing).toBe(1);
    await client.delete(thread, reply.id);
    await expect(client.delete(thread, reply.id)).rejects.toMatchObject({ response: { status: 404 } });
  });

  it('gives a token for the app’s password only, and takes no other', async () => {
    expect(await token('guessed')).toBe('invalid_client');
    const stranger = new ConversationActivityClient(server.apiUrl, { token: 'guessed' });
    await expect(stranger.create(CHANNEL, said('x'))).rejects.toMatchObject({ response: { status: 401 } });
  });

  it.each([
    ['an empty text', said(' '), 400],
    ['a tag that not every device shows', said('<h1>x</h1>'), 400],
    ['a mention without its entity', said('<at>Mara</at>'), 400],
    ['a tag that is not closed', said('<b>x'), 400],
    ['tags that cross', said('<b><i>x</b></i>'), 400],
    ['a bare ampersand', said('a & b'), 400],
    ['a field that it does not know', said('x').withSummary('y'), 400],
    ['what is larger than 28 KB', said('x'.repeat(15_000)), 413],
  ])('refuses %s', async (_what, activity, status) => {
    await expect(client.create(CHANNEL, activity)).rejects.toMatchObject({ response: { status } });
  });

  it('lets nobody in who is not in the conversation', async () => {
    server.addConversation({ id: '19:others@thread.tacv2', type: 'channel', tenantId, apps: [] });
    await expect(client.create('19:others@thread.tacv2', said('x'))).rejects.toMatchObject({
      response: { status: 403, data: { error: { code: 'BotNotInConversationRoster' } } },
    });
  });

  it('limits as it is told to, with the seconds to wait', async () => {
    server.faults.push({ method: 'POST', kind: 'limit', retryAfterSeconds: 7, remaining: 1 });
    await expect(client.create(CHANNEL, said('x'))).rejects.toMatchObject({
      response: { status: 429, headers: { 'retry-after': '7' } },
    });
  });
});

describe('a stream of the stand-in, by Microsoft’s client', () => {
  let chats = 0;
  const newChat = (type: 'personal' | 'groupChat' = 'personal'): string => {
    chats += 1;
    const id = type === 'personal' ? `a:chat-${chats}` : `19:chat-${chats}@thread.v2`;
    server.addConversation({ id, type, tenantId, apps: [app.appId] });
    return id;
  };
  const update = (text: string, sequence: number, id?: string) => {
    const typing = new TypingActivity().withText(text);
    return (id === undefined ? typing : typing.withId(id)).addStreamUpdate(sequence);
  };
  const informative = (text: string) =>
    new TypingActivity().withText(text).withChannelData({ streamType: 'informative' }).addStreamUpdate(1);
  const final = (text: string, id: string) => new MessageActivity(text).withId(id).addStreamFinal();
  const refusal = (status: number, message: string) => ({
    response: { status, data: { error: { message } } },
  });
  /** Requests of a stream are a second apart. */
  const later = (seconds = 1): void => {
    server.aheadMs += seconds * 1_000;
  };

  it('grows from an informative update to its end, in one message that can be changed then', async () => {
    const chat = newChat();
    const { id } = await client.create(chat, informative('Looking'));
    const message = server.conversation(chat).messages.get(id);
    expect(message?.shown).toBe('Looking');
    later();
    await client.create(chat, update('A brown', 2, id));
    later();
    await client.create(chat, update('A brown fox', 3, id));
    later();
    await client.create(chat, final('A brown fox.', id));
    expect(message).toMatchObject({ shown: 'A brown fox.', stream: { state: 'final', sequence: 3 } });
    await client.update(chat, id, said('A <b>fox</b>.'));
    expect(server.conversation(chat).messages.size).toBe(1);
    expect(message?.shown).toBe('A fox.');
    later();
    await expect(client.create(chat, update('A brown fox. And', 4, id))).rejects.toMatchObject(
      refusal(403, 'Content stream is not allowed on an already completed streamed message'),
    );
  });

  it('refuses another text, one that comes too soon, and a second stream beside it', async () => {
    const chat = newChat();
    const { id } = await client.create(chat, update('A brown', 1));
    await expect(client.create(chat, update('A brown fox', 2, id))).rejects.toMatchObject({
      response: { status: 429 },
    });
    later();
    await expect(client.create(chat, update('Hello', 2, id))).rejects.toMatchObject(
      refusal(400, 'Request streamed content should contain the previously streamed content'),
    );
    await expect(client.create(chat, final('Hello', id))).rejects.toMatchObject({
      response: { status: 400 },
    });
    await expect(client.create(chat, update('Other', 1))).rejects.toMatchObject(
      refusal(403, 'Content stream is not allowed'),
    );
  });

  it('ends when a person stops it, and after two minutes, but for an update', async () => {
    const stopped = newChat();
    const { id } = await client.create(stopped, update('A', 1));
    expect(server.stopStream(stopped)).toBe(true);
    await expect(client.create(stopped, final('A b', id))).rejects.toMatchObject(
      refusal(403, 'Content stream was canceled by user.'),
    );
    const late = newChat();
    const { id: over } = await client.create(late, update('A', 1));
    later(121);
    await expect(client.create(late, final('A b', over))).rejects.toMatchObject(
      refusal(403, 'Content stream finished due to exceeded streaming time.'),
    );
    await client.update(late, over, said('A b'));
    expect(server.conversation(late).messages.get(over)?.shown).toBe('A b');
  });

  it('is for personal chats, and for those who may', async () => {
    await expect(client.create(newChat('groupChat'), update('A', 1))).rejects.toMatchObject({
      response: { status: 400, data: { error: { code: 'BadArgument' } } },
    });
    server.streaming = 'refused';
    await expect(client.create(newChat(), update('A', 1))).rejects.toMatchObject(
      refusal(403, 'Content stream is not allowed'),
    );
    server.streaming = 'allowed';
  });
});

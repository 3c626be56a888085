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

import { auth, type chat_v1, chat as openChat } from '@googleapis/chat';
import { importPKCS8, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ChatApp } from './google-chat-world.ts';
import { type GoogleChatServer, startGoogleChatServer } from './start-google-chat-server.ts';

const PROJECT = '111111111111';
const parent = 'spaces/S1';
let server: GoogleChatServer;
let app: ChatApp;
let api: chat_v1.Chat;
beforeAll(async () => {
  server = await startGoogleChatServer();
  app = server.addApp(PROJECT, 'Ada');
  server.addSpace('S1', 'SPACE', [PROJECT]);
  server.addSpace('S2', 'SPACE', []);
  api = as(await token({}));
});
afterAll(() => server.close());

function as(accessToken: string): chat_v1.Chat {
  const client = new auth.OAuth2();
  client.setCredentials({ access_token: accessToken });
  return openChat({ version: 'v1', rootUrl: `${server.apiUrl}/`, auth: client, retry: false });
}

/** The access token that Google gives for an assertion with these claims, or its word for why not. */
async function token(claims: Readonly<Record<string, unknown>>): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const usual = { iss: app.email, aud: server.tokenUrl, iat: now, exp: now + 3_600 };
  const scope = 'https://www.googleapis.com/auth/chat.bot';
  const assertion = await new SignJWT({ ...usual, scope, ...claims })
    .setProtectedHeader({ alg: 'RS256' })
    .sign(await importPKCS8(app.key.privatePem, 'RS256'));
  const grant_type = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
  const body = new URLSearchParams({ grant_type, assertion });
  const response = await fetch(server.tokenUrl, { method: 'POST', body });
  const { access_token, error } = (await response.json()) as { access_token?: string; error?: string };
  return access_token ?? String(error);
}

const said = (text: string) => ({ text, markupSyntax: 'MARKUP_SYNTAX_CHAT' });
const create = (given: chat_v1.Params$Resource$Spaces$Messages$Create) => api.spaces.messages.create(given);

describe('the stand-in, asked by Google’s client', () => {
  it('creates, threads, finds by an id of ours, changes and deletes', async () => {
    const messageId = 'client-delivery-7';
    const { data: first } = await create({ parent, messageId, requestBody: said('Hello') });
    expect(first).toMatchObject({ text: 'Hello', clientAssignedMessageId: messageId });
    const { data: reply } = await create({
      parent,
      messageReplyOption: 'REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD',
      requestBody: { ...said('again'), thread: { name: first.thread?.name ?? '' } },
    });
    expect(reply.thread?.name).toBe(first.thread?.name);
    const { data: found } = await api.spaces.messages.get({ name: `${parent}/messages/${messageId}` });
    expect(found.name).toBe(first.name);
    const name = first.name ?? '';
    const changed = { name, updateMask: 'text', requestBody: said('Goodbye') };
    expect((await api.spaces.messages.patch(changed)).data.text).toBe('Goodbye');
    await api.spaces.messages.delete({ name });
    await expect(api.spaces.messages.get({ name })).rejects.toMatchObject({ status: 404 });
  });

  it.each([
    ['an empty text', { requestBody: said(' ') }, 400],
    ['what is larger than 32,000 bytes', { requestBody: said('ü'.repeat(16_000)) }, 400],
    ['an id that is not ours to give', { messageId: 'delivery-7', requestBody: said('x') }, 400],
    ['a field that it does not know', { requestBody: { ...said('x'), fallbackText: 'y' } }, 400],
    [
      'a thread of another space',
      { requestBody: { ...said('x'), thread: { name: 'spaces/S2/threads/T' } } },
      400,
    ],
    ['a space that the app is not in', { parent: 'spaces/S2', requestBody: said('x') }, 403],
    ['a space that is not there', { parent: 'spaces/S9', requestBody: said('x') }, 404],
  ])('refuses %s', async (_what, given, status) => {
    await expect(create({ parent, ...given })).rejects.toMatchObject({ status });
  });

  it('refuses the same id a second time, and a mask that names no field', async () => {
    const { data } = await create({ parent, messageId: 'client-twice', requestBody: said('x') });
    const again = create({ parent, messageId: 'client-twice', requestBody: said('x') });
    await expect(again).rejects.toMatchObject({ status: 409 });
    const masked = { name: data.name ?? '', updateMask: 'markupSyntax', requestBody: said('y') };
    await expect(api.spaces.messages.patch(masked)).rejects.toMatchObject({ status: 400 });
  });

  it('gives a token for a timely assertion of the account only, and takes no other', async () => {
    const now = Math.floor(Date.now() / 1000);
    expect(await token({ aud: 'https://oauth2.example/token' })).toBe('invalid_grant');
    expect(await token({ exp: now - 1 })).toBe('invalid_grant');
    expect(await token({ exp: now + 7_200 })).toBe('invalid_grant');
    expect(await token({ iss: 'nobody@example.com' })).toBe('invalid_grant');
    expect(await token({ scope: 'https://www.googleapis.com/auth/drive' })).toBe('invalid_scope');
    const stranger = as('guessed').spaces.messages.create({ parent, requestBody: said('x') });
    await expect(stranger).rejects.toMatchObject({ status: 401 });
  });

  it('limits as it is told to, with the seconds to wait', async () => {
    server.faults.push({ method: 'POST', kind: 'limit', retryAfterSeconds: 7, remaining: 1 });
    const limited = await create({ parent, requestBody: said('x') }).catch((error: unknown) => error);
    expect(limited).toMatchObject({ status: 429 });
    const { headers } = (limited as { response: { headers: Headers } }).response;
    expect(headers.get('retry-after')).toBe('7');
  });
});

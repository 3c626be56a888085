import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WhatsAppAPI } from 'whatsapp-api-js';
import { ActionButtons, Body, Button, Document, Interactive, Reaction, Text } from 'whatsapp-api-js/messages';
import type { PostData } from 'whatsapp-api-js/types';
import { startWhatsAppServer, type WhatsAppServer } from './start-whatsapp-server.ts';

const VERSION = 'v26.0';
const NUMBER = '106540352242922';
const seed = {
  phoneNumberId: NUMBER,
  displayNumber: '+1 555-078-3881',
  verifiedName: 'Acme',
  token: 'EAAstandin',
  appSecret: 'app-secret',
};
const mara = { phone: '16505551234', userId: 'US.1349', name: 'Mara' };
let server: WhatsAppServer;
let api: WhatsAppAPI;

function client(token: string): WhatsAppAPI {
  const toServer = (url: string | URL | Request, init?: RequestInit) =>
    fetch(String(url).replace(`https://graph.facebook.com/${VERSION}`, server.apiUrl), init);
  return new WhatsAppAPI({
    token,
    appSecret: seed.appSecret,
    webhookVerifyToken: 'v',
    v: VERSION,
    ponyfill: { fetch: toServer as typeof fetch },
  });
}

beforeAll(async () => {
  server = await startWhatsAppServer([seed]);
  server.sendsStatuses = false;
  api = client(seed.token);
});
beforeEach(() => {
  server.messageChange(NUMBER, mara, { id: 'wamid.IN', type: 'text', text: { body: 'hi' } });
});
afterAll(() => server.close());

describe('the stand-in, asked by whatsapp-api-js', () => {
  it('sends texts, buttons and reactions, to numbers and to ids', async () => {
    const sent = await api.sendMessage(NUMBER, mara.phone, new Text('Hello'), undefined, 'marker');
    expect(sent).toMatchObject({ messages: [{ id: expect.stringMatching(/^wamid\./) }] });
    const buttons = new ActionButtons(new Button('a', 'Yes'), new Button('b', 'No'));
    await api.sendMessage(NUMBER, { bsuid: mara.userId }, new Interactive(buttons, new Body('Sure?')));
    await api.sendMessage(NUMBER, mara.phone, new Reaction('wamid.IN', '👍'));
    expect(server.shown.map(({ to, marker }) => [to, marker])).toEqual([
      [mara.phone, 'marker'],
      [mara.userId, null],
    ]);
    expect(server.number(NUMBER).reactions.get('wamid.IN')).toBe('👍');
  });

  it('refuses a stranger’s token, a stranger and what is no message', async () => {
    const refused = (answer: unknown) => (answer as { error?: { code: number } }).error?.code;
    expect(refused(await client('other').sendMessage(NUMBER, mara.phone, new Text('x')))).toBe(190);
    expect(refused(await api.sendMessage(NUMBER, '491700000000', new Text('x')))).toBe(131030);
    expect(refused(await api.sendMessage('999999', mara.phone, new Text('x')))).toBe(100);
    expect(refused(await api.sendMessage(NUMBER, mara.phone, new Reaction('wamid.NO', '👍')))).toBe(131009);
    expect(refused(await api.sendMessage(NUMBER, mara.phone, new Document('404', true)))).toBe(100);
  });

  it('marks as read and shows that an answer is being written', async () => {
    expect(await api.markAsRead(NUMBER, 'wamid.IN', 'text')).toEqual({ success: true });
    expect(server.number(NUMBER).typing).toContain('wamid.IN');
  });

  it('takes files and gives them back', async () => {
    const form = new FormData();
    form.set('type', 'text/plain');
    form.set('messaging_product', 'whatsapp');
    form.set('file', new File(['content'], 'a.txt', { type: 'text/plain' }));
    const { id } = (await api.uploadMedia(NUMBER, form)) as { id: string };
    const media = (await api.retrieveMedia(id, NUMBER)) as { url: string; mime_type: string };
    expect(media.mime_type).toBe('text/plain');
    const answer = await fetch(media.url, { headers: { authorization: `Bearer ${seed.token}` } });
    expect(await answer.text()).toBe('content');
    expect((await fetch(media.url)).status).toBe(401);
  });

  it('posts what its types and its signature check take', async () => {
    const seen: unknown[] = [];
    api.on.message = ({ phoneID, message }) => void seen.push([phoneID, message.type]);
    const { createServer } = await import('node:http');
    const webhook = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const raw = Buffer.concat(chunks).toString();
        const signature = String(request.headers['x-hub-signature-256']);
        api.post(JSON.parse(raw) as PostData, raw, signature).then(
          () => response.writeHead(200).end(),
          () => response.writeHead(401).end(),
        );
      });
    });
    await new Promise<void>((resolve) => webhook.listen(0, '127.0.0.1', resolve));
    const { port } = webhook.address() as { port: number };
    const change = server.messageChange(NUMBER, mara, { type: 'text', text: { body: 'hi' } });
    expect(await server.post(`http://127.0.0.1:${port}`, [change])).toBe(200);
    expect(await server.post(`http://127.0.0.1:${port}`, [change], 'another')).toBe(401);
    expect(seen).toEqual([[NUMBER, 'text']]);
    webhook.close();
  });
});

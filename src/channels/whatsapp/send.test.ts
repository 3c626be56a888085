import { createServer } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  startWhatsAppServer,
  type WhatsAppServer,
} from '../../../test/support/whatsapp/start-whatsapp-server.ts';
import type { Channel } from '../../core/channel.ts';
import { isKonstructError, type KonstructError } from '../../core/errors.ts';
import type { LogFields } from '../../core/log.ts';
import { whatsapp } from './index.ts';

const NUMBER = '106540352242922';
const TOKEN = 'EAAverysecret';
const seed = {
  phoneNumberId: NUMBER,
  displayNumber: '+1 555-078-3881',
  verifiedName: 'Acme',
  token: TOKEN,
  appSecret: 's',
};
const access = { connectionId: 'c1', externalId: NUMBER, credentials: { accessToken: TOKEN } };
const mara = { phone: '16505551234', userId: 'US.1349', name: 'Mara' };
const target = { channelId: mara.phone, threadId: null };
const { signal } = new AbortController();

let server: WhatsAppServer;
let channel: Channel;
/** Time as the channel sees it: only sleeping moves it. */
let nowMs: number;
let slept: number[];
let logged: (readonly [string, LogFields | undefined])[];
let incoming: string;
beforeEach(async () => {
  nowMs = 1_712_345_678_000;
  slept = [];
  logged = [];
  server = await startWhatsAppServer([seed]);
  server.sendsStatuses = false;
  server.messageChange(NUMBER, mara, { id: 'wamid.IN', type: 'text', text: { body: 'hi' } });
  incoming = 'wamid.IN';
  const write = (event: string, fields?: LogFields): void => void logged.push([event, fields]);
  channel = whatsapp.open({
    apiUrl: server.apiUrl,
    clock: () => nowMs,
    random: () => 0,
    sleep: async (ms) => {
      slept.push(ms);
      nowMs += ms;
    },
    log: { debug: write, info: write, warn: write, error: write },
    timeoutMs: 2_000,
  });
});
afterEach(async () => {
  channel.close();
  await server.close();
});

const post = (markdown: string, choices?: readonly string[]) =>
  channel.post(
    access,
    { target, markdown, marker: { deliveryId: '42' }, ...(choices === undefined ? {} : { choices }) },
    signal,
  );
const failureOf = async (work: Promise<unknown>): Promise<KonstructError> => {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!isKonstructError(error)) throw new Error(`Expected a KonstructError, got ${String(error)}`);
  return error;
};

describe('a message', () => {
  it('carries our marker, shows no preview and quotes nothing', async () => {
    await post('See **this**: https://a.example');
    expect(server.calls).toEqual([
      {
        token: TOKEN,
        method: 'POST',
        path: `/${NUMBER}/messages`,
        body: {
          messaging_product: 'whatsapp',
          recipient_type: 'individual',
          to: mara.phone,
          type: 'text',
          text: { body: 'See *this*: https://a.example', preview_url: false },
          biz_opaque_callback_data: 'konstruct:42',
        },
      },
    ]);
  });

  it('to a person without a number goes to their id', async () => {
    const hidden = {
      target: { channelId: mara.userId, threadId: null },
      markdown: 'x',
      marker: { deliveryId: '1' },
    };
    await channel.post(access, hidden, signal);
    expect(server.calls[0]?.body).toMatchObject({ recipient: mara.userId });
    expect(server.calls[0]?.body).not.toHaveProperty('to');
  });

  it('that says nothing is an ellipsis, because an empty one is refused', async () => {
    await post('  ');
    expect(server.shown[0]?.body).toMatchObject({ body: '…' });
  });

  it('to nobody is refused without a call', async () => {
    const message = {
      target: { channelId: '../1/messages', threadId: null },
      markdown: 'x',
      marker: { deliveryId: '1' },
    };
    expect(await failureOf(channel.post(access, message, signal))).toMatchObject({
      code: 'platform_rejected',
    });
    expect(server.calls).toEqual([]);
  });
});

describe('an answer that comes more than 24 hours after the person wrote', () => {
  const late = (markdown: string, hours: number, template?: string) =>
    channel.post(
      { ...access, ...(template === undefined ? {} : { settings: { template } }) },
      { target, markdown, marker: { deliveryId: '42' }, lastHeardAtMs: nowMs - hours * 3_600_000 },
      signal,
    );

  it('is refused without a call, and says why', async () => {
    expect(await failureOf(late('x', 24))).toMatchObject({ code: 'platform_window_closed' });
    expect(server.calls).toEqual([]);
    await late('in time', 23.9);
    expect(server.shown).toHaveLength(1);
  });

  it('is sent by a template, on one line, where the connection has one', async () => {
    server.number(NUMBER).templates.add('late_answer/en_GB');
    await late('**One**\n\n- two', 30, 'late_answer/en_GB');
    await late('word '.repeat(400), 30, 'late_answer/en_GB');
    const texts = server.shown.map(({ body }) => JSON.stringify(body.components));
    expect(texts[0]).toContain('"text":"*One* • two"');
    expect(texts[1]).toMatch(/word word…"/);
    expect(server.calls[0]?.body).toMatchObject({
      type: 'template',
      template: { name: 'late_answer', language: { code: 'en_GB' } },
    });
    expect(await failureOf(late('x', 30, 'other/en'))).toMatchObject({ code: 'platform_rejected' });
  });
});

describe('choices', () => {
  it.each([
    [['Yes', 'No'], 'x', 'button'],
    [['Yes', 'No'], 'x'.repeat(1_025), 'list'],
    [['1', '2', '3', '4'], 'x', 'list'],
    [Array.from({ length: 10 }, (_, index) => `${index}`.padEnd(20, '-')), 'x', 'list'],
    [['Same', 'Same'], 'x', 'button'],
  ])('%j are shown as WhatsApp can', async (choices, text, type) => {
    await post(text, choices);
    expect(server.shown[0]?.body).toMatchObject({ type, body: { text } });
    const titles = JSON.stringify(server.shown[0]?.body).match(/"title":"([^"]*)"/g);
    expect(titles).toHaveLength(new Set(choices).size);
  });
});

describe('a limit', () => {
  it('of one chat holds that chat only, for six seconds', async () => {
    const tomas = { phone: '16505555678', userId: 'US.77', name: 'Tomas' };
    server.messageChange(NUMBER, tomas, { type: 'text', text: { body: 'hi' } });
    server.faults.push({ kind: 'pair_limit', remaining: 1 });
    await post('one');
    expect(slept).toEqual([6_000]);
    server.faults.push({ kind: 'pair_limit', remaining: 1 });
    const limited = post('two');
    const other = {
      target: { channelId: tomas.phone, threadId: null },
      markdown: 'x',
      marker: { deliveryId: '1' },
    };
    await Promise.all([limited, channel.post(access, other, signal)]);
    expect(server.shown.map(({ to }) => to)).toEqual([mara.phone, tomas.phone, mara.phone]);
  });

  it('that takes longer than may be waited is passed on with the time WhatsApp names', async () => {
    server.faults.push({ kind: 'limit', retryAfterSeconds: 1_200, remaining: 1 });
    expect(await failureOf(post('x'))).toMatchObject({
      code: 'platform_rate_limited',
      retryAfterMs: 1_200_000,
    });
    expect(slept).toEqual([]);
  });

  it('is kept by itself: after twenty messages at once, one every six seconds', async () => {
    for (let index = 0; index < 22; index += 1) await post(`${index}`);
    expect(slept).toEqual([6_000, 6_000]);
  });
});

describe('what fails', () => {
  it('is tried again only when WhatsApp says that nothing was done', async () => {
    server.faults.push({ kind: 'unavailable', remaining: 2 });
    await post('again');
    expect(server.shown).toHaveLength(1);
    server.faults.push({ kind: 'error', remaining: 1 });
    expect(await failureOf(post('unknown'))).toMatchObject({
      code: 'platform_unavailable',
      details: { outcomeUnknown: true, platformError: 'something_went_wrong' },
    });
  });

  it('for want of a good token is called so, and names no token', async () => {
    server.number(NUMBER).revoked = true;
    const error = await failureOf(post('x'));
    expect(error).toMatchObject({ code: 'platform_rejected', details: { platformError: 'unauthorized' } });
    expect(JSON.stringify([error.message, error.details, logged])).not.toContain(TOKEN);
  });

  it('because nothing can be edited or taken away is refused without a call', async () => {
    const edit = { target, messageId: 'wamid.X', markdown: 'x', marker: { deliveryId: '1' } };
    expect(await failureOf(channel.edit(access, edit, signal))).toMatchObject({ code: 'platform_rejected' });
    expect(await failureOf(channel.remove(access, edit, signal))).toMatchObject({
      code: 'platform_rejected',
    });
    expect(server.calls).toEqual([]);
  });
});

describe('the sign that an answer is being written', () => {
  it('stands below the message that is answered', async () => {
    await channel.typing?.(access, { target, messageId: incoming }, signal);
    expect(server.number(NUMBER).typing).toEqual([incoming]);
    await channel.typing?.(access, { target, messageId: null }, signal);
    await channel.typing?.(access, { target, messageId: 'action:1' }, signal);
    expect(server.calls).toHaveLength(1);
  });
});

describe('a reaction', () => {
  it('is put on and taken off', async () => {
    const reaction = { target, messageId: incoming, emoji: '✅', present: true };
    await channel.react?.(access, reaction, signal);
    expect(server.number(NUMBER).reactions.get(incoming)).toBe('✅');
    await channel.react?.(access, { ...reaction, present: false }, signal);
    expect(server.number(NUMBER).reactions.get(incoming)).toBe('');
  });
});

describe('a file', () => {
  const file = (content: Buffer, mediaType: string, name = 'a') => ({
    target,
    name,
    mediaType,
    content,
    marker: { deliveryId: '42' },
  });

  it.each([
    ['image/png', 'image', 'image/png'],
    ['application/pdf', 'document', 'application/pdf'],
    ['text/csv', 'document', 'text/plain'],
    ['application/json', 'document', 'text/plain'],
    ['audio/ogg', 'audio', 'audio/ogg'],
  ])('of type %s is sent as %s', async (mediaType, type, kept) => {
    await channel.upload?.(access, file(Buffer.from('content'), mediaType, 'Bericht "1"\r\n.csv'), signal);
    const sent = server.calls.at(-1)?.body;
    expect(sent).toMatchObject({ type, biz_opaque_callback_data: 'konstruct:42' });
    const { id } = (sent?.[type] ?? {}) as { id?: string };
    expect(server.file(id ?? '')).toMatchObject({ mediaType: kept, content: Buffer.from('content') });
  });

  it('that is too large, or of a type that WhatsApp does not know, is refused without a call', async () => {
    const large = file(Buffer.alloc(5 * 1024 * 1024 + 1), 'image/png');
    expect(await failureOf(channel.upload?.(access, large, signal) as Promise<unknown>)).toMatchObject({
      code: 'attachment_too_large',
    });
    const strange = file(Buffer.from('x'), 'application/x-msdownload');
    expect(await failureOf(channel.upload?.(access, strange, signal) as Promise<unknown>)).toMatchObject({
      details: { platformError: 'media_type_unsupported' },
    });
    expect(server.calls).toEqual([]);
  });

  const fetched = (externalId: string, maxBytes = 1_000) =>
    channel.fetchFile?.(
      access,
      { name: 'a', mediaType: 'image/jpeg', sizeBytes: null, externalId },
      { maxBytes },
      signal,
    ) as Promise<{ mediaType: string; content: Uint8Array }>;

  it('that somebody sent is fetched, bytes as they are', async () => {
    const content = Buffer.from([0, 255, 254, 128, 10]);
    const id = server.addFile({ content, mediaType: 'image/png' });
    const { mediaType, content: bytes } = await fetched(id);
    expect([mediaType, Buffer.from(bytes)]).toEqual(['image/png', content]);
  });

  it('that is too large is not fetched', async () => {
    const id = server.addFile({ content: Buffer.alloc(2_000), mediaType: 'image/png' });
    expect(await failureOf(fetched(id))).toMatchObject({ code: 'attachment_too_large' });
  });

  it('that is gone, or has no proper id, is refused', async () => {
    expect(await failureOf(fetched('999'))).toMatchObject({ details: { platformError: 'number_unknown' } });
    expect(await failureOf(fetched('../me'))).toMatchObject({ details: { platformError: 'media_unknown' } });
  });

  it('is fetched from WhatsApp’s hosts only: nobody else is shown the token', async () => {
    const asked: string[] = [];
    const stranger = createServer((request, response) => {
      asked.push(String(request.headers.authorization));
      response.end('x');
    });
    await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
    const { port } = stranger.address() as { port: number };
    const id = server.addFile({ content: Buffer.from('x'), mediaType: 'image/png' });
    for (const origin of [
      `http://127.0.0.1:${port}`,
      'https://lookaside.fbsbx.com.evil.example',
      'http://lookaside.fbsbx.com',
    ]) {
      server.mediaOrigin = origin;
      expect(await failureOf(fetched(id))).toMatchObject({
        details: { platformError: 'media_host_unknown' },
      });
    }
    expect(asked).toEqual([]);
    stranger.close();
  });
});

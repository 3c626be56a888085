import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLog } from '../../../test/support/silent-log.ts';
import {
  startTelegramServer,
  type TelegramServer,
} from '../../../test/support/telegram/start-telegram-server.ts';
import type { Channel } from '../../core/channel.ts';
import type { ActionEvent } from '../../core/channel-event.ts';
import { isKonstructError } from '../../core/errors.ts';
import { telegram } from './index.ts';

const token = '700001:AAH-acme_stand-in';
const access = { connectionId: 'c1', externalId: '700001', credentials: { botToken: token } };
const GROUP = -1001;
const target = { channelId: String(GROUP), threadId: '1' };
const mara = { id: 11, is_bot: false, first_name: 'Mara' };
const { signal } = new AbortController();
const PNG = Buffer.from('\x89PNG\r\n', 'latin1');

let server: TelegramServer;
let channel: Channel;
beforeAll(async () => {
  server = await startTelegramServer([{ token, username: 'ada_bot' }]);
  server.addChat({ id: GROUP, type: 'supergroup', title: 'Acme', bots: [] });
  await server.say(GROUP, { from: mara, text: 'hello' });
  channel = open(server.apiUrl);
});
afterAll(async () => {
  channel.close();
  await server.close();
});

function open(apiUrl: string): Channel {
  let nowMs = 1_700_000_000_000;
  return telegram.open({
    apiUrl,
    clock: () => nowMs,
    random: () => 0,
    sleep: async (ms) => {
      nowMs += ms;
    },
    log: silentLog,
  });
}

const messageOf = (id: string) => server.chat(GROUP).messages.get(Number(id));
const failureOf = async (work: Promise<unknown> | undefined) => {
  const error = await Promise.resolve(work).then(
    () => null,
    (reason: unknown) => reason,
  );
  return isKonstructError(error) ? { code: error.code, ...error.details } : error;
};

describe('choices', () => {
  const post = (choices: readonly string[]) =>
    channel.post(access, { target, markdown: 'Which?', marker: { deliveryId: '1' }, choices }, signal);
  const rowsOf = (id: string) => {
    const { inline_keyboard = [] } = (messageOf(id)?.reply_markup ?? {}) as {
      inline_keyboard?: readonly { text: string }[][];
    };
    return inline_keyboard.map((row) => row.map(({ text }) => text));
  };

  it.each([
    [['Yes', 'No'], [['Yes', 'No']]],
    [
      ['Yes', 'No, rather something else'],
      [['Yes'], ['No, rather something else']],
    ],
    [
      ['1', '2', '3', '4'],
      [['1'], ['2'], ['3'], ['4']],
    ],
    [['😀'.repeat(30)], [['😀'.repeat(30)]]],
  ])('%j stand below the message', async (choices, rows) => {
    expect(rowsOf((await post(choices)).messageId)).toEqual(rows);
  });

  it('come with an edit, and go with an edit that has none', async () => {
    const { messageId } = await post([]);
    const edit = { target, messageId, markdown: 'And now?', marker: { deliveryId: '1' } };
    await channel.edit(access, { ...edit, choices: ['Yes'] }, signal);
    expect(rowsOf(messageId)).toEqual([['Yes']]);
    await channel.edit(access, { ...edit, markdown: 'Fine.' }, signal);
    expect(messageOf(messageId)?.reply_markup).toBeUndefined();
  });

  it('are taken away when one was pressed, and the press no longer waits', async () => {
    const { messageId } = await post(['Yes', 'No']);
    const bot = server.bot(token);
    bot.openPresses.add('press-x');
    const action = {
      type: 'action',
      channelId: String(GROUP),
      messageId,
      actionId: 'press-x',
    } as unknown as ActionEvent;
    await channel.acknowledgeAction?.(access, action, signal);
    expect(messageOf(messageId)?.reply_markup).toBeUndefined();
    expect(bot.openPresses.size).toBe(0);
    // Another person pressed at the same moment.
    bot.openPresses.add('press-x');
    await channel.acknowledgeAction?.(access, action, signal);
    expect(bot.openPresses.size).toBe(0);
  });
});

describe('a reaction', () => {
  it.each([
    ['👍', ['👍']],
    ['❤️', ['❤']],
    ['✅', ['👌']],
  ])('%s is put on as %j', async (emoji, shown) => {
    await channel.react?.(access, { target, messageId: '1', emoji, present: true }, signal);
    expect(server.chat(GROUP).reactions.get(1)).toEqual(shown);
    await channel.react?.(access, { target, messageId: '1', emoji, present: false }, signal);
    expect(server.chat(GROUP).reactions.get(1)).toEqual([]);
  });

  it('that bots may not use, or on an album, is refused without a call', async () => {
    const calls = server.calls.length;
    const reaction = { target, messageId: '1', emoji: '🦖', present: true };
    expect(await failureOf(channel.react?.(access, reaction, signal))).toMatchObject({
      platformError: 'reaction_unsupported',
    });
    expect(
      await failureOf(channel.react?.(access, { ...reaction, emoji: '👍', messageId: 'album-1' }, signal)),
    ).toMatchObject({ platformError: 'message_not_found' });
    expect(server.calls).toHaveLength(calls);
  });
});

it('the sign that an answer is being written stands in the topic', async () => {
  await channel.typing?.(
    access,
    { target: { channelId: `${GROUP}/7`, threadId: null }, messageId: null },
    signal,
  );
  expect(server.calls.at(-1)).toMatchObject({
    method: 'sendChatAction',
    arguments: { chat_id: GROUP, message_thread_id: 7, action: 'typing' },
  });
});

describe('a file', () => {
  const upload = (content: Buffer, mediaType: string, name: string) =>
    channel.upload?.(
      access,
      { target, name, mediaType, content, marker: { deliveryId: '1' } },
      signal,
    ) as Promise<{
      messageId: string;
    }>;

  it('is sent as a reply, pictures as pictures, bytes as they are', async () => {
    const bytes = Buffer.from([0, 255, 13, 10, 45, 45]);
    const document = messageOf((await upload(bytes, 'text/csv', 'Umsätze "Q3".csv')).messageId);
    expect(document).toMatchObject({
      document: { file_name: 'Umsätze "Q3".csv', mime_type: 'text/csv' },
      reply_to_message: { message_id: 1 },
    });
    const { file_id } = (document?.document ?? {}) as { file_id?: string };
    expect(server.files.get(file_id ?? '')?.content).toEqual(bytes);
    expect(messageOf((await upload(PNG, 'image/png', 'a.png')).messageId)).toHaveProperty('photo');
  });

  it('that Telegram does not take as a picture is sent as a document', async () => {
    const sent = await upload(Buffer.from('no picture'), 'image/png', 'a.png');
    expect(messageOf(sent.messageId)).toMatchObject({ document: { file_name: 'a.png' } });
  });

  it('that is too large is refused without a call', async () => {
    const calls = server.calls.length;
    expect(await failureOf(upload(Buffer.alloc(50 * 1024 * 1024 + 1), 'text/plain', 'a'))).toMatchObject({
      code: 'attachment_too_large',
    });
    expect(server.calls).toHaveLength(calls);
  });

  const fetched = (externalId: string, maxBytes = 1_000, from = channel) =>
    from.fetchFile?.(
      access,
      { name: 'a', mediaType: 'image/jpeg', sizeBytes: null, externalId },
      { maxBytes },
      signal,
    ) as Promise<{ mediaType: string; content: Uint8Array }>;

  it('that somebody sent is fetched, bytes as they are', async () => {
    const content = Buffer.from([0, 255, 254, 128, 10]);
    const file = await fetched(server.addFile(content));
    expect([file.mediaType, Buffer.from(file.content)]).toEqual(['image/jpeg', content]);
  });

  it.each([
    ['more than wanted', 2_000],
    ['more than a bot may have', 20 * 1024 * 1024 + 1],
  ])('with %s is not fetched', async (_what, size) => {
    expect(await failureOf(fetched(server.addFile(Buffer.alloc(size))))).toMatchObject({
      code: 'attachment_too_large',
    });
  });

  it('that is gone is refused', async () => {
    expect(await failureOf(fetched('gone'))).toMatchObject({ code: 'platform_rejected' });
  });

  it.each(['/var/lib/telegram/file', '../../etc/passwd', 'documents/../../x', 'https://evil.example/x', ''])(
    'is not fetched from %j: the token goes to the Bot API only',
    async (path) => {
      const asked: string[] = [];
      const liar = createServer((request, response) => {
        asked.push(request.url ?? '');
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify({ ok: true, result: { file_id: 'f', file_path: path } }));
      });
      await new Promise<void>((resolve) => liar.listen(0, '127.0.0.1', resolve));
      const { port } = liar.address() as { port: number };
      const lied = open(`http://127.0.0.1:${port}`);
      expect(await failureOf(fetched('f', 1_000, lied))).toMatchObject({
        platformError: 'file_path_unknown',
      });
      expect(asked).toEqual([`/bot${token}/getFile`]);
      lied.close();
      liar.close();
    },
  );
});

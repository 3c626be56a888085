import { Api, GrammyError, InlineKeyboard, InputFile } from 'grammy';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTelegramServer, type TelegramServer } from './start-telegram-server.ts';

const token = '700001:AAH-stand_in-token';
const mara = { id: 11, is_bot: false, first_name: 'Mara' };
let server: TelegramServer;
let api: Api;
beforeAll(async () => {
  server = await startTelegramServer([{ token, username: 'ada_bot' }]);
  server.addChat({ id: 11, type: 'private', title: 'Mara', bots: [token] });
  api = new Api(token, { apiRoot: server.apiUrl });
});
afterAll(() => server.close());

describe('the stand-in, asked by grammY', () => {
  it('says who the bot is, and nothing to a stranger', async () => {
    expect(await api.getMe()).toMatchObject({ id: 700001, is_bot: true, username: 'ada_bot' });
    const stranger = new Api('700001:wrong', { apiRoot: server.apiUrl });
    await expect(stranger.getMe()).rejects.toMatchObject({ error_code: 401, description: 'Unauthorized' });
  });

  it('sends, replies, edits and deletes', async () => {
    const sent = await api.sendMessage(11, '<b>Hello</b>', { parse_mode: 'HTML' });
    const reply = await api.sendMessage(11, 'again', {
      entities: [{ type: 'bold', offset: 0, length: 5 }],
      reply_parameters: { message_id: sent.message_id },
    });
    expect(reply.reply_to_message?.message_id).toBe(sent.message_id);
    const edited = await api.editMessageText(11, sent.message_id, 'Goodbye');
    expect(edited).toMatchObject({ text: 'Goodbye' });
    await expect(api.editMessageText(11, sent.message_id, 'Goodbye')).rejects.toThrow(
      'message is not modified',
    );
    expect(await api.deleteMessage(11, sent.message_id)).toBe(true);
    await expect(api.editMessageText(11, sent.message_id, 'x')).rejects.toThrow('message to edit not found');
  });

  it.each([
    ['an empty text', ' ', {}],
    ['a text that is too long', 'x'.repeat(4097), {}],
    ['an unclosed tag', '<b>x', { parse_mode: 'HTML' as const }],
    ['an unknown tag', '<h1>x</h1>', { parse_mode: 'HTML' as const }],
    ['a bare ampersand sign', 'a < b', { parse_mode: 'HTML' as const }],
    ['an entity out of bounds', 'abc', { entities: [{ type: 'bold' as const, offset: 1, length: 3 }] }],
    [
      'an entity that cuts a character',
      '😀',
      { entities: [{ type: 'bold' as const, offset: 1, length: 1 }] },
    ],
    ['a field that it does not know', 'abc', { no_such_field: 1 } as object],
    ['a reply to nothing', 'abc', { reply_parameters: { message_id: 999_999 } }],
  ])('refuses %s', async (_what, text, other) => {
    await expect(api.sendMessage(11, text, other)).rejects.toBeInstanceOf(GrammyError);
  });

  it('shows buttons, tells of presses and takes their answers once', async () => {
    const reply_markup = new InlineKeyboard().text('Yes', '=Yes').text('No', '=No');
    const sent = await api.sendMessage(11, 'Sure?', { reply_markup });
    expect(sent.reply_markup?.inline_keyboard).toEqual([
      [
        { text: 'Yes', callback_data: '=Yes' },
        { text: 'No', callback_data: '=No' },
      ],
    ]);
    const pressing = server.press(token, 11, sent.message_id, mara, 'No');
    const [update] = await api.getUpdates({ timeout: 1 });
    expect(update?.callback_query).toMatchObject({ data: '=No', message: { message_id: sent.message_id } });
    await api.getUpdates({ offset: (update?.update_id ?? 0) + 1 });
    const id = await pressing;
    expect(await api.answerCallbackQuery(id)).toBe(true);
    await expect(api.answerCallbackQuery(id)).rejects.toThrow('query is too old');
    await api.editMessageReplyMarkup(11, sent.message_id);
    await expect(api.editMessageReplyMarkup(11, sent.message_id)).rejects.toThrow('message is not modified');
    const long = new InlineKeyboard().text('x', 'x'.repeat(65));
    await expect(api.sendMessage(11, 'x', { reply_markup: long })).rejects.toThrow('BUTTON_DATA_INVALID');
  });

  it('takes files and gives them back', async () => {
    const sent = await api.sendDocument(11, new InputFile(Buffer.from('content'), 'a.txt'));
    const file = await api.getFile(sent.document?.file_id ?? '');
    const answer = await fetch(`${server.apiUrl}/file/bot${token}/${file.file_path}`);
    expect(await answer.text()).toBe('content');
    expect((await fetch(`${server.apiUrl}/file/botwrong/${file.file_path}`)).status).toBe(401);
    await expect(api.getFile('gone')).rejects.toThrow('wrong file_id');
    await expect(api.sendPhoto(11, new InputFile(Buffer.from('x'), 'a.png'))).rejects.toThrow(
      'IMAGE_PROCESS_FAILED',
    );
  });

  it('takes the reactions that bots may use, and signs', async () => {
    const { message_id } = await api.sendMessage(11, 'x');
    expect(await api.setMessageReaction(11, message_id, [{ type: 'emoji', emoji: '👍' }])).toBe(true);
    const dinosaur = [{ type: 'emoji' as const, emoji: '🦖' as '👍' }];
    await expect(api.setMessageReaction(11, message_id, dinosaur)).rejects.toThrow('REACTION_INVALID');
    expect(await api.sendChatAction(11, 'typing')).toBe(true);
  });

  it('limits as it is told to, with the seconds to wait', async () => {
    server.faults.push({ method: 'sendMessage', kind: 'limit', retryAfterSeconds: 7, remaining: 1 });
    await expect(api.sendMessage(11, 'x')).rejects.toMatchObject({
      error_code: 429,
      parameters: { retry_after: 7 },
    });
  });

  it('hands out updates until they are confirmed, and to one poller at a time', async () => {
    const saying = server.say(11, { from: mara, text: '/start hello' });
    const [update] = await api.getUpdates({ timeout: 1 });
    expect(update?.message).toMatchObject({
      text: '/start hello',
      entities: [{ type: 'bot_command', length: 6 }],
    });
    expect(await api.getUpdates()).toHaveLength(1);
    const first = api.getUpdates({ offset: (update?.update_id ?? 0) + 1, timeout: 5 });
    first.catch(() => {});
    await saying;
    await api.getUpdates();
    await expect(first).rejects.toMatchObject({ error_code: 409 });
  });

  it('lets a bot answer what was said to it alone, to whoever said it, and nobody else', async () => {
    server.addChat({ id: -11, type: 'supergroup', title: 'Acme', bots: [token] });
    const heard = server.whisper(token, -11, { from: mara, text: '/ask@ada_bot hello', number: 7 });
    const [update] = await api.getUpdates({ timeout: 1 });
    expect(update?.message).toMatchObject({ message_id: 0, ephemeral_message_id: 7, from: mara });
    const reply = {
      ephemeral_message_parameters: { receiver_user_id: mara.id },
      reply_parameters: { ephemeral_message_id: 7 },
    };
    expect(await api.sendMessage(-11, 'Hush.', reply)).toMatchObject({ message_id: 0, receiver_user: mara });
    const other = { ...reply, ephemeral_message_parameters: { receiver_user_id: 12 } };
    await expect(api.sendMessage(-11, 'Hush.', other)).rejects.toBeInstanceOf(GrammyError);
    await api.getUpdates({ offset: (update?.update_id ?? 0) + 1 });
    await heard;
  });

  it('refuses to hand out updates while a webhook is set', async () => {
    await api.setWebhook('http://127.0.0.1:9/x', { secret_token: 'abc' });
    await expect(api.getUpdates()).rejects.toMatchObject({ error_code: 409 });
    expect(await api.getWebhookInfo()).toMatchObject({
      url: 'http://127.0.0.1:9/x',
      pending_update_count: 0,
    });
    await api.deleteWebhook();
    await expect(api.setWebhook('http://127.0.0.1:9/x', { secret_token: 'a b' })).rejects.toThrow(
      'secret token',
    );
  });
});

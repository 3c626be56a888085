import { File } from 'node:buffer';
import {
  checkKeyboard,
  type Method,
  type MethodContext,
  repliedTo,
  writableChat,
} from './bot-api-methods.ts';
import { BotApiRefusal, type Message, wireChat } from './telegram-world.ts';

const MEGABYTE = 1024 * 1024;
const REACTIONS = new Set(['👍', '👎', '❤', '🔥', '👏', '🤔', '🎉', '🙏', '👌', '💯', '⚡', '👀', '✍', '🤝']);
const ACTIONS = new Set(['typing', 'upload_photo', 'upload_document', 'record_voice', 'upload_voice']);
const FILE_FIELDS = ['chat_id', 'message_thread_id', 'caption', 'reply_parameters'];

type Given = Readonly<Record<string, unknown>>;

/** Files, buttons, reactions and signs. */
export const fileAndSignMethods: Readonly<Record<string, Method>> = {
  sendDocument: {
    fields: [...FILE_FIELDS, 'document'],
    run: (context, given) => sendFile(context, given, 'document'),
  },
  sendPhoto: {
    fields: [...FILE_FIELDS, 'photo'],
    run: (context, given) => sendFile(context, given, 'photo'),
  },
  getFile: {
    fields: ['file_id'],
    run({ files }, { file_id }) {
      const file = files.get(String(file_id));
      if (file === undefined)
        throw new BotApiRefusal(400, 'Bad Request: wrong file_id or the file is temporarily unavailable');
      if (file.content.length > 20 * MEGABYTE) throw new BotApiRefusal(400, 'Bad Request: file is too big');
      return { file_id, file_unique_id: `u${file_id}`, file_size: file.content.length, file_path: file.path };
    },
  },
  answerCallbackQuery: {
    fields: ['callback_query_id', 'text'],
    run({ bot }, { callback_query_id }) {
      if (!bot.openPresses.delete(String(callback_query_id))) {
        throw new BotApiRefusal(
          400,
          'Bad Request: query is too old and response timeout expired or query ID is invalid',
        );
      }
      return true;
    },
  },
  editMessageReplyMarkup: {
    fields: ['chat_id', 'message_id', 'reply_markup'],
    run(context, given) {
      const chat = writableChat(context, given.chat_id);
      const message = chat.messages.get(Number(given.message_id));
      if (message === undefined) throw new BotApiRefusal(400, 'Bad Request: message to edit not found');
      const markup = checkKeyboard(given.reply_markup);
      if (JSON.stringify(message.reply_markup) === JSON.stringify(markup.reply_markup)) {
        throw new BotApiRefusal(
          400,
          'Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message',
        );
      }
      const { reply_markup: _old, ...kept } = message;
      const edited = { ...kept, ...markup } as Message;
      chat.messages.set(message.message_id, edited);
      return edited;
    },
  },
  setMessageReaction: {
    fields: ['chat_id', 'message_id', 'reaction', 'is_big'],
    run(context, given) {
      const chat = writableChat(context, given.chat_id);
      if (!chat.messages.has(Number(given.message_id)))
        throw new BotApiRefusal(400, 'Bad Request: message to react not found');
      const reactions = (given.reaction as readonly Given[] | undefined) ?? [];
      if (reactions.length > 1) throw new BotApiRefusal(400, 'Bad Request: REACTIONS_TOO_MANY');
      for (const { type, emoji } of reactions) {
        if (type !== 'emoji' || !REACTIONS.has(String(emoji)))
          throw new BotApiRefusal(400, 'Bad Request: REACTION_INVALID');
      }
      chat.reactions.set(
        Number(given.message_id),
        reactions.map(({ emoji }) => String(emoji)),
      );
      return true;
    },
  },
  sendChatAction: {
    fields: ['chat_id', 'message_thread_id', 'action'],
    run(context, given) {
      writableChat(context, given.chat_id);
      if (!ACTIONS.has(String(given.action)))
        throw new BotApiRefusal(400, 'Bad Request: wrong parameter action in request');
      return true;
    },
  },
};

function sendFile(context: MethodContext, given: Given, kind: 'document' | 'photo'): Message {
  const { bot, files } = context;
  const chat = writableChat(context, Number(given.chat_id));
  const file = given[kind];
  if (!(file instanceof File))
    throw new BotApiRefusal(400, `Bad Request: there is no ${kind} in the request`);
  const content = Buffer.from(context.contentOf(file));
  if (kind === 'photo' && !/^(?:\x89PNG|\xff\xd8\xff)/.test(content.subarray(0, 4).toString('latin1')))
    throw new BotApiRefusal(400, 'Bad Request: IMAGE_PROCESS_FAILED');
  if (content.length > (kind === 'photo' ? 10 : 50) * MEGABYTE)
    throw new BotApiRefusal(413, 'Request Entity Too Large');
  const id = `sent${files.size + 1}`;
  files.set(id, { content, path: `${kind}s/file_${files.size + 1}` });
  const named = { file_id: id, file_unique_id: `u${id}`, file_size: content.length };
  const message = {
    message_id: chat.nextMessageId,
    date: context.nowSeconds(),
    chat: wireChat(chat),
    from: bot.user,
    ...repliedTo(chat, parsed(given.reply_parameters)),
    ...(given.message_thread_id === undefined
      ? {}
      : { message_thread_id: Number(given.message_thread_id), is_topic_message: true }),
    ...(kind === 'photo'
      ? { photo: [{ ...named, width: 1, height: 1 }] }
      : { document: { ...named, file_name: file.name, mime_type: file.type } }),
  } as Message;
  chat.nextMessageId += 1;
  chat.messages.set(message.message_id, message);
  context.onMessage(bot, chat, message);
  return message;
}

/** In a form every value is text; objects are JSON. */
function parsed(value: unknown): unknown {
  return typeof value === 'string' ? JSON.parse(value) : value;
}

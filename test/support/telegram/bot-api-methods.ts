import { fileAndSignMethods } from './bot-api-files.ts';
import { checkText } from './check-text.ts';
import {
  type Bot,
  BotApiRefusal,
  type Chat,
  type Message,
  type StoredFile,
  wireChat,
} from './telegram-world.ts';

type Given = Readonly<Record<string, unknown>>;

export interface MethodContext {
  readonly bot: Bot;
  readonly chats: Map<number, Chat>;
  readonly files: Map<string, StoredFile>;
  /** The bytes of a file of the request. */
  readonly contentOf: (file: object) => ArrayBuffer;
  readonly nowSeconds: () => number;
  readonly onMessage: (bot: Bot, chat: Chat, message: Message) => void;
  readonly getUpdates: (bot: Bot, given: Given) => Promise<readonly unknown[]>;
  readonly deliver: (bot: Bot) => void;
}

export interface Method {
  readonly fields: readonly string[];
  run(context: MethodContext, given: Given): unknown;
}

const SECRET = /^[A-Za-z0-9_-]{1,256}$/;

/** The methods that the stand-in has; a field that is not listed is refused, although Telegram would ignore it. */
export const botApiMethods: Readonly<Record<string, Method>> = {
  ...fileAndSignMethods,
  getMe: {
    fields: [],
    run: ({ bot }) => ({
      ...bot.user,
      can_join_groups: true,
      can_read_all_group_messages: bot.canReadAll,
      supports_inline_queries: false,
    }),
  },
  setWebhook: {
    fields: ['url', 'secret_token', 'allowed_updates', 'max_connections', 'drop_pending_updates'],
    run({ bot, deliver }, { url, secret_token, allowed_updates, max_connections = 40 }) {
      if (!SECRET.test(String(secret_token)))
        throw new BotApiRefusal(400, 'Bad Request: secret token contains unallowed characters');
      if (Number(max_connections) < 1 || Number(max_connections) > 100)
        throw new BotApiRefusal(400, 'Bad Request: wrong max_connections');
      if (!URL.canParse(String(url))) throw new BotApiRefusal(400, 'Bad Request: bad webhook: Invalid URL');
      bot.webhook = { url: String(url), secret: String(secret_token) };
      bot.allowedUpdates = (allowed_updates as readonly string[] | undefined) ?? [];
      bot.endPoll?.(true);
      deliver(bot);
      return true;
    },
  },
  deleteWebhook: {
    fields: ['drop_pending_updates'],
    run({ bot }) {
      bot.webhook = null;
      return true;
    },
  },
  getWebhookInfo: {
    fields: [],
    run: ({ bot }) => ({
      url: bot.webhook?.url ?? '',
      has_custom_certificate: false,
      pending_update_count: bot.pending.length,
      ...(bot.lastError === null
        ? {}
        : { last_error_date: bot.lastError.date, last_error_message: bot.lastError.message }),
    }),
  },
  getUpdates: {
    fields: ['offset', 'limit', 'timeout', 'allowed_updates'],
    run({ bot, getUpdates }, given) {
      if (bot.webhook !== null) {
        throw new BotApiRefusal(
          409,
          "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
        );
      }
      bot.allowedUpdates = (given.allowed_updates as readonly string[] | undefined) ?? bot.allowedUpdates;
      return getUpdates(bot, given);
    },
  },
  sendMessage: {
    fields: [
      'chat_id',
      'message_thread_id',
      'text',
      'entities',
      'parse_mode',
      'reply_parameters',
      'link_preview_options',
      'reply_markup',
      'ephemeral_message_parameters',
    ],
    run(context, given) {
      const { bot } = context;
      const chat = writableChat(context, given.chat_id);
      const { text, entities } = checkText(given.text, given.entities, given.parse_mode);
      if (given.ephemeral_message_parameters !== undefined) return sayEphemerally(context, chat, given, text);
      const message: Message = {
        message_id: chat.nextMessageId,
        date: context.nowSeconds(),
        chat: wireChat(chat),
        from: bot.user,
        text: text.trim(),
        ...(entities.length > 0 ? { entities } : {}),
        ...repliedTo(chat, given.reply_parameters),
        ...checkKeyboard(given.reply_markup),
        ...(given.message_thread_id === undefined
          ? {}
          : { message_thread_id: Number(given.message_thread_id), is_topic_message: true }),
      };
      chat.nextMessageId += 1;
      chat.messages.set(message.message_id, message);
      context.onMessage(bot, chat, message);
      return message;
    },
  },
  editMessageText: {
    fields: [
      'chat_id',
      'message_id',
      'text',
      'entities',
      'parse_mode',
      'link_preview_options',
      'reply_markup',
    ],
    run(context, given) {
      const chat = writableChat(context, given.chat_id);
      const message = ownMessage(context.bot, chat, given.message_id, 'edit');
      const { text, entities } = checkText(given.text, given.entities, given.parse_mode);
      const markup = checkKeyboard(given.reply_markup);
      if (
        message.text === text.trim() &&
        JSON.stringify(message.entities ?? []) === JSON.stringify(entities) &&
        JSON.stringify(message.reply_markup) === JSON.stringify(markup.reply_markup)
      ) {
        throw new BotApiRefusal(
          400,
          'Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message',
        );
      }
      const { entities: _old, reply_markup: _keyboard, ...kept } = message;
      const edited = {
        ...kept,
        ...markup,
        text: text.trim(),
        ...(entities.length > 0 ? { entities } : {}),
        edit_date: context.nowSeconds(),
      } as Message;
      chat.messages.set(message.message_id, edited);
      context.onMessage(context.bot, chat, edited);
      return edited;
    },
  },
  deleteMessage: {
    fields: ['chat_id', 'message_id'],
    run(context, given) {
      const chat = writableChat(context, given.chat_id);
      const message = ownMessage(context.bot, chat, given.message_id, 'delete');
      chat.messages.delete(message.message_id);
      return true;
    },
  },
};

export function writableChat({ bot, chats }: MethodContext, chatId: unknown): Chat {
  if (typeof chatId !== 'number') throw new BotApiRefusal(400, 'Bad Request: chat_id is empty');
  const chat = chats.get(chatId);
  if (chat === undefined) throw new BotApiRefusal(400, 'Bad Request: chat not found');
  if (chat.migratedTo !== null) {
    throw new BotApiRefusal(400, 'Bad Request: group chat was upgraded to a supergroup chat', {
      migrate_to_chat_id: chat.migratedTo,
    });
  }
  const shutOut = chat.shutOut.get(bot.user.id);
  if (shutOut !== undefined) throw new BotApiRefusal(403, `Forbidden: ${shutOut}`);
  return chat;
}

function ownMessage(bot: Bot, chat: Chat, messageId: unknown, verb: string): Message {
  const message = typeof messageId === 'number' ? chat.messages.get(messageId) : undefined;
  if (message === undefined) throw new BotApiRefusal(400, `Bad Request: message to ${verb} not found`);
  if (message.from.id !== bot.user.id)
    throw new BotApiRefusal(400, `Bad Request: message can't be ${verb}ed`);
  return message;
}

/** A bot that is no administrator may only reply to what was said to it alone, to whoever said it, and for 15 s. */
function sayEphemerally(context: MethodContext, chat: Chat, given: Given, text: string): Message {
  const { receiver_user_id, ...other } = given.ephemeral_message_parameters as Given;
  const { ephemeral_message_id, ...otherOfReply } = (given.reply_parameters ?? {}) as Given;
  const heard = chat.ephemeral.get(Number(ephemeral_message_id));
  const fields = [...Object.keys(other), ...Object.keys(otherOfReply)];
  if (chat.type === 'private' || fields.length > 0 || heard?.from.id !== receiver_user_id)
    throw new BotApiRefusal(400, 'Bad Request: MESSAGE_NOT_COMMAND');
  if (heard === undefined || Date.now() - heard.atMs > 15_000)
    throw new BotApiRefusal(400, 'Bad Request: MESSAGE_EXPIRED');
  const message: Message = {
    message_id: 0,
    ephemeral_message_id: 1 + chat.ephemeral.size,
    date: context.nowSeconds(),
    chat: wireChat(chat),
    from: context.bot.user,
    receiver_user: heard.from,
    text,
  };
  context.onMessage(context.bot, chat, message);
  return message;
}

export function repliedTo(chat: Chat, parameters: unknown): { readonly reply_to_message?: Message } {
  if (parameters === undefined) return {};
  const { message_id, allow_sending_without_reply, ...other } = parameters as Given;
  if (Object.keys(other).length > 0 || typeof message_id !== 'number')
    throw new BotApiRefusal(400, 'Bad Request: REPLY_PARAMETERS_INVALID');
  const replied = chat.messages.get(message_id);
  if (replied !== undefined) {
    const { reply_to_message: _deeper, ...flat } = replied;
    return { reply_to_message: flat as Message };
  }
  if (allow_sending_without_reply === true) return {};
  throw new BotApiRefusal(400, 'Bad Request: message to be replied not found');
}

/** A keyboard below a message, or none. @throws BotApiRefusal in Telegram's words */
export function checkKeyboard(markup: unknown): { readonly reply_markup?: Given } {
  if (markup === undefined) return {};
  const rows = (markup as { readonly inline_keyboard?: unknown }).inline_keyboard;
  if (!Array.isArray(rows)) throw new BotApiRefusal(400, 'Bad Request: object expected as reply markup');
  for (const button of (rows as readonly (readonly Given[])[]).flat()) {
    const { text, callback_data, ...other } = button;
    if (Object.keys(other).length > 0 || typeof text !== 'string' || text === '')
      throw new BotApiRefusal(400, 'Bad Request: BUTTON_INVALID');
    if (typeof callback_data !== 'string' || Buffer.byteLength(callback_data) > 64 || callback_data === '')
      throw new BotApiRefusal(400, 'Bad Request: BUTTON_DATA_INVALID');
  }
  return rows.length === 0 ? {} : { reply_markup: { inline_keyboard: rows } };
}

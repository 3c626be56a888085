import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer as readBody } from 'node:stream/consumers';
import { createWindowLimits, type WindowLimit, type WindowLimits } from '../window-limits.ts';
import { botApiMethods } from './bot-api-methods.ts';
import {
  type Bot,
  BotApiRefusal,
  type BotSeed,
  type Chat,
  createBot,
  type Entity,
  type Message,
  type StoredFile,
  type Update,
  type User,
  wireChat,
} from './telegram-world.ts';

/** A call that the stand-in was asked for. */
export interface RecordedCall {
  readonly botId: number;
  readonly method: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

/** What goes wrong with the next calls. `cut_after`: the work is done and the connection ends without an answer. */
export interface Fault {
  readonly method: string;
  readonly kind: 'limit' | 'error' | 'cut_after' | 'cut_before' | 'silent_after' | 'refuse_entities';
  readonly retryAfterSeconds?: number;
  remaining: number;
}

export interface Saying {
  readonly from: User;
  readonly text?: string;
  readonly entities?: readonly Entity[];
  readonly replyTo?: number;
  /** Further fields of the message, as the Bot API has them. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** Telegram on loopback: the Bot API and what people do in its chats. */
export interface TelegramServer {
  readonly apiUrl: string;
  readonly calls: readonly RecordedCall[];
  readonly faults: Fault[];
  bot(token: string): Bot;
  addChat(chat: { id: number; type: Chat['type']; title: string; bots: readonly string[] }): Chat;
  chat(id: number): Chat;
  /** A person writes; every bot in the chat that may see it is told. Resolves when all have taken it. */
  say(chatId: number, saying: Saying): Promise<Message>;
  edit(chatId: number, messageId: number, text: string): Promise<void>;
  /** A person gives a command that nobody sees but the bot it is for. The number may be one that has expired. */
  whisper(token: string, chatId: number, saying: { from: User; text: string; number: number }): Promise<void>;
  /** A person presses the button with this text below a bot's message. Resolves to the press's id. */
  press(token: string, chatId: number, messageId: number, from: User, text: string): Promise<string>;
  /** A file as people have sent it. Returns its id. */
  addFile(content: Buffer): string;
  readonly files: ReadonlyMap<string, StoredFile>;
  /** Sends any update to one bot, or one it has had already. */
  send(token: string, update: Readonly<Record<string, unknown>>): Promise<Update>;
  /** @BotFather's /revoke: the token is refused from now on. */
  revoke(token: string): void;
  /** What bots sent and changed, in order. */
  readonly shown: readonly { readonly botId: number; readonly message: Message }[];
  /** From now on more than the platform's documents allow is refused, by this clock. */
  keepLimits(clock: () => number): void;
  close(): Promise<void>;
}

interface Button {
  readonly text: string;
  readonly callback_data: string;
}

const REDELIVER_MS = 50;
/** What Telegram says of chats with one person ("avoid more than one a second", bursts tolerated) is no count. */
const GROUP: readonly WindowLimit[] = [{ operations: 20, windowMs: 60_000 }];
/** Source: https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this */
const BOT: readonly WindowLimit[] = [{ operations: 30, windowMs: 1_000 }];

export async function startTelegramServer(seeds: readonly BotSeed[]): Promise<TelegramServer> {
  const bots = new Map(seeds.map((seed) => [seed.token, createBot(seed)]));
  const chats = new Map<number, Chat>();
  const members = new Map<number, readonly string[]>();
  const files = new Map<string, StoredFile>();
  const contents = new WeakMap<object, ArrayBuffer>();
  let presses = 0;
  const calls: RecordedCall[] = [];
  const faults: Fault[] = [];
  let limits: { readonly group: WindowLimits; readonly bot: WindowLimits } | null = null;
  const shown: { botId: number; message: Message }[] = [];
  const taken = new EventTarget();
  let closed = false;
  const delivering = new Set<Bot>();

  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, token = '', method = ''] = /^\/bot([^/]+)\/([^/?]+)$/.exec(request.url ?? '') ?? [];
    const answer = (status: number, body: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    const body = await readBody(request);
    const [, fileToken = '', filePath = ''] = /^\/file\/bot([^/]+)\/(.+)$/.exec(request.url ?? '') ?? [];
    if (filePath !== '') {
      const file = [...files.values()].find(({ path }) => path === filePath);
      if (!bots.has(fileToken))
        return answer(401, { ok: false, error_code: 401, description: 'Unauthorized' });
      if (file === undefined) return answer(404, { ok: false, error_code: 404, description: 'Not Found' });
      response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(file.content);
      return;
    }
    try {
      const bot = bots.get(token);
      if (bot === undefined) throw new BotApiRefusal(401, 'Unauthorized');
      const definition = Object.hasOwn(botApiMethods, method) ? botApiMethods[method] : undefined;
      if (definition === undefined) throw new BotApiRefusal(404, 'Not Found');
      const given = await readArguments(body, request.headers['content-type'] ?? '');
      calls.push({ botId: bot.user.id, method, arguments: given });
      const fault = faults.find((each) => each.method === method && each.remaining > 0);
      if (fault !== undefined) fault.remaining -= 1;
      if (fault?.kind === 'cut_before') return void response.destroy();
      if (fault?.kind === 'limit') {
        const seconds = fault.retryAfterSeconds ?? 1;
        throw new BotApiRefusal(429, `Too Many Requests: retry after ${seconds}`, { retry_after: seconds });
      }
      if (fault?.kind === 'error') throw new BotApiRefusal(502, 'Bad Gateway');
      if (fault?.kind === 'refuse_entities' && given.entities !== undefined)
        throw new BotApiRefusal(400, "Bad Request: can't parse entities: told to");
      if (/^(?:send|edit)(?!ChatAction)/.test(method)) keepWithin(bot, Number(given.chat_id));
      const unknown = Object.keys(given).filter((field) => !definition.fields.includes(field));
      if (unknown.length > 0) throw new BotApiRefusal(400, `Bad Request: unknown field ${unknown.join()}`);
      const result = await definition.run(
        {
          bot,
          chats,
          files,
          contentOf: (file) => contents.get(file) ?? new ArrayBuffer(0),
          nowSeconds,
          onMessage: (by, _chat, message) => shown.push({ botId: by.user.id, message }),
          getUpdates,
          deliver,
        },
        given,
      );
      if (fault?.kind === 'cut_after') return void response.destroy();
      if (fault?.kind === 'silent_after') return;
      answer(200, { ok: true, result });
    } catch (error) {
      if (!(error instanceof BotApiRefusal)) throw error;
      const { code, message, parameters } = error;
      answer(code, { ok: false, error_code: code, description: message, ...(parameters && { parameters }) });
    }
  }

  function keepWithin(bot: Bot, chatId: number): void {
    const waitMs =
      (chatId < 0 && limits?.group.take(`${bot.user.id} ${chatId}`)) || limits?.bot.take(bot.token) || 0;
    const seconds = Math.ceil(waitMs / 1_000);
    if (seconds > 0)
      throw new BotApiRefusal(429, `Too Many Requests: retry after ${seconds}`, { retry_after: seconds });
  }

  async function readArguments(body: Buffer, type: string): Promise<Readonly<Record<string, unknown>>> {
    if (!type.startsWith('multipart/form-data')) {
      return body.length === 0
        ? {}
        : (JSON.parse(body.toString('utf8')) as Readonly<Record<string, unknown>>);
    }
    const form = await new Response(new Uint8Array(body), { headers: { 'content-type': type } }).formData();
    const given: Record<string, unknown> = Object.fromEntries(form.entries());
    for (const [field, value] of Object.entries(given)) {
      if (typeof value === 'object' && value instanceof Blob) contents.set(value, await value.arrayBuffer());
      // A file may stand in a field of its own, which another names.
      const [, attached] = /^attach:\/\/(\w+)$/.exec(String(value)) ?? [];
      if (attached === undefined) continue;
      given[field] = form.get(attached);
      delete given[attached];
    }
    return given;
  }

  /** Confirms what comes before the offset; then what is pending, as soon as there is something. */
  async function getUpdates(bot: Bot, given: Readonly<Record<string, unknown>>): Promise<readonly Update[]> {
    const {
      offset,
      limit = 100,
      timeout = 0,
    } = given as { offset?: number; limit?: number; timeout?: number };
    bot.endPoll?.(true);
    if (offset !== undefined) {
      while (bot.pending[0] !== undefined && bot.pending[0].update_id < offset) {
        taken.dispatchEvent(new Event(`${bot.user.id} ${bot.pending[0].update_id}`));
        bot.pending.shift();
      }
    }
    if (bot.pending.length === 0 && timeout > 0) {
      const conflict = await new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => end(false), timeout * 1000);
        const end = (isConflict: boolean): void => {
          clearTimeout(timer);
          if (bot.endPoll === end) bot.endPoll = null;
          resolve(isConflict);
        };
        bot.endPoll = end;
      });
      if (conflict) {
        throw new BotApiRefusal(
          409,
          'Conflict: terminated by other getUpdates request; make sure that only one bot instance is running',
        );
      }
    }
    return bot.pending.slice(0, limit);
  }

  /** Posts pending updates to the webhook, one after the other, each until it is taken. */
  function deliver(bot: Bot): void {
    bot.endPoll?.(false);
    if (bot.webhook === null || delivering.has(bot)) return;
    delivering.add(bot);
    void (async () => {
      while (!closed && bot.webhook !== null && bot.pending[0] !== undefined) {
        const [update] = bot.pending;
        if (await post(bot.webhook, update)) {
          bot.pending.shift();
          taken.dispatchEvent(new Event(`${bot.user.id} ${update.update_id}`));
        } else {
          bot.lastError = { date: nowSeconds(), message: 'Wrong response from the webhook' };
          await new Promise((resolve) => setTimeout(resolve, REDELIVER_MS));
        }
      }
      delivering.delete(bot);
    })();
  }

  async function post({ url, secret }: NonNullable<Bot['webhook']>, update: Update): Promise<boolean> {
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-telegram-bot-api-secret-token': secret },
        body: JSON.stringify(update),
      });
      await response.arrayBuffer();
      return response.status >= 200 && response.status < 300;
    } catch {
      return false;
    }
  }

  async function enqueue(bot: Bot, update: Readonly<Record<string, unknown>>): Promise<Update> {
    const numbered: Update = { update_id: bot.nextUpdateId, ...update };
    bot.nextUpdateId = Math.max(bot.nextUpdateId, numbered.update_id) + 1;
    const kind = Object.keys(update).find((key) => key !== 'update_id') ?? '';
    if (bot.allowedUpdates.length > 0 && !bot.allowedUpdates.includes(kind)) return numbered;
    const done = once(taken, `${bot.user.id} ${numbered.update_id}`);
    bot.pending.push(numbered);
    deliver(bot);
    await done;
    return numbered;
  }

  /** With privacy mode on, a bot in a group is told of what mentions it, of replies to it and of commands. */
  function mayKnow(bot: Bot, message: Message): boolean {
    if (message.chat.type === 'private' || bot.canReadAll) return true;
    if (message.reply_to_message?.from.id === bot.user.id) return true;
    const text = message.text ?? String(message.caption ?? '');
    if (JSON.stringify(message.rich_message ?? '').includes(`"username":"${bot.user.username}"`)) return true;
    return text.startsWith('/') || text.toLowerCase().includes(`@${bot.user.username?.toLowerCase()}`);
  }

  async function tell(chat: Chat, kind: string, message: Message): Promise<void> {
    const told = (members.get(chat.id) ?? [])
      .map((token) => requireBot(token))
      .filter((bot) => mayKnow(bot, message));
    await Promise.all(told.map((bot) => enqueue(bot, { [kind]: message })));
  }

  function requireBot(token: string): Bot {
    const bot = bots.get(token);
    if (bot === undefined) throw new Error(`There is no bot with the token ${token}.`);
    return bot;
  }

  function requireChat(id: number): Chat {
    const chat = chats.get(id);
    if (chat === undefined) throw new Error(`There is no chat ${id}.`);
    return chat;
  }

  return {
    apiUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    faults,
    shown,
    keepLimits: (clock) => {
      limits = { group: createWindowLimits(GROUP, clock), bot: createWindowLimits(BOT, clock) };
    },
    bot: requireBot,
    chat: requireChat,
    addChat({ id, type, title, bots: tokens }) {
      const chat: Chat = {
        id,
        type,
        title,
        messages: new Map(),
        nextMessageId: 1,
        shutOut: new Map(),
        migratedTo: null,
        ephemeral: new Map(),
        reactions: new Map(),
      };
      chats.set(id, chat);
      members.set(id, tokens);
      return chat;
    },
    async say(chatId, { from, text, entities, replyTo, fields = {} }) {
      const chat = requireChat(chatId);
      const replied = replyTo === undefined ? undefined : chat.messages.get(replyTo);
      const { reply_to_message: _deeper, ...flat } = replied ?? {};
      const message = {
        message_id: chat.nextMessageId,
        from,
        chat: wireChat(chat),
        date: nowSeconds(),
        ...(text === undefined ? {} : { text, entities: entities ?? entitiesOf(text) }),
        ...(replied === undefined ? {} : { reply_to_message: flat as Message }),
        ...fields,
      } as Message;
      chat.nextMessageId += 1;
      chat.messages.set(message.message_id, message);
      await tell(chat, 'message', message);
      return message;
    },
    async edit(chatId, messageId, text) {
      const chat = requireChat(chatId);
      const before = chat.messages.get(messageId) as Message;
      const message = { ...before, text, entities: entitiesOf(text), edit_date: nowSeconds() } as Message;
      chat.messages.set(messageId, message);
      await tell(chat, 'edited_message', message);
    },
    async whisper(token, chatId, { from, text, number }) {
      const chat = requireChat(chatId);
      const bot = requireBot(token);
      chat.ephemeral.set(number, { from, atMs: Date.now() });
      const message = {
        message_id: 0,
        ephemeral_message_id: number,
        from,
        receiver_user: bot.user,
        chat: wireChat(chat),
        date: nowSeconds(),
        text,
        entities: entitiesOf(text),
      };
      await enqueue(bot, { message });
    },
    async press(token, chatId, messageId, from, text) {
      const bot = requireBot(token);
      const message = requireChat(chatId).messages.get(messageId);
      const rows = (message?.reply_markup as { readonly inline_keyboard?: readonly Button[][] } | undefined)
        ?.inline_keyboard;
      const data = rows?.flat().find((button) => button.text === text)?.callback_data;
      if (data === undefined) throw new Error(`There is no button "${text}" below message ${messageId}.`);
      presses += 1;
      const id = `press-${presses}`;
      bot.openPresses.add(id);
      await enqueue(bot, { callback_query: { id, from, message, chat_instance: '1', data } });
      return id;
    },
    addFile(content) {
      const id = `file${files.size + 1}`;
      files.set(id, { content, path: `documents/file_${files.size + 1}.bin` });
      return id;
    },
    files,
    send: (token, update) => enqueue(requireBot(token), update),
    revoke(token) {
      requireBot(token).endPoll?.(false);
      bots.delete(token);
    },
    async close() {
      closed = true;
      for (const bot of bots.values()) bot.endPoll?.(false);
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Mentions and commands, as Telegram finds them by itself. */
function entitiesOf(text: string): readonly Entity[] {
  return [...text.matchAll(/(?<![\w@/])(?:@\w{5,32}|\/\w{1,32}(?:@\w{5,32})?)/g)].map((match) => ({
    type: match[0].startsWith('@') ? 'mention' : 'bot_command',
    offset: match.index,
    length: match[0].length,
  }));
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

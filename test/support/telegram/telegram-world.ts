/** What the stand-in knows of Telegram: bots, chats and their messages. Shapes as in the Bot API. */
export interface BotSeed {
  readonly token: string;
  readonly username: string;
  readonly canReadAllGroupMessages?: boolean;
}

export interface User {
  readonly id: number;
  readonly is_bot: boolean;
  readonly first_name: string;
  readonly username?: string;
}

export interface Entity {
  readonly type: string;
  readonly offset: number;
  readonly length: number;
  readonly url?: string;
  readonly language?: string;
  readonly user?: User;
}

export interface Message {
  readonly message_id: number;
  readonly date: number;
  readonly chat: Readonly<Record<string, unknown>> & { readonly id: number; readonly type: string };
  readonly from: User;
  readonly text?: string;
  readonly entities?: readonly Entity[];
  readonly edit_date?: number;
  readonly reply_to_message?: Message;
  readonly message_thread_id?: number;
  readonly is_topic_message?: boolean;
  readonly [field: string]: unknown;
}

/** A file that somebody sent, and where it is fetched from. */
export interface StoredFile {
  readonly content: Buffer;
  readonly path: string;
}

export interface Chat {
  readonly id: number;
  readonly type: 'private' | 'group' | 'supergroup';
  readonly title: string;
  readonly messages: Map<number, Message>;
  nextMessageId: number;
  /** Bots that may not write here, with Telegram's words for it. */
  readonly shutOut: Map<number, string>;
  migratedTo: number | null;
  /** What people said to one bot only, which it may reply to for 15 s. */
  readonly ephemeral: Map<number, { readonly from: User; readonly atMs: number }>;
  /** Reactions of bots, by message. */
  readonly reactions: Map<number, readonly string[]>;
}

export interface Bot {
  readonly token: string;
  readonly user: User;
  readonly canReadAll: boolean;
  webhook: { readonly url: string; readonly secret: string } | null;
  allowedUpdates: readonly string[];
  readonly pending: Update[];
  nextUpdateId: number;
  /** Ends a `getUpdates` under way: another one took its place. */
  endPoll: ((conflict: boolean) => void) | null;
  /** Presses of buttons that are not answered yet. */
  readonly openPresses: Set<string>;
  lastError: { readonly date: number; readonly message: string } | null;
}

export interface Update {
  readonly update_id: number;
  readonly [kind: string]: unknown;
}

/** A refusal in Telegram's words. */
export class BotApiRefusal extends Error {
  readonly code: number;
  readonly parameters: Readonly<Record<string, number>> | undefined;

  constructor(code: number, description: string, parameters?: Readonly<Record<string, number>>) {
    super(description);
    this.code = code;
    this.parameters = parameters;
  }
}

export function createBot({ token, username, canReadAllGroupMessages = false }: BotSeed): Bot {
  return {
    token,
    user: { id: Number(token.split(':')[0]), is_bot: true, first_name: username, username },
    canReadAll: canReadAllGroupMessages,
    webhook: null,
    allowedUpdates: [],
    pending: [],
    nextUpdateId: 5_000 + Number(token.split(':')[0]),
    endPoll: null,
    openPresses: new Set(),
    lastError: null,
  };
}

export function wireChat({ id, type, title }: Chat): Message['chat'] {
  return type === 'private' ? { id, type, first_name: title } : { id, type, title };
}

import type { ErrorCode } from './errors.ts';

/** Which installation an event belongs to: the external ids in the order in which they should be tried. */
export interface AccountRef {
  readonly externalIds: readonly string[];
  /** The platform's id of the app that the event was sent to; `null` when not told. */
  readonly appId: string | null;
  /** The bot user the event was authorised for; `null` when not told. */
  readonly agentUserId: string | null;
}

interface EventBase {
  readonly account: AccountRef;
  /** The platform's id of this delivery's event; `null` when not told. */
  readonly eventId: string | null;
}

export type ChannelEvent =
  | MessageEvent
  | EditEvent
  | DeletionEvent
  | DepartureEvent
  | ReactionEvent
  | ActionEvent
  | ReceiptEvent
  | CommandEvent
  | OpeningEvent
  | UninstallEvent
  | IgnoredEvent;

export interface MessageEvent extends EventBase {
  readonly type: 'message';
  readonly channelId: string;
  /** What the platform calls this message within its channel (Slack: `ts`). */
  readonly messageId: string;
  /** The thread it stands in; `null`: it is not (yet) in one. */
  readonly threadId: string | null;
  /** On platforms, and in places, whose threads are chains of replies; absent: there are threads. */
  readonly chain?: ReplyChain;
  readonly scope: 'direct' | 'group' | 'channel';
  readonly sender: { readonly externalId: string; readonly name: string | null };
  /** Normalised text: entities decoded, links and channels readable, a mention of a user as `@` + external id. */
  readonly text: string;
  /** Users mentioned in the text, in order, each once. */
  readonly mentions: readonly Mention[];
  /** The user whose mention the text begins with. */
  readonly addressee: string | null;
  /** What it is said about, where that is another message; absent: nothing, or it stands in the text already. */
  readonly quotes?: Quotation;
  /** The platform itself says that the agent is mentioned (Slack: `app_mention`). */
  readonly mentionsAgent: boolean;
  readonly attachments: readonly Attachment[];
  /** When it was written, in ms since 1970. */
  readonly sentAtMs: number;
  /** What only this platform knows and later stages or operators may want (small, JSON). */
  readonly channelMetadata: Readonly<Record<string, unknown>>;
}

/**
 * What a message replies to, as the platform tells it. The agent reads it above the message, unless it is an answer of its
 * own, which is on record.
 */
export interface Quotation {
  /** What the platform calls it; `null`: it is none of this place. */
  readonly messageId: string | null;
  /** As in mentions; `null`: not told, or it is to be quoted whoever wrote it. */
  readonly senderId: string | null;
  readonly name: string | null;
  /** `null`: the platform only names it, so it is what is on record of it. */
  readonly text: string | null;
  /** What is attached to it comes with the message: the agent may be asked to look at just that. */
  readonly attachments: readonly Attachment[];
}

/** How a message hangs together with others where a thread is a chain of replies. */
export interface ReplyChain {
  /** What it replies to: that message's conversation is its own. `senderId` as in mentions. */
  readonly repliesTo: { readonly messageId: string; readonly senderId: string | null } | null;
  /** What the answer replies to, as `ThreadTarget.threadId`. */
  readonly answerAt: string;
  /** One of several that people see as one (an album): a second one with the same id adds its attachments. */
  readonly isPart: boolean;
}

export interface Mention {
  readonly externalId: string;
  readonly name: string | null;
}

export interface Attachment {
  readonly name: string;
  readonly mediaType: string;
  readonly sizeBytes: number | null;
  readonly externalId: string;
}

export interface EditEvent extends EventBase {
  readonly type: 'edit';
  readonly channelId: string;
  readonly messageId: string;
  /** As in `MessageEvent`. */
  readonly threadId: string | null;
  readonly scope: 'direct' | 'group' | 'channel';
  readonly text: string;
  readonly mentions: readonly Mention[];
  /** As in `MessageEvent`. */
  readonly quotes?: Quotation;
  readonly editedAtMs: number;
}

export interface DeletionEvent extends EventBase {
  readonly type: 'deletion';
  readonly channelId: string;
  readonly messageId: string;
  readonly deletedAtMs: number;
}

/** The agent was shut out of a channel and can say nothing there any more. */
export interface DepartureEvent extends EventBase {
  readonly type: 'departure';
  readonly channelId: string;
  /** The platform's word for it (Telegram: `blocked`, `removed`). */
  readonly reason: string;
  readonly departedAtMs: number;
}

/** Somebody put an emoji on a message, or took it off. */
export interface ReactionEvent extends EventBase {
  readonly type: 'reaction';
  readonly channelId: string;
  /** The message that carries it, whoever wrote that. */
  readonly messageId: string;
  readonly senderId: string;
  /** As Unicode, without skin tone: `🛑`. Empty where the platform only says that it was taken off, and not which. */
  readonly emoji: string;
  readonly present: boolean;
  readonly reactedAtMs: number;
}

/** Somebody pressed a button below a message of ours: it is as if they had written what stands on it. */
export interface ActionEvent extends EventBase {
  readonly type: 'action';
  readonly channelId: string;
  /** The message that carries the buttons. */
  readonly messageId: string;
  /** As in `MessageEvent`, of the message that carries the buttons. */
  readonly threadId: string | null;
  readonly chain?: ReplyChain;
  readonly scope: 'direct' | 'group' | 'channel';
  /** What the platform calls this press: unique within the connection, the same when the event is sent again. */
  readonly actionId: string;
  readonly sender: { readonly externalId: string; readonly name: string | null };
  /** What stands on the button. */
  readonly choice: string;
  /** `null`: the platform does not tell; it was just now. */
  readonly pressedAtMs: number | null;
  /** What `acknowledgeAction` needs; nobody else reads it. */
  readonly reply: Readonly<Record<string, unknown>>;
}

/** What became of a message of ours, on platforms that say so by themselves (`capabilities.receipts`). */
export interface ReceiptEvent extends EventBase {
  readonly type: 'receipt';
  /** `null`: the platform did not say where. */
  readonly channelId: string | null;
  /** What the platform calls our message. */
  readonly messageId: string;
  /** As in `DeliveryMarker`; `null`: the platform did not give it back. */
  readonly deliveryId: string | null;
  /** `null`: it was sent. Otherwise it was accepted, and then it failed all the same. */
  readonly failure: ReceiptFailure | null;
  readonly happenedAtMs: number;
}

export interface ReceiptFailure {
  readonly code: Extract<ErrorCode, 'platform_rejected' | 'platform_window_closed'>;
  /** The platform's word for it. */
  readonly platformError: string;
}

/**
 * Somebody called the agent by a command of the platform's, which nobody else sees and which has no place where it could be
 * answered, until `Channel.showCommand` makes one.
 */
export interface CommandEvent extends EventBase {
  readonly type: 'command';
  readonly channelId: string;
  readonly scope: 'direct' | 'group' | 'channel';
  /** What the platform calls it: the same when the event is sent again. */
  readonly commandId: string;
  readonly sender: { readonly externalId: string; readonly name: string | null };
  /** As in `MessageEvent`, without the command's own name. */
  readonly text: string;
  readonly mentions: readonly Mention[];
  /** What `showCommand` needs; nobody else reads it. */
  readonly reply: Readonly<Record<string, unknown>>;
}

/** Somebody opened a conversation with the agent, and has not said anything yet. */
export interface OpeningEvent extends EventBase {
  readonly type: 'opening';
  readonly channelId: string;
  /** The thread that was begun with it; `null`: none was. */
  readonly threadId: string | null;
  readonly personId: string;
}

export interface UninstallEvent extends EventBase {
  readonly type: 'uninstall';
  /** The platform's word for it (Slack: `app_uninstalled`, `tokens_revoked`). */
  readonly reason: string;
  /** When it happened, in ms since 1970; absent: not told. */
  readonly happenedAtMs?: number;
}

/** Something that is not for us, with the reason for the log. */
export interface IgnoredEvent extends EventBase {
  readonly type: 'ignored';
  readonly reason: string;
}

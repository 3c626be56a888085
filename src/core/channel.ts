import type { Credentials } from './tenant.ts';

/**
 * The contract between the pipeline and a platform. A channel is a folder that implements it and knows nothing of
 * queue, agent or database: it verifies and parses what comes in and sends what goes out.
 */
export interface Channel {
  /** Name of the platform, as in konstruct.yaml and the database: `slack`. */
  readonly type: string;
  readonly capabilities: ChannelCapabilities;

  /**
   * Checks that the platform sent this request, over its raw bytes and before any parsing.
   * @throws KonstructError `signature_missing`, `signature_invalid`, `signature_expired`, `signing_secret_missing`
   */
  verify(request: ChannelRequest, signingSecret: string, nowMs: number): void;

  /** The secret that requests for this one connection are signed with; `null`: it has none of its own. */
  connectionSecret(connectionId: string, credentials: Credentials): string | null;

  /**
   * Turns a request into events. Pure; never fails on unknown fields or events (those are `ignored`).
   * @throws KonstructError `body_malformed`
   */
  parse(request: ChannelRequest): ParsedRequest;

  /** How events come to us where we have to see to it; absent: people tell the platform where to send. */
  readonly subscription?: ChannelSubscription;

  /** Loads what sending needs, so that the first answer does not wait for it. */
  prepare(): Promise<void>;

  /** What is amiss with a connection beside its identity, for `konstruct doctor`. Asks the platform, changes nothing. */
  examine(
    access: ConnectionAccess,
    identity: ChannelIdentity,
    environment: ExaminedEnvironment,
    signal: AbortSignal,
  ): Promise<readonly ConnectionFinding[]>;

  /** Who we are on the platform with these credentials (Slack: `auth.test`). */
  identify(access: ConnectionAccess, signal: AbortSignal): Promise<ChannelIdentity>;

  /** Sends a new message. The marker lets `findByMarker` find it again. */
  post(access: ConnectionAccess, message: OutboundMessage, signal: AbortSignal): Promise<PostedMessage>;

  /** Replaces the text of a message sent earlier. */
  edit(access: ConnectionAccess, message: OutboundEdit, signal: AbortSignal): Promise<void>;

  /** Takes a message sent earlier away; one that is not there any more counts as taken away. */
  remove(access: ConnectionAccess, message: OutboundRemoval, signal: AbortSignal): Promise<void>;

  /**
   * Tells one person something that the others in the channel do not see; in a DM, and where `capabilities.postPrivately`
   * says that the platform cannot, an ordinary message.
   */
  postPrivately(access: ConnectionAccess, message: PrivateMessage, signal: AbortSignal): Promise<void>;

  /** Reads a thread, oldest first. `null`: the platform does not let us read it (scope, limit); go on without it. */
  fetchThread(
    access: ConnectionAccess,
    target: ThreadTarget,
    limit: number,
    signal: AbortSignal,
  ): Promise<readonly ThreadMessage[] | null>;

  /** Looks for a message of ours that carries the marker, after a send of unknown outcome. `null`: not there. */
  findByMarker(
    access: ConnectionAccess,
    target: ThreadTarget,
    marker: DeliveryMarker,
    signal: AbortSignal,
  ): Promise<PostedMessage | null>;

  /** Whether a user is a person and not another bot, cached; `null` when the platform does not tell. */
  isPerson(access: ConnectionAccess, externalId: string, signal: AbortSignal): Promise<boolean | null>;

  /** Display name of a person, cached; `null` when the platform does not tell. */
  personName(access: ConnectionAccess, externalId: string, signal: AbortSignal): Promise<string | null>;

  /** Cuts markdown into parts the platform accepts, at paragraph and code-fence borders. At least one part. */
  split(markdown: string): readonly string[];

  /** Ends what is kept open. */
  close(): void;
}

/** How we see to it ourselves that a connection's events come to us: one way or the other. */
export interface ChannelSubscription {
  /**
   * Has the platform send to an address. Repeatable.
   * @throws KonstructError `platform_rejected` with `unauthorized`: the credentials are no good any more
   */
  toWebhook(access: ConnectionAccess, url: string, signal: AbortSignal): Promise<void>;
  /**
   * Fetches events until the signal ends it. What `receive` has resolved for is durable and not fetched again.
   * @throws KonstructError as above; other failures it outlasts by itself
   */
  byPolling(
    access: ConnectionAccess,
    receive: (events: readonly ChannelEvent[]) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void>;
}

export interface ExaminedEnvironment {
  /** Where the platform should send this connection's events; `null`: we fetch them, or nobody knows. */
  readonly webhookUrl: string | null;
  /** Whether the installation has a secret that this platform's requests may be signed with. */
  readonly hasSharedSecret: boolean;
}

export interface ConnectionFinding {
  readonly level: 'ok' | 'warning' | 'problem';
  /** One sentence that begins in lower case: it stands after the connection's name. */
  readonly text: string;
  /** What to do about it; `null` with `ok`. */
  readonly remedy: string | null;
}

export interface ChannelCapabilities {
  readonly edit: boolean;
  /** Whether a message of ours can be taken away; otherwise it is edited into a sentence that says so. */
  readonly remove: boolean;
  readonly threads: boolean;
  /** Whether a message can be found again by its marker; without it an unknown outcome is not sent again. */
  readonly findByMarker: boolean;
  /** Whether one person can be told something privately in a channel. */
  readonly postPrivately: boolean;
  /** The longest text of one message, in characters. */
  readonly maxCharacters: number;
  /** How often one message may be edited. */
  readonly editsPerSecond: number;
}

/** An HTTP request as it came in. Header names are in lower case. */
export interface ChannelRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Buffer;
}

export type ParsedRequest =
  /** The platform checks the URL: answer with this body at once. */
  | { readonly kind: 'challenge'; readonly contentType: string; readonly body: string }
  | { readonly kind: 'events'; readonly events: readonly ChannelEvent[] };

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
  | UninstallEvent
  | IgnoredEvent;

export interface MessageEvent extends EventBase {
  readonly type: 'message';
  readonly channelId: string;
  /** What the platform calls this message within its channel (Slack: `ts`). */
  readonly messageId: string;
  /** The thread it stands in; `null`: it is not (yet) in one. */
  readonly threadId: string | null;
  /** On platforms whose threads are chains of replies; absent: the platform has threads. */
  readonly chain?: ReplyChain;
  readonly scope: 'direct' | 'group' | 'channel';
  readonly sender: { readonly externalId: string; readonly name: string | null };
  /** Normalised text: entities decoded, links and channels readable, a mention of a user as `@` + external id. */
  readonly text: string;
  /** Users mentioned in the text, in order, each once. */
  readonly mentions: readonly Mention[];
  /** The user whose mention the text begins with. */
  readonly addressee: string | null;
  /** The platform itself says that the agent is mentioned (Slack: `app_mention`). */
  readonly mentionsAgent: boolean;
  readonly attachments: readonly Attachment[];
  /** When it was written, in ms since 1970. */
  readonly sentAtMs: number;
  /** What only this platform knows and later stages or operators may want (small, JSON). */
  readonly channelMetadata: Readonly<Record<string, unknown>>;
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
  /** As Unicode, without skin tone: `🛑`. */
  readonly emoji: string;
  readonly present: boolean;
  readonly reactedAtMs: number;
}

export interface UninstallEvent extends EventBase {
  readonly type: 'uninstall';
  /** The platform's word for it (Slack: `app_uninstalled`, `tokens_revoked`). */
  readonly reason: string;
}

/** Something that is not for us, with the reason for the log. */
export interface IgnoredEvent extends EventBase {
  readonly type: 'ignored';
  readonly reason: string;
}

/** What sending needs of a connection: credentials are decrypted for one use and not kept. */
export interface ConnectionAccess {
  readonly connectionId: string;
  readonly externalId: string;
  readonly credentials: Credentials;
}

export interface ThreadTarget {
  readonly channelId: string;
  /** The thread to stand in; `null`: the channel itself. */
  readonly threadId: string | null;
}

/** How a delivery is found again on the platform. */
export interface DeliveryMarker {
  readonly deliveryId: string;
  /** When the delivery was first tried, in ms since 1970: looking for it need not go further back. */
  readonly firstTriedAtMs?: number;
}

export interface OutboundMessage {
  /** Asked right before the message leaves, after all waiting; `false`: it must not be sent (`lease_lost`). */
  readonly mayStillSend?: () => boolean;
  readonly target: ThreadTarget;
  readonly markdown: string;
  readonly marker: DeliveryMarker;
}

export interface OutboundEdit extends OutboundMessage {
  readonly messageId: string;
}

export interface OutboundRemoval {
  /** As in `OutboundMessage`. */
  readonly mayStillSend?: () => boolean;
  readonly target: ThreadTarget;
  readonly messageId: string;
}

export interface PrivateMessage {
  readonly target: ThreadTarget;
  readonly personId: string;
  readonly markdown: string;
}

export interface PostedMessage {
  readonly messageId: string;
}

export interface ThreadMessage {
  readonly messageId: string;
  readonly sender: { readonly externalId: string; readonly name: string | null };
  /** Whether we sent it ourselves. */
  readonly own: boolean;
  /** The delivery it came from, where it carries our marker; such messages are in our own record. */
  readonly deliveryId: string | null;
  /** Normalised as in `MessageEvent`. */
  readonly text: string;
  readonly mentions: readonly Mention[];
  readonly sentAtMs: number;
}

export interface ChannelIdentity {
  readonly externalId: string;
  readonly agentUserId: string;
  /** Name of the installation, for people (Slack: the workspace's name). */
  readonly name: string;
  /** Scopes the token has, where the platform tells. */
  readonly scopes: readonly string[] | null;
}

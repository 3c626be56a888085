import type {
  ActionEvent,
  Attachment,
  ChannelEvent,
  CommandEvent,
  MessageEvent,
  OpeningEvent,
} from './channel-event.ts';
import type {
  AnswerStream,
  ConnectionAccess,
  DeliveryMarker,
  FetchedFile,
  FormattedText,
  MessageAuthor,
  OutboundEdit,
  OutboundFile,
  OutboundMessage,
  OutboundReaction,
  OutboundRemoval,
  PostedMessage,
  PrivateMessage,
  StreamStart,
  ThreadMessage,
  ThreadTarget,
  TypingSign,
} from './outbound.ts';
import type { ConnectionSettings, Credentials } from './tenant.ts';
import type { VisitorDesk } from './visitor.ts';

/**
 * The contract between the pipeline and a platform. A channel is a folder that implements it and knows nothing of
 * queue, agent or database: it verifies and parses what comes in and sends what goes out.
 */
export interface Channel {
  /** Name of the platform, as in konstruct.yaml and the database: `slack`. */
  readonly type: string;
  readonly capabilities: ChannelCapabilities;

  /**
   * Checks that the platform sent this request, over its raw bytes and before any parsing. What has to be fetched for it (a
   * platform's public keys) is cached.
   * @param signingSecret what the proof is held against: a shared secret, a public key or the audience of a token
   * @throws KonstructError `signature_missing`, `signature_invalid`, `signature_expired`, `signing_secret_missing`;
   *   `platform_unavailable` when the keys cannot be had: the platform must send it again
   */
  verify(request: ChannelRequest, signingSecret: string, nowMs: number): void | Promise<void>;

  /**
   * Answers the GET by which a platform checks our address before it sends anything there (WhatsApp: `hub.challenge`).
   * Absent: the platform does no such thing.
   * @param expected what we told the platform to say; `null`: nothing
   * @throws KonstructError `signature_invalid`
   */
  handshake?(query: URLSearchParams, expected: string | null): WebhookAnswer;

  /** What a connection's own address expects in a handshake; `null`: nothing. */
  handshakeToken?(credentials: Credentials): string | null;

  /** The secret that requests for this one connection are signed with; `null`: it has none of its own. */
  connectionSecret(connectionId: string, credentials: Credentials): string | null;

  /**
   * Turns a request into events. Pure; never fails on unknown fields or events (those are `ignored`).
   * @throws KonstructError `body_malformed`
   */
  parse(request: ChannelRequest): ParsedRequest;

  /** How events come to us where we have to see to it; absent: people tell the platform where to send. */
  readonly subscription?: ChannelSubscription;

  /** How people connect their own installation in a browser; absent: only the operator applies credentials. */
  readonly installation?: ChannelInstallation;

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

  /** Replaces the text of a message sent earlier; where `capabilities.edit` says that nobody can, `platform_rejected`. */
  edit(access: ConnectionAccess, message: OutboundEdit, signal: AbortSignal): Promise<void>;

  /** Takes a message sent earlier away; one that is not there any more counts as taken away. */
  remove(access: ConnectionAccess, message: OutboundRemoval, signal: AbortSignal): Promise<void>;

  /**
   * Tells one person something that the others in the channel do not see; in a DM, and where `capabilities.postPrivately`
   * says that the platform cannot, an ordinary message.
   */
  postPrivately(access: ConnectionAccess, message: PrivateMessage, signal: AbortSignal): Promise<void>;

  /**
   * Whether messages of this author would stand under another name or picture than the app's own on this connection, cached.
   * Absent: `capabilities.editsKeepAuthor` does not say `false`.
   * @throws KonstructError when the platform does not say who we are
   */
  hasOwnAuthor?(access: ConnectionAccess, author: MessageAuthor, signal: AbortSignal): Promise<boolean>;

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

  /**
   * Cuts markdown into parts the platform accepts, at paragraph and code-fence borders. At least one part.
   *
   * @param choices what the buttons say that stand below the last part; absent: none
   */
  split(markdown: string, choices?: readonly string[]): readonly string[];

  /** What a part looks like as the platform gets it: its own formatting, with nothing in it that mentions anybody by accident. */
  format(markdown: string): FormattedText;

  /**
   * Shows an answer while it is written, by the platform's own means. Absent: by editing the placeholder, where
   * `capabilities.edit` allows it. Where `capabilities.stream` is not `native`, only for connections that ask for it
   * (`streaming: native`), because the platform cannot keep what is promised of crashes.
   */
  openStream?(access: ConnectionAccess, start: StreamStart): AnswerStream;

  /** Whether the platform streams there; elsewhere the placeholder is edited. Absent: it does everywhere. */
  hasStream?(target: ThreadTarget): boolean;

  /** Says "is typing…" where there is no placeholder, for as long as the platform shows it. */
  typing?(access: ConnectionAccess, sign: TypingSign, signal: AbortSignal): Promise<void>;

  /** What the platform shows of an agent at work beside its messages. Absent: nothing. */
  readonly status?: ChannelStatus;

  /** Puts our own reaction on a message or takes it off; one that is there (or gone) already is as wanted. */
  react?(access: ConnectionAccess, reaction: OutboundReaction, signal: AbortSignal): Promise<void>;

  /**
   * Ends the platform's waiting for a pressed button, and takes the buttons away or shows what was chosen. Called when the
   * press is stored; nothing depends on it.
   */
  acknowledgeAction?(access: ConnectionAccess, action: ActionEvent, signal: AbortSignal): Promise<void>;

  /**
   * Makes a message of a command that others do not see, where people can read it and the answer can stand. Called before
   * the command is stored, while the platform waits: within some 2 s.
   * @returns the message as it stands there now; `null`: it cannot be answered, and whoever gave it was told why
   */
  showCommand?(
    access: ConnectionAccess,
    command: CommandEvent,
    signal: AbortSignal,
  ): Promise<MessageEvent | null>;

  /** Shows whoever opened a conversation what they may ask. Nothing depends on it. */
  welcome?(
    access: ConnectionAccess,
    opening: OpeningEvent,
    prompts: readonly string[],
    signal: AbortSignal,
  ): Promise<void>;

  /** Gives the conversation that a message begins its title, where the platform has such. Nothing depends on it. */
  entitle?(access: ConnectionAccess, message: MessageEvent, signal: AbortSignal): Promise<void>;

  /** Sends a file. As with `post`, an unknown outcome is not repeated. */
  upload?(access: ConnectionAccess, file: OutboundFile, signal: AbortSignal): Promise<PostedMessage>;

  /**
   * Fetches what was attached to a message.
   * @throws KonstructError `attachment_too_large`, `platform_rejected` (it is gone, or we may not read it)
   */
  fetchFile?(
    access: ConnectionAccess,
    file: Attachment,
    limits: { readonly maxBytes: number },
    signal: AbortSignal,
  ): Promise<FetchedFile>;

  /** Who comes to us without a platform between us, where `ChannelDefinition.keepsMailbox` says so. */
  readonly visitors?: VisitorDesk;

  /** Ends what is kept open. */
  close(): void;
}

/** A line such as "Ada is thinking…" that is no message. Nothing depends on it. */
export interface ChannelStatus {
  /** How long it is shown unless it is set again, or until a message of ours comes, in ms. */
  readonly lastsMs: number;
  /** Whether it is shown there. */
  isShownIn(target: ThreadTarget): boolean;
  set(access: ConnectionAccess, target: ThreadTarget, isWorking: boolean, signal: AbortSignal): Promise<void>;
}

/** How we see to it ourselves that a connection's events come to us: one way or the other. */
export interface ChannelSubscription {
  /**
   * Has the platform send to an address. Repeatable. Absent: events are fetched, whether or not the platform can reach us.
   * @throws KonstructError `platform_rejected` with `unauthorized`: the credentials are no good any more
   */
  toWebhook?(access: ConnectionAccess, url: string, signal: AbortSignal): Promise<void>;
  /**
   * Fetches events until the signal ends it. What `receive` has resolved for is durable and not fetched again.
   * @param recall for platforms that keep nothing for us while nobody fetches
   * @throws KonstructError as above; other failures it outlasts by itself
   */
  byPolling(
    access: ConnectionAccess,
    receive: (events: readonly ChannelEvent[]) => Promise<void>,
    signal: AbortSignal,
    recall: () => Promise<RecordedActivity>,
  ): Promise<void>;
}

/** What is on record of a connection: from where to look for what was said while nobody fetched. */
export interface RecordedActivity {
  /** When the newest message was written that came in, in ms since 1970; `null`: none has. */
  readonly lastMessageAtMs: number | null;
  /** Direct conversations in which somebody wrote lately, the latest first. */
  readonly directChannelIds: readonly string[];
}

/** The platform's consent page, and what comes back from it (OAuth 2). */
export interface ChannelInstallation {
  /** Where a browser asks for consent. */
  authorizeUrl(request: { readonly state: string; readonly redirectUrl: string }): string;
  /**
   * Turns the code that the browser came back with into credentials. A code works once.
   * @throws KonstructError `platform_rejected`, `platform_unavailable`, `aborted`
   */
  exchange(
    request: { readonly code: string; readonly redirectUrl: string },
    signal: AbortSignal,
  ): Promise<InstalledApp>;
  /**
   * New credentials for those that expire. What renews them works once, so the answer is stored before it is used.
   * @throws KonstructError as above; `platform_rejected`: they cannot be renewed any more
   */
  renew(credentials: Credentials, signal: AbortSignal): Promise<IssuedCredentials>;
}

export interface IssuedCredentials {
  readonly credentials: Credentials;
  /** In ms since 1970; `null`: never. */
  readonly expiresAtMs: number | null;
}

export interface InstalledApp extends IssuedCredentials {
  readonly externalId: string;
  readonly appId: string;
  readonly agentUserId: string;
  /** Of the installation, for people. */
  readonly name: string;
  /** Where the agent can be spoken to now; `null`: nowhere in a browser. */
  readonly openUrl: string | null;
}

export interface ExaminedEnvironment {
  /**
   * Where the platform should send this connection's events, below the path that all share where they share one; `null`: we
   * fetch them, or nobody knows.
   */
  readonly webhookUrl: string | null;
  /** Whether the installation has a secret that this platform's requests may be signed with. */
  readonly hasSharedSecret: boolean;
  /** Of the connection; absent: none. */
  readonly settings?: ConnectionSettings;
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
  /**
   * Whether an edited message still stands under the name and picture of its `author`. Where not (`false`), an answer of an
   * agent that has its own (`hasOwnAuthor`) is a new message, after which its placeholder goes; and what stands there only until
   * then is posted without an author. Absent: it does, or authors are not shown.
   */
  readonly editsKeepAuthor?: boolean;
  /** Whether a message of ours can be taken away; otherwise it is edited into a sentence that says so. */
  readonly remove: boolean;
  readonly threads: boolean;
  /** Whether a message can be found again by its marker; without it an unknown outcome is not sent again. */
  readonly findByMarker: boolean;
  /**
   * Whether the platform says by itself what became of a message with our marker (`ReceiptEvent`): where it cannot be
   * asked, an unknown outcome is then waited for. Absent: it does not.
   */
  readonly receipts?: boolean;
  /** Whether one person can be told something privately in a channel. */
  readonly postPrivately: boolean;
  /** How an answer is seen while it is written: by the platform's own means, by edits of the placeholder, or not at all. */
  readonly stream: 'native' | 'edits' | 'none';
  /** How many buttons may stand below a message, and the longest text of one; `null`: none, choices are written out. */
  readonly buttons: { readonly max: number; readonly maxCharacters: number } | null;
  readonly reactions: boolean;
  readonly typing: boolean;
  /** Largest file that can be fetched (`incoming`) and sent (`outgoing`), in bytes; `null`: none can. */
  readonly files: { readonly incoming: number | null; readonly outgoing: number | null };
  /** The longest text of one message, in characters. */
  readonly maxCharacters: number;
  /** How often one message may be edited. */
  readonly editsPerSecond: number;
}

/** An HTTP request as it came in. Header names are in lower case. */
export interface ChannelRequest {
  /** One of the definition's webhook paths, without a connection's id. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Buffer;
  /** When it came in, in ms since 1970; absent where the platform itself says when something was written. */
  readonly receivedAtMs?: number;
}

export type ParsedRequest =
  /** The platform checks the URL: answer with this body at once. */
  | ({ readonly kind: 'challenge' } & WebhookAnswer)
  | {
      readonly kind: 'events';
      readonly events: readonly ChannelEvent[];
      /** What the platform wants to read once all is stored; absent: nothing but the status. */
      readonly answer?: WebhookAnswer;
    };

export interface WebhookAnswer {
  readonly contentType: string;
  readonly body: string;
  /** Absent: 200. `202`: what was asked is answered by a call of its own. */
  readonly status?: 202;
}

export interface ChannelIdentity {
  readonly externalId: string;
  readonly agentUserId: string;
  /** Name of the installation, for people (Slack: the workspace's name). */
  readonly name: string;
  /** Scopes the token has, where the platform tells. */
  readonly scopes: readonly string[] | null;
}

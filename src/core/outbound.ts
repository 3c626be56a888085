import type { Attachment, Mention } from './channel-event.ts';
import type { ConnectionSettings, Credentials } from './tenant.ts';

/** What sending needs of a connection: credentials are decrypted for one use and not kept. */
export interface ConnectionAccess {
  readonly connectionId: string;
  readonly externalId: string;
  readonly credentials: Credentials;
  /** Absent: none are set, or nobody needs them. */
  readonly settings?: ConnectionSettings;
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
  /** Buttons below it, as many and as long as `capabilities.buttons` allows; absent: none, and an edit takes away what there was. */
  readonly choices?: readonly string[];
  /** When the person last wrote, in ms since 1970: some platforms let us answer for a limited time. Absent: not known. */
  readonly lastHeardAtMs?: number;
  /** It only stands there until the answer does: a placeholder, or what the agent does just now. */
  readonly isProvisional?: boolean;
  /** It is an answer, or a part of one: people may say what they think of it. */
  readonly isAnswer?: boolean;
  /** Whose words they are, where the platform can show that beside the app's own name. */
  readonly author?: MessageAuthor;
}

/** The agent as people see it. */
export interface MessageAuthor {
  readonly name: string;
  /** An https address of a picture, or an emoji in Slack's form (`:owl:`); `null`: the app's own. */
  readonly icon: string | null;
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

/** What is known when an answer begins to be written. */
export interface StreamStart {
  readonly target: ThreadTarget;
  /** The placeholder that stands there. */
  readonly messageId: string;
  readonly marker: DeliveryMarker;
  readonly author?: MessageAuthor;
  /** Who asked, as the platform names them. */
  readonly recipientId: string;
  /** As in `OutboundMessage`. */
  readonly mayStillSend: () => boolean;
  /** Called before anything is shown in another message than the placeholder: resolves when that is remembered. */
  readonly onMessage: (messageId: string) => Promise<void>;
  /**
   * Somebody has stopped it by the platform's own means: counts as a "stop" said in the conversation, about the message where
   * the answer was being written. Resolves when that is on record.
   */
  readonly onStop?: (messageId: string) => Promise<void>;
}

/**
 * An answer that is being written. What is shown is only a glimpse: the answer itself is sent when it is committed. So
 * nothing of this throws, and nothing waits for it.
 */
export interface AnswerStream {
  /** All of the text so far, longer than last time or another one; the newest is shown when the limits allow. */
  show(markdown: string): void;
  /** Ends it. When it has resolved, nothing of it can replace what is sent afterwards into the message it names. */
  close(): Promise<{ readonly messageId: string }>;
}

export interface TypingSign {
  readonly target: ThreadTarget;
  /** The message that will be answered; `null`: not known. */
  readonly messageId: string | null;
}

export interface OutboundReaction {
  readonly target: ThreadTarget;
  readonly messageId: string;
  /** As Unicode: `✅`. */
  readonly emoji: string;
  readonly present: boolean;
  readonly mayStillSend?: () => boolean;
}

export interface OutboundFile {
  readonly mayStillSend?: () => boolean;
  readonly target: ThreadTarget;
  readonly name: string;
  readonly mediaType: string;
  readonly content: Uint8Array;
  /** A channel that has `findByMarker` finds the file's message by it too: what is not found is sent again. */
  readonly marker: DeliveryMarker;
}

export interface FetchedFile {
  readonly mediaType: string;
  readonly content: Uint8Array;
}

/** A text in a platform's own form. */
export interface FormattedText {
  readonly text: string;
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
  /** As in `MessageEvent`: whoever calls an agent into a thread may well mean the file above. */
  readonly attachments: readonly Attachment[];
  readonly sentAtMs: number;
}

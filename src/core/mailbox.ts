import type { Glimpse } from './glimpse.ts';

/**
 * Where a channel keeps what is said that has no platform of its own (the web widget): durable, in order, and watched by
 * the gateways that show it to people. `app.ts` fills it from the database.
 */
export interface Mailbox {
  /**
   * Puts a message of the agent's in. `null`: there is no such mailbox; a visitor's first message makes it.
   * @throws KonstructError `database_unavailable`, `disk_full`
   */
  append(box: MailboxRef, message: MailboxPost): Promise<{ readonly messageId: string } | null>;
  /** Changes a message of the agent's; resolves to whether it is there. What is not named stays. @throws as above */
  change(box: MailboxRef, messageId: string, change: Partial<MailboxPost>): Promise<boolean>;
  /** Takes a message of the agent's away; resolves to whether it was there. @throws as above */
  remove(box: MailboxRef, messageId: string): Promise<boolean>;
  /** The newest message that carries the marker; `null`: none. @throws as above */
  find(box: MailboxRef, marker: string): Promise<{ readonly messageId: string } | null>;
  /** Shows people a text that is being written, and keeps nothing of it. @throws as above */
  glimpse(box: MailboxRef, glimpses: readonly Glimpse[]): Promise<void>;
}

/** One visitor's mailbox on one connection. */
export interface MailboxRef {
  readonly connectionId: string;
  readonly channelId: string;
}

export interface MailboxPost {
  readonly markdown: string;
  readonly choices: readonly string[];
  readonly marker: string;
  /** Whose words they are; `null`: the agent's of the connection. */
  readonly authorName: string | null;
  /** A placeholder: the answer will stand in its place. */
  readonly isProvisional: boolean;
  /** An answer, or a part of one: it can be rated. */
  readonly isAnswer: boolean;
}

/** The other side: what the gateway does with mailboxes. */
export interface VisitorMailbox {
  /** Keeps what a visitor said; the same message twice is kept once. @throws as `Mailbox` */
  keep(box: MailboxRef, message: { readonly messageId: string; readonly text: string }): Promise<void>;
  /** Shows what a visitor thinks of an answer, or takes that off; resolves to whether it is there. @throws as `Mailbox` */
  rate(box: MailboxRef, messageId: string, thumb: Thumb): Promise<boolean>;
  /**
   * What has changed behind a revision, in the order of the changes, at most `limit` messages; `null`, or a revision that
   * the mailbox has not come to: its newest messages. Each message as it is now. @throws as `Mailbox`
   */
  read(
    owner: { readonly tenantId: string },
    box: MailboxRef,
    after: number | null,
    limit: number,
  ): Promise<readonly MailboxMessage[]>;
}

/** One of the two under an answer, put on or taken off. */
export interface Thumb {
  readonly rating: Rating;
  readonly present: boolean;
}

export type Rating = 'up' | 'down';

export interface MailboxMessage {
  readonly messageId: string;
  readonly from: 'visitor' | 'agent';
  readonly markdown: string;
  readonly choices: readonly string[];
  readonly authorName: string | null;
  readonly isProvisional: boolean;
  readonly isAnswer: boolean;
  /** What its visitor thinks of it; `null`: they have not said. */
  readonly rating: Rating | null;
  readonly isRemoved: boolean;
  /** Of its last change, counted in the mailbox. */
  readonly revision: number;
  /** Place among the messages of the mailbox. */
  readonly position: number;
  readonly sentAtMs: number;
}

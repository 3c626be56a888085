import type { Attachment, Mention } from './channel-event.ts';
import type { Agent, ConnectionSettings } from './tenant.ts';

/**
 * A turn as a worker gets it: one agent's work on the pending messages of a conversation, with all that running it
 * needs, and with what earlier attempts left behind (`fresh` is false then). Made by `claim_turns` in
 * `migrations/functions/claim_turns.sql`.
 */
export interface ClaimedTurn {
  readonly tenantId: string;
  readonly tenantName: string;
  readonly conversationId: number;
  readonly turnId: number;
  /** `committed`: the answer is known and only its delivery is left. */
  readonly status: 'running' | 'committed';
  readonly fresh: boolean;
  /** Why a committed answer is an apology; `null`: it is none. */
  readonly failureCode: string | null;
  /** Of what the turn has to answer, as it was read; grows with every edit and every message that joins it. */
  readonly revision: number;
  /** Set when nothing is left to be done but to say so, see `TurnCancellation`. */
  readonly cancel: TurnCancellation | null;
  /** The turn whose answer this one replaces where it stands; `null`: none. */
  readonly revises: number | null;
  /** Failed attempts before this one. */
  readonly attempts: number;
  /** Proof of the lease: a commit with an older number is refused. */
  readonly fence: number;
  /** The agent came into the middle of the thread and has not read it yet. */
  readonly threadUnread: boolean;
  readonly channelId: string;
  /** The conversation's thread; `''` for a DM outside threads. */
  readonly threadId: string;
  /** The thread the answer stands in. */
  readonly replyThreadId: string | null;
  readonly scope: 'direct' | 'group' | 'channel';
  readonly startedAtMs: number;
  readonly agent: Agent;
  readonly connection: StoredConnection;
  /** Newest messages of the conversation and its first one, oldest first. */
  readonly messages: readonly TurnMessage[];
  /** The placeholder's delivery, when this claim opened the turn. */
  readonly placeholderId: number | null;
  /** Deliveries of earlier attempts. */
  readonly deliveries: readonly TurnDelivery[];
  /** Position of the next step: behind all that are logged. */
  readonly steps: number;
  /** What earlier attempts of a running turn have logged, in order: it goes on from there. */
  readonly loggedSteps: readonly LoggedStep[];
}

/** A step as a worker finds it that takes the turn over. */
export interface LoggedStep {
  readonly position: number;
  readonly kind: string;
  readonly outcome: string;
  readonly detail: Readonly<Record<string, unknown>>;
  readonly durationMs: number;
}

/**
 * Why a turn ends without an answer: somebody said stop, its messages were deleted, its thread was muted, or its
 * messages were deleted after an earlier turn had answered them (that answer goes).
 */
export type TurnCancellation = 'stopped' | 'deleted' | 'muted' | 'retract';

/** What became of a turn while a worker held it. */
export interface TurnState {
  /** `gone`: deleted, with its connection or tenant; `lost`: another worker has it. */
  readonly state: 'held' | 'lost' | 'gone';
  readonly cancel: TurnCancellation | null;
  readonly revision: number;
}

/** What sending needs of a connection; the credentials are encrypted (base64 envelope) until they are used. */
export interface StoredConnection {
  readonly id: string;
  readonly channel: string;
  readonly externalId: string;
  readonly agentUserId: string;
  readonly settings: ConnectionSettings;
  readonly status: 'active' | 'disabled';
  readonly credentials: string;
}

export interface TurnMessage {
  readonly id: number;
  readonly externalId: string | null;
  readonly direction: 'in' | 'out';
  readonly senderId: string;
  readonly senderName: string | null;
  readonly content: string;
  readonly mentions: readonly Mention[];
  readonly attachments: readonly Attachment[];
  readonly addressed: boolean;
  readonly sentAtMs: number;
  readonly receivedAtMs: number;
  readonly turnId: number | null;
  /** Whether this turn answers it. */
  readonly ofTurn: boolean;
}

export interface TurnDelivery {
  readonly id: number;
  readonly kind: 'placeholder' | 'answer';
  readonly position: number;
  readonly status: 'pending' | 'sending' | 'sent' | 'failed';
  readonly content: string | null;
  readonly detail: AnswerDetail | null;
  readonly externalId: string | null;
  readonly attempts: number;
}

/** What a part of an answer is beside text (migrations/0019_answers.sql). */
export interface AnswerDetail {
  /** Buttons below it. */
  readonly choices?: readonly string[];
  /** It is a file; without its bytes once it was sent. */
  readonly file?: Omit<AnswerFile, 'content'> & Partial<Pick<AnswerFile, 'content'>>;
}

/** A file that goes with an answer. */
export interface AnswerFile {
  readonly name: string;
  readonly mediaType: string;
  /** Its bytes, base64. */
  readonly content: string;
}

/** Names a turn and proves the right to write to it. */
export interface TurnKey {
  readonly tenantId: string;
  readonly conversationId: number;
  readonly turnId: number;
  readonly fence: number;
}

/**
 * One model call or tool call, for the log of the turn. Times in ms since 1970 and ms.
 *
 * `detail` of a model call that wanted tools, and of a tool call, holds what the turn needs to go on after a crash
 * (`src/orchestrator/turn-transcript.ts`). It is text of people: row-level security guards it, and no log line has it.
 */
export interface Step {
  readonly position: number;
  readonly kind: 'model' | 'tool';
  /** Of a tool call that must not be made twice, before its end is known: `started`. */
  readonly outcome: string;
  readonly provider: string | null;
  readonly model: string | null;
  /** Tokens and cost of all calls of the step, those that failed or lost a race included. */
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  readonly cachedInputTokens: number | null;
  readonly cacheWriteTokens: number | null;
  readonly reasoningTokens: number | null;
  /** In 1e-9 US dollars. */
  readonly nanoUsd: number | null;
  readonly detail: Readonly<Record<string, unknown>>;
  readonly startedAtMs: number;
  readonly durationMs: number;
}

/** Steps of a turn that goes on. */
export interface LogSteps extends TurnKey {
  readonly steps: readonly Step[];
}

/** What a turn has come to. */
export interface CommitTurn extends TurnKey {
  readonly placeholderExternalId: string | null;
  /** The answer will stand in another message, and this one will go; absent: it will stand there. */
  readonly answerElsewhere?: boolean;
  readonly steps: readonly Step[];
  readonly reply: string;
  /** The reply as the platform takes it, at least one part. */
  readonly parts: readonly string[];
  /** Buttons below the last part; absent: none. */
  readonly choices?: readonly string[];
  /** What is sent behind the parts; absent: nothing. */
  readonly files?: readonly AnswerFile[];
  readonly agentUserId: string;
  readonly errorCode: string | null;
  readonly errorDetails: Readonly<Record<string, unknown>> | null;
  /** The revision that this answers. */
  readonly revision: number;
  /** Refuse the answer when there is more to answer by now. */
  readonly strict: boolean;
}

/** The end of a turn. */
export interface FinishTurn extends TurnKey {
  readonly status: 'answered' | 'dead' | 'cancelled';
  readonly errorCode: string | null;
  /** The platform's ids of the delivered parts and files, in order; `null` for one that was given up. */
  readonly externalIds: readonly (string | null)[];
  /** How long the agent now follows the thread; `null` leaves it as it is. */
  readonly followMs: number | null;
}

/** A turn that is put back. */
export interface RetryTurn extends TurnKey {
  readonly delayMs: number;
  /** Whether this counts as a failed attempt (a worker that shuts down hands over without counting). */
  readonly counts: boolean;
  readonly steps: readonly Step[];
  readonly placeholderExternalId: string | null;
  readonly errorCode: string | null;
  readonly errorDetails: Readonly<Record<string, unknown>> | null;
  /** Parts delivered so far. */
  readonly externalIds: readonly (string | null)[];
  /** Position of the first part of the answer that was certainly not sent, nor any after it; absent: not known. */
  readonly untriedFrom?: number | null;
}

/** Where turns are written; each call is refused (`null` or `false`) when the lease was lost. */
export interface TurnLedger {
  /** Makes steps durable. Repeating it changes nothing, except that a call's end replaces its start. */
  logSteps(turn: LogSteps): Promise<boolean>;
  commit(turn: CommitTurn): Promise<{ readonly deliveryIds: readonly number[] } | null>;
  finish(turn: FinishTurn): Promise<boolean>;
  retry(turn: RetryTurn): Promise<boolean>;
  /** What a turn has to answer by now, and of which revision that is; `null`: the lease was lost. */
  readMessages(
    turn: TurnKey,
  ): Promise<{ readonly revision: number; readonly messages: readonly TurnMessage[] } | null>;
  /** What became of turns that this worker holds, in order. */
  check(turns: readonly TurnKey[]): Promise<readonly TurnState[]>;
  recordPlaceholder(turn: ClaimedTurn, deliveryId: number, externalId: string): Promise<void>;
  /** That the thread says there will be no answer, and in which message. */
  recordApology(turn: TurnKey, externalId: string): Promise<boolean>;
}

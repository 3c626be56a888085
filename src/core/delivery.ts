import type { ChannelCapabilities } from './channel.ts';
import type { Attachment } from './channel-event.ts';
import type { AnswerStream, FetchedFile, StreamStart, ThreadMessage } from './outbound.ts';
import type { AnswerDetail, ClaimedTurn } from './turn.ts';

/** What is known of the message that stands in the thread while the agent works. */
export type Placeholder =
  | { readonly state: 'shown'; readonly messageId: string }
  /** It is certain that it does not stand there. */
  | { readonly state: 'absent' }
  /** The platform lets nobody change what was sent: what there is to say is a new message. */
  | { readonly state: 'unsupported' }
  /** It may stand there; look for the marker before anything is sent in its place. */
  | { readonly state: 'unknown'; readonly deliveryId: number };

/** How far the delivery of an answer has come. */
export interface DeliveryProgress {
  /** The platform's ids of the parts, in order; `null`: not delivered. */
  readonly externalIds: readonly (string | null)[];
  /** What stopped it; `null`: all parts are delivered, but for files that were given up. */
  readonly error: unknown;
  /** Where it stopped: the first part that was not sent, and none behind it was tried. Absent: it did not stop. */
  readonly stoppedAt?: number;
}

/** What a channel can do for a turn, as far as what is said depends on it. */
export interface DeliveryAbilities {
  readonly buttons: ChannelCapabilities['buttons'];
  readonly reactions: boolean;
  /** The largest file that can be fetched and sent, in bytes; `null`: none can. */
  readonly incomingBytes: number | null;
  readonly outgoingBytes: number | null;
}

/** What the orchestrator asks of delivery, for one claimed turn. */
export interface Delivery {
  /** Shows or finds the placeholder. Throws `platform_rejected` when nothing can ever be delivered there. */
  placeholder(turn: ClaimedTurn, signal: AbortSignal): Promise<Placeholder>;
  /** The placeholder as earlier attempts left it. */
  earlierPlaceholder(turn: ClaimedTurn): Placeholder;
  /** Replaces the placeholder's text while the agent works, within the platform's limits. */
  progress(turn: ClaimedTurn, messageId: string, text: string, signal: AbortSignal): Promise<void>;
  /** How people can watch an answer while it is written: by the platform's own stream, by `progress`, or not at all. */
  showsWriting(turn: ClaimedTurn): 'native' | 'edits' | 'none';
  /** Begins the platform's own stream where the placeholder stands; only where `showsWriting` is `native`. */
  openStream(
    turn: ClaimedTurn,
    messageId: string,
    heard: Pick<StreamStart, 'onMessage' | 'onStop'>,
  ): AnswerStream;
  /** Turns the placeholder into the answer and posts the further parts. Never throws: says how far it came. */
  answer(
    turn: ClaimedTurn,
    answer: Answer,
    placeholder: Placeholder,
    signal: AbortSignal,
  ): Promise<DeliveryProgress>;
  /** Whether the answer will stand in another message than the placeholder, which then goes. `true` while nobody knows. */
  answersElsewhere(turn: ClaimedTurn, signal: AbortSignal): Promise<boolean>;
  /** Whether something sent can be found again on the platform when nobody remembers it. */
  findsAgain(turn: ClaimedTurn): boolean;
  /**
   * Ends what stands in the thread without an answer: a sentence in its place (or as a new message, where nothing can be
   * replaced) or, with `null`, nothing. Never throws: returns what stopped it, `null` when it is done.
   */
  withdraw(
    turn: ClaimedTurn,
    placeholder: Placeholder,
    sentence: string | null,
    signal: AbortSignal,
  ): Promise<unknown>;
  abilities(turn: ClaimedTurn): DeliveryAbilities;
  /**
   * Shows that the agent works where there is no placeholder to show it, for as long as the platform does; `false`: there is
   * nothing to show, or not any more.
   */
  typing(turn: ClaimedTurn, signal: AbortSignal): Promise<boolean>;
  /** What the platform shows beside the placeholder while the agent works; `null`: nothing, or not any more. */
  status(turn: ClaimedTurn): WorkStatus | null;
  /** Puts an emoji on the newest message that the turn answers. */
  react(turn: ClaimedTurn, emoji: string, signal: AbortSignal): Promise<void>;
  /**
   * Fetches what was attached to a message.
   * @throws KonstructError `attachment_too_large`, and what the platform refuses or does not answer
   */
  fetchFile(turn: ClaimedTurn, file: Attachment, maxBytes: number, signal: AbortSignal): Promise<FetchedFile>;
  /** Cuts a reply into parts that the platform takes, the last with its choices as buttons. */
  split(turn: ClaimedTurn, reply: string, choices?: readonly string[]): readonly string[];
  /** Reads the thread; `null` when the platform does not let us. */
  readThread(turn: ClaimedTurn, limit: number, signal: AbortSignal): Promise<readonly ThreadMessage[] | null>;
  /** Display name of a person; `null` when unknown. */
  personName(turn: ClaimedTurn, personId: string, signal: AbortSignal): Promise<string | null>;
}

/** See `ChannelStatus`. */
export interface WorkStatus {
  readonly lastsMs: number;
  set(isWorking: boolean, signal: AbortSignal): Promise<void>;
}

export interface Answer {
  readonly parts: readonly AnswerPart[];
  /** It says that there will be no answer, or that it could not be sent. */
  readonly isApology?: true;
}

export interface AnswerPart {
  readonly deliveryId: number;
  readonly content: string;
  readonly detail: AnswerDetail | null;
  /**
   * `unknown`: an earlier attempt may have sent it; `reopened`: the same, and an operator wants it to be sent, unless the
   * platform says that it stands there.
   */
  readonly state: 'new' | 'unknown' | 'reopened' | 'sent';
  readonly externalId: string | null;
}

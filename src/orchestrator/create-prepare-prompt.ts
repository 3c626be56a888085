import type { Attachment, Mention } from '../core/channel-event.ts';
import type { Clock } from '../core/clock.ts';
import type { Delivery } from '../core/delivery.ts';
import { isKonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { ModelMessage } from '../core/model.ts';
import type { ThreadMessage } from '../core/outbound.ts';
import type { ClaimedTurn, TurnMessage } from '../core/turn.ts';
import { buildHistory, type HistoryMessage } from './build-history.ts';
import { buildPromptContext, buildSystemPrompt } from './build-system-prompt.ts';
import type { FetchAttachments, ShownAttachment } from './fetch-attachments.ts';

export interface Prompt {
  /** The same in every turn of a conversation. */
  readonly system: string;
  /** What changes; follows `system`. */
  readonly context: string;
  readonly messages: readonly ModelMessage[];
  /** Files of messages that the turn did not come with, oldest first: they are named in `messages`, no more. */
  readonly threadFiles: readonly Attachment[];
}

export type PreparePrompt = (turn: ClaimedTurn, signal: AbortSignal) => Promise<Prompt>;

export interface PreparePromptOptions {
  readonly delivery: Pick<Delivery, 'readThread' | 'personName'>;
  /** Fetches what came with the messages to be answered. */
  readonly fetchAttachments: FetchAttachments;
  /** Keeps what was read of a thread, so that it is read only once. */
  readonly storeThread: (turn: ClaimedTurn, messages: readonly ThreadMessage[]) => Promise<void>;
  /** Names of the platforms for people, by channel type. */
  readonly channelNames: ReadonlyMap<string, string>;
  readonly clock: Clock;
  readonly log: Log;
  readonly historyTokens: number;
  /** How many of the newest messages a turn comes with, beside the first of its conversation. */
  readonly historyMessages: number;
  readonly threadMessages: number;
}

/** Names are nice to have: an answer does not wait longer than this for them. */
const NAMES_DEADLINE_MS = 1_500;
/** Names that one turn asks the platform for: a message can mention thousands of people. */
const MAX_LOOK_UPS = 40;
const MAX_NAME_CHARACTERS = 80;
const MAX_FILE_NAME_CHARACTERS = 200;
/** Files of one message that the model is told of by name. */
const MAX_ATTACHMENTS = 20;

/** Builds what the model reads: who the agent is, and the conversation as far as it fits. */
export function createPreparePrompt(options: PreparePromptOptions): PreparePrompt {
  return async (turn, signal) => {
    const thread = turn.threadUnread ? await readThread(options, turn, signal) : [];
    const lines = mergeThread(turn, thread);
    const names = await namesOf(options, turn, lines, signal);
    const shown = await shownAttachments(options, turn, lines, signal);
    const history = lines.map((line) => toHistoryMessage(turn, line, names, shown));
    return {
      system: buildSystemPrompt({
        agent: turn.agent,
        tenantName: turn.tenantName,
        channelName: options.channelNames.get(turn.connection.channel) ?? turn.connection.channel,
        scope: turn.scope,
      }),
      context: buildPromptContext(new Date(options.clock())),
      messages: buildHistory(history, options.historyTokens, turn.messages.length > options.historyMessages),
      threadFiles: thread.flatMap(({ attachments }) => attachments),
    };
  };
}

/** A line of the conversation, from our own record or just read on the platform. */
interface Line {
  readonly externalId: string | null;
  readonly own: boolean;
  readonly senderId: string;
  readonly senderName: string | null;
  readonly text: string;
  readonly mentions: readonly Mention[];
  readonly attachments: TurnMessage['attachments'];
  readonly sentAtMs: number;
  readonly turnId: number | null;
  readonly isPending: boolean;
}

async function readThread(
  options: PreparePromptOptions,
  turn: ClaimedTurn,
  signal: AbortSignal,
): Promise<readonly ThreadMessage[]> {
  try {
    const messages = await options.delivery.readThread(turn, options.threadMessages, signal);
    if (messages === null) return [];
    // What this turn has sent so far, its placeholder, is not part of the conversation.
    const ofThisTurn = new Set([turn.placeholderId, ...turn.deliveries.map(({ id }) => id)].map(String));
    const earlier = messages.filter(({ deliveryId }) => deliveryId === null || !ofThisTurn.has(deliveryId));
    // What carries a delivery's mark is in our own record, perhaps as the placeholder of another conversation's turn.
    await options.storeThread(
      turn,
      earlier.filter(({ deliveryId }) => deliveryId === null),
    );
    return earlier;
  } catch (error) {
    if (signal.aborted) throw error;
    // The question can be answered without what stood there before; silence would be worse.
    const code = isKonstructError(error) ? error.code : 'internal';
    options.log.warn('thread.read_failed', { tenantId: turn.tenantId, turnId: turn.turnId, code });
    return [];
  }
}

/** Our record wins where both know a message; what waits for another turn stays out. */
function mergeThread(turn: ClaimedTurn, thread: readonly ThreadMessage[]): readonly Line[] {
  const answered = new Set(
    turn.messages.map(({ direction, turnId }) => (direction === 'out' ? turnId : null)),
  );
  // Only a replayed turn is older than others. Of these, one without a reply is a dead letter itself.
  const isForLater = ({ turnId, externalId }: TurnMessage): boolean =>
    turnId !== null && turnId > turn.turnId && !answered.has(turnId) && externalId !== turn.threadId;
  const recorded = turn.messages
    .filter((message) => message.ofTurn || message.turnId !== null || !message.addressed)
    .filter((message) => !isForLater(message))
    // What is replaced is read as if it had never been said.
    .filter(({ direction, turnId }) => direction === 'in' || turnId === null || turnId !== turn.revises)
    .map(
      (message): Line => ({
        externalId: message.externalId,
        own: message.direction === 'out',
        senderId: message.senderId,
        senderName: message.senderName,
        text: message.content,
        mentions: message.mentions,
        attachments: message.attachments,
        sentAtMs: message.sentAtMs,
        turnId: message.turnId,
        isPending: message.ofTurn && message.direction === 'in',
      }),
    );
  const known = new Set(turn.messages.map(({ externalId }) => externalId));
  const read = thread
    .filter(({ messageId }) => !known.has(messageId))
    .map(
      (message): Line => ({
        externalId: message.messageId,
        own: message.own,
        senderId: message.sender.externalId,
        senderName: message.sender.name,
        text: message.text,
        mentions: message.mentions,
        attachments: message.attachments,
        sentAtMs: message.sentAtMs,
        turnId: null,
        isPending: false,
      }),
    );
  return inOrderOfTurns([...recorded, ...read]);
}

/**
 * By time, but what a turn answers stands after the replies of the turns before it, although it may have been written
 * while they were still being made: this is how the agent met it, and the last word is what is to be answered.
 */
function inOrderOfTurns(lines: readonly Line[]): readonly Line[] {
  const repliedAtMs = new Map<number, number>();
  for (const { own, turnId, sentAtMs } of lines)
    if (own && turnId !== null) repliedAtMs.set(turnId, sentAtMs);
  const metAtMs = (line: Line): number => {
    if (line.own) return line.sentAtMs;
    let met = line.sentAtMs;
    for (const [turnId, replied] of repliedAtMs) {
      if (line.isPending || (line.turnId !== null && turnId < line.turnId)) met = Math.max(met, replied);
    }
    return met;
  };
  return lines
    .map((line) => ({ line, met: metAtMs(line) }))
    .sort((a, b) => a.met - b.met || Number(b.line.own) - Number(a.line.own) || bySentAt(a.line, b.line))
    .map(({ line }) => line);
}

/** Two messages of the same millisecond stand in the order of their ids. */
function bySentAt(a: Line, b: Line): number {
  return a.sentAtMs - b.sentAtMs || (a.externalId ?? '').localeCompare(b.externalId ?? '');
}

/** Display names of everybody who speaks or is spoken of. */
async function namesOf(
  options: PreparePromptOptions,
  turn: ClaimedTurn,
  lines: readonly Line[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const names = new Map<string, string>([[turn.connection.agentUserId, turn.agent.name]]);
  const unknown = new Set<string>();
  for (const line of lines) {
    if (!line.own) note(line.senderId, line.senderName);
    for (const { externalId, name } of line.mentions) note(externalId, name);
  }
  if (unknown.size > 0) {
    // Mostly they are known already, so the timer is taken back: `AbortSignal.timeout` would go off for every turn.
    const late = new AbortController();
    const timer = setTimeout(() => late.abort('late'), NAMES_DEADLINE_MS);
    const deadline = AbortSignal.any([signal, late.signal]);
    await Promise.all(
      [...unknown].slice(0, MAX_LOOK_UPS).map(async (personId) => {
        const name = await options.delivery.personName(turn, personId, deadline).catch(() => null);
        if (name !== null) names.set(personId, name);
      }),
    );
    clearTimeout(timer);
  }
  for (const [personId, name] of names) names.set(personId, spokenName(name) || personId);
  return names;

  function note(personId: string, name: string | null): void {
    if (name !== null) {
      names.set(personId, name);
      unknown.delete(personId);
    } else if (!names.has(personId)) unknown.add(personId);
  }
}

/**
 * A name as it may stand before a colon: people choose theirs, and one that holds a line break or a colon could speak
 * for somebody else.
 */
function spokenName(name: string): string {
  return oneLine(name.replaceAll(':', ' '), MAX_NAME_CHARACTERS);
}

function oneLine(text: string, maxCharacters: number): string {
  return text
    .slice(0, maxCharacters * 4)
    .replace(/[\p{C}\p{Z}]+/gu, ' ')
    .slice(0, maxCharacters)
    .toWellFormed()
    .trim();
}

/** What the model gets of the attachments of what is to be answered; of earlier ones it knows the names. */
async function shownAttachments(
  options: PreparePromptOptions,
  turn: ClaimedTurn,
  lines: readonly Line[],
  signal: AbortSignal,
): Promise<ReadonlyMap<Attachment, ShownAttachment>> {
  const attachments = lines.flatMap((line) =>
    line.isPending ? line.attachments.slice(0, MAX_ATTACHMENTS) : [],
  );
  if (attachments.length === 0) return new Map();
  const shown = await options.fetchAttachments(turn, attachments, signal);
  return new Map(attachments.flatMap((attachment, index) => pairOf(attachment, shown[index])));
}

/** Platforms write ids where people see names, and an id may hold what ends a word: `29:1b-x`, `users/31`, `tom.miller`. */
function withNames({ text, mentions }: Line, names: ReadonlyMap<string, string>): string {
  const ids = new Set(mentions.map(({ externalId }) => externalId));
  const lengths = [...new Set([...ids].map(({ length }) => length))].sort((a, b) => b - a);
  return text.replace(/@([^\s@]+)/g, (mention, written: string) => {
    for (const length of lengths) {
      const id = written.slice(0, length);
      const after = written.slice(length);
      if (ids.has(id) && !/^[.-]?\w/.test(after)) return `@${names.get(id) ?? id}${after}`;
    }
    return mention;
  });
}

function pairOf<Key, Value>(key: Key, value: Value | undefined): readonly (readonly [Key, Value])[] {
  return value === undefined ? [] : [[key, value]];
}

/** How an attachment stands in the text of its message. */
function attachmentText({ name, mediaType }: Attachment, shown: ShownAttachment | undefined): string {
  const plain = oneLine(name, MAX_FILE_NAME_CHARACTERS);
  const label = `attached file: ${plain} (${oneLine(mediaType, MAX_NAME_CHARACTERS)})`;
  switch (shown?.kind) {
    case 'text':
      return `\n[${label}; its content:]\n${shown.text.trimEnd()}\n[end of ${plain}]`;
    case 'named':
      return `\n[${label}; not shown: ${shown.reason}]`;
    default:
      return `\n[${label}]`;
  }
}

function toHistoryMessage(
  turn: ClaimedTurn,
  line: Line,
  names: ReadonlyMap<string, string>,
  shown: ReadonlyMap<Attachment, ShownAttachment>,
): HistoryMessage {
  let text = withNames(line, names);
  const attachments = line.attachments.slice(0, MAX_ATTACHMENTS);
  for (const attachment of attachments) text += attachmentText(attachment, shown.get(attachment));
  const files = attachments.flatMap((attachment) => {
    const file = shown.get(attachment);
    const name = oneLine(attachment.name, MAX_FILE_NAME_CHARACTERS);
    return file?.kind === 'file' ? [{ ...file.file, name }] : [];
  });
  const more = line.attachments.length - MAX_ATTACHMENTS;
  if (more > 0) text += `\n[and ${more} more attached ${more === 1 ? 'file' : 'files'}]`;
  return {
    role: line.own ? 'assistant' : 'user',
    author: line.own || turn.scope === 'direct' ? null : (names.get(line.senderId) ?? line.senderId),
    text: text.trim() || '(mentions you without further words)',
    ...(files.length > 0 ? { files } : {}),
    isPending: line.isPending,
    id: line.externalId,
  };
}

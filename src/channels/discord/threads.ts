import type { Clock } from '../../core/clock.ts';
import { isKonstructError } from '../../core/errors.ts';
import type { ConnectionAccess, ThreadTarget } from '../../core/outbound.ts';
import { asRecord } from '../read-json.ts';
import { createRecentValues } from '../recent-values.ts';
import type { DiscordClient } from './client.ts';
import { isRefusal, rejected } from './discord-error.ts';
import { type Destination, destinationOf } from './ids.ts';
import { normaliseText } from './normalise-text.ts';

/** Where a new message goes: into a channel (a thread is one, too), perhaps as a reply. */
export interface Landing {
  readonly channelId: string;
  readonly repliesTo: string | null;
}

/** Where a conversation stands that begins with a message: in a thread, or in the channel as replies. */
export interface Threads {
  /**
   * Where a new message goes. Begins the thread of the message that is answered, where that can be.
   * @throws KonstructError as `DiscordClient.call`
   */
  land(
    access: ConnectionAccess,
    target: ThreadTarget,
    signal: AbortSignal,
    mayStillSend?: () => boolean,
  ): Promise<Landing>;
  /** Where it goes instead when the bot may begin the thread and not write in it; `null`: nowhere. */
  landElsewhere(access: ConnectionAccess, target: ThreadTarget): Landing | null;
  /** Runs a call for a message that stands in one of these places, the likelier first. */
  at<Result>(
    access: ConnectionAccess,
    target: ThreadTarget,
    messageId: string | null,
    run: (channelId: string) => Promise<Result>,
  ): Promise<Result>;
  /** What a message says with which a thread may begin, so that nobody need look it up for the thread's name. */
  remember(messageId: string, text: string): void;
}

const MAX_ENTRIES = 10_000;
const THERE_MS = 60 * 60_000;
/** Somebody may allow threads meanwhile. */
const NOT_THERE_MS = 5 * 60_000;
const NAME_CHARACTERS = 80;
const UNNAMED = 'Conversation';
/** After a day without a word Discord folds the thread away. Source: as `startThread` */
const ARCHIVE_MINUTES = 1_440;
const ELSEWHERE = [
  'channel_not_found',
  'message_not_found',
  'wrong_channel_type',
  'not_a_text_channel',
] as const;

export function createThreads(client: DiscordClient, clock: Clock): Threads {
  const places = createRecentValues<'thread' | 'channel'>(MAX_ENTRIES, clock);
  const texts = createRecentValues<string>(1_000, clock);

  /** Source: https://discord.com/developers/docs/resources/channel#start-thread-from-message */
  async function startThread(
    access: ConnectionAccess,
    { channelId, messageId }: { readonly channelId: string; readonly messageId: string },
    signal: AbortSignal,
    mayStillSend?: () => boolean,
  ): Promise<'thread' | 'channel'> {
    const title = await nameFor(access, channelId, messageId, signal);
    try {
      await client.call(
        access,
        {
          name: 'start thread',
          method: 'POST',
          path: ['channels', channelId, 'messages', messageId, 'threads'],
          body: { name: title, auto_archive_duration: ARCHIVE_MINUTES },
          idempotent: true, // the second time says that it is there
          mayStillSend,
        },
        signal,
      );
      return 'thread';
    } catch (error) {
      if (isRefusal(error, 'thread_exists')) return 'thread';
      // No permission, a message that was deleted, too many threads: it is answered in the channel then.
      if (isKonstructError(error, 'platform_rejected') && !isRefusal(error, 'unauthorized')) return 'channel';
      throw error;
    }
  }

  /** The first words of the message; where they cannot be had, a word that says nothing. */
  async function nameFor(
    access: ConnectionAccess,
    channelId: string,
    messageId: string,
    signal: AbortSignal,
  ): Promise<string> {
    const known = texts.get(messageId);
    if (known !== undefined) return threadName(normaliseText({ content: known }).text);
    const path = ['channels', channelId, 'messages', messageId];
    try {
      const call = { name: 'get message', method: 'GET', path, idempotent: true } as const;
      const message = asRecord(await client.call(access, call, signal));
      return message === null ? UNNAMED : threadName(normaliseText(message).text);
    } catch (error) {
      if (isKonstructError(error, 'platform_rejected') && !isRefusal(error, 'unauthorized')) return UNNAMED;
      throw error;
    }
  }

  const keyOf = ({ connectionId }: ConnectionAccess, messageId: string) => `${connectionId} ${messageId}`;

  return {
    async land(access, target, signal, mayStillSend) {
      const destination = requireDestination(target);
      switch (destination.kind) {
        case 'channel':
          return { channelId: destination.channelId, repliesTo: null };
        case 'thread':
          return { channelId: destination.threadId, repliesTo: null };
        case 'reply':
          return { channelId: destination.channelId, repliesTo: destination.messageId };
        case 'beginning': {
          const { channelId, messageId } = destination;
          const key = keyOf(access, messageId);
          const place = places.get(key) ?? (await startThread(access, destination, signal, mayStillSend));
          places.set(key, place, place === 'thread' ? THERE_MS : NOT_THERE_MS);
          return place === 'thread'
            ? { channelId: messageId, repliesTo: null }
            : { channelId, repliesTo: messageId };
        }
        default:
          return destination satisfies never;
      }
    },
    landElsewhere(access, target) {
      const destination = requireDestination(target);
      if (destination.kind !== 'beginning') return null;
      const { channelId, messageId } = destination;
      if (places.get(keyOf(access, messageId)) === 'channel') return null;
      places.set(keyOf(access, messageId), 'channel', NOT_THERE_MS);
      return { channelId, repliesTo: messageId };
    },
    async at(access, target, messageId, run) {
      const destination = requireDestination(target);
      const known =
        destination.kind === 'beginning' ? places.get(keyOf(access, destination.messageId)) : undefined;
      const candidates = channelsOf(destination, messageId, known);
      for (const [index, channelId] of candidates.entries()) {
        try {
          return await run(channelId);
        } catch (error) {
          if (index === candidates.length - 1 || !isRefusal(error, ...ELSEWHERE)) throw error;
        }
      }
      throw rejected('find message', 'message_not_found');
    },
    remember: (messageId, text) => texts.set(messageId, text.slice(0, 500), NOT_THERE_MS),
  };
}

/** @throws KonstructError `platform_rejected`: no target of ours */
export function requireDestination(target: ThreadTarget): Destination {
  const destination = destinationOf(target);
  if (destination === null) throw rejected('find channel', 'channel_not_found');
  return destination;
}

/** The message that a thread begins with stands in the channel, or, in a forum, in the thread itself. */
function channelsOf(
  destination: Destination,
  messageId: string | null,
  known: 'thread' | 'channel' | undefined,
): readonly string[] {
  const { channelId } = destination;
  switch (destination.kind) {
    case 'channel':
    case 'reply':
      return [channelId];
    case 'thread':
      return messageId === destination.threadId ? [channelId, destination.threadId] : [destination.threadId];
    case 'beginning': {
      const begun = destination.messageId;
      if (messageId === begun) return [channelId];
      return known === 'channel' ? [channelId, begun] : [begun, channelId];
    }
    default:
      return destination satisfies never;
  }
}

function threadName(text: string): string {
  const line =
    text
      .replaceAll(/(^|\s)@\d{15,20}[,:]?/g, ' ')
      .split('\n')
      .map((each) => each.replaceAll(/\s+/g, ' ').trim())
      .find((each) => each !== '') ?? '';
  if (line === '') return UNNAMED;
  return line.length > NAME_CHARACTERS
    ? `${line
        .slice(0, NAME_CHARACTERS - 1)
        .toWellFormed()
        .trimEnd()}…`
    : line;
}

import type { Clock, Sleep } from '../../core/clock.ts';
import { isKonstructError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { AnswerStream, ConnectionAccess, StreamStart } from '../../core/outbound.ts';
import { ExpiringTimes } from '../expiring-times.ts';
import type { JsonRecord } from '../read-json.ts';
import { NOTHING } from './choice-card.ts';
import type { TeamsClient } from './client.ts';
import { asTeamsId } from './conversation-id.ts';
import { editMessage, removeMessage } from './send.ts';

export interface TeamsStreams {
  open(access: ConnectionAccess, start: StreamStart): AnswerStream;
}

/** Between two calls of one stream: Teams takes one a second, and wants to be asked less often. */
const STREAM_EVERY_MS = 1_500;
const FIRST_AFTER_MS = 1_000;
/** An answer that is there by then needs no stream. */
const BEGIN_AFTER_MS = 400;
const EDIT_EVERY_MS = 2_000;
/** Teams ends a stream after two minutes: the rest of a longer answer is shown by edits of the same message. */
const ROLL_OVER_MS = 100_000;
/** Where Teams refused to stream, it is not asked again for so long: it may have been another stream that is open still. */
const OFF_MS = 10 * 60_000;
/** Of a glimpse; what is longer is seen when it is sent. */
const MAX_CHARACTERS = 11_000;
const CALL_MS = 10_000;
/** What the calls are called in errors and logs. */
const STREAM = 'streamActivity';
/** Calls of one stream that may fail in a row for reasons that pass. */
const MAX_FAILURES = 3;

/** A stream that Teams has begun. */
interface Begun {
  readonly id: string;
  readonly atMs: number;
  sequence: number;
  /** What may stand there: what comes next has to begin with it. */
  sent: string;
}

/**
 * Shows an answer by Teams' own streaming, in personal chats. A stream is a message of its own whose id is the stream's, so it
 * takes the placeholder's place: it begins with an informative update that holds no word of the answer, then the placeholder
 * goes, then its id is remembered, and only then it is written. Whenever a process is killed, one message at most holds
 * anything of the answer, and it is the one on record. Its end is the last text that was shown, so that the answer itself,
 * in whatever form, is an ordinary edit that can be repeated.
 *
 * Source: https://learn.microsoft.com/microsoftteams/platform/bots/streaming-ux
 */
export function createTeamsStreams(parts: {
  readonly client: TeamsClient;
  readonly clock: Clock;
  readonly sleep: Sleep;
  readonly log: Log;
}): TeamsStreams {
  const { client, clock, sleep, log } = parts;
  const off = new ExpiringTimes();

  return {
    open(access, start) {
      const { target, marker, mayStillSend } = start;
      const { connectionId } = access;
      const place = `${connectionId} ${target.channelId}`;
      const closing = new AbortController();
      let mode: 'native' | 'edits' | 'silent' = (off.get(place) ?? 0) > clock() ? 'edits' : 'native';
      let { messageId } = start;
      let stream: Begun | null = null;
      let wanted = '';
      let edited = '';
      let failures = 0;
      let working: Promise<void> | null = null;

      const call = (activity: JsonRecord, idempotent: boolean) =>
        client.call(
          access,
          {
            name: STREAM,
            method: 'POST',
            place: target,
            activity,
            idempotent,
            isStreamed: true,
            mayStillSend,
          },
          deadline(),
        );
      const remove = (id: string) =>
        removeMessage(client, access, { target, messageId: id, mayStillSend }, deadline());

      const complain = (error: unknown): void => {
        const code = isKonstructError(error) ? error.code : 'internal';
        const details = isKonstructError(error) ? error.details : {};
        const { platformError = null, streamEnd = null } = details;
        log.warn('teams.stream_failed', { connectionId, code, platformError, streamEnd });
      };

      async function begin(): Promise<void> {
        const atMs = clock();
        const answer = await call(
          typing(NOTHING, { streamType: 'informative', streamSequence: 1 }),
          false,
        ).catch((error: unknown) => {
          if (!isKonstructError(error, 'platform_rejected')) throw error;
          off.set(place, atMs + OFF_MS, atMs);
          complain(error);
          return null;
        });
        const id = asTeamsId(answer?.id);
        if (id === null) {
          mode = 'edits';
          return;
        }
        try {
          await remove(start.messageId);
          await start.onMessage(id);
        } catch (error) {
          // The placeholder may still stand there, or nobody would find the stream again: it goes while it is empty.
          mode = 'edits';
          await removeMessage(client, access, { target, messageId: id }, deadline()).catch(complain);
          throw error;
        }
        messageId = id;
        stream = { id, atMs, sequence: 1, sent: '' };
      }

      async function write(into: Begun, text: string): Promise<void> {
        const before = into.sent;
        into.sequence += 1;
        into.sent = text; // also where nobody knows whether it arrived
        const { id: streamId, sequence: streamSequence } = into;
        try {
          await call(typing(text, { streamId, streamType: 'streaming', streamSequence }), false);
        } catch (error) {
          if (isKonstructError(error, 'platform_rejected')) into.sent = before;
          throw error;
        }
      }

      async function end(): Promise<void> {
        if (stream === null) return;
        const { id: streamId, sent } = stream;
        stream = null;
        const entities = [{ type: 'streaminfo', streamId, streamType: 'final' }];
        await call({ type: 'message', text: sent || NOTHING, entities }, true);
      }

      async function step(): Promise<void> {
        if (mode === 'native' && stream !== null) {
          const text = harmless(wanted);
          // What was shown cannot be taken back: another text, and a long time, go on by edits.
          if (text.startsWith(stream.sent) && clock() - stream.atMs < ROLL_OVER_MS) {
            const isNews = text !== stream.sent && text.trim() !== '';
            if (isNews && text.length <= MAX_CHARACTERS) await write(stream, text);
            return;
          }
          mode = 'edits';
        }
        if (mode !== 'edits') return;
        await end();
        if (wanted === edited || wanted.trim() === '') return;
        const markdown = `${wanted.slice(0, MAX_CHARACTERS)} …`;
        const edit = { target, messageId, markdown, marker, mayStillSend, isProvisional: true };
        await editMessage(client, access, edit, deadline());
        edited = wanted;
      }

      /** How it goes on after a call that failed. */
      async function recover(error: unknown): Promise<void> {
        complain(error);
        if (!isKonstructError(error, 'platform_rejected')) {
          failures += 1;
          if (isKonstructError(error, 'lease_lost') || failures === MAX_FAILURES) mode = 'silent';
          return;
        }
        const { method, streamEnd } = error.details;
        if (streamEnd === 'over' || streamEnd === 'ended') stream = null;
        if (streamEnd === 'stopped') {
          stream = null;
          mode = 'silent';
          await start.onStop?.(messageId);
        } else if (streamEnd === 'too_large' || method !== STREAM) {
          mode = 'silent'; // what is open is ended by `close`
        } else {
          mode = 'edits';
        }
      }

      async function work(): Promise<void> {
        const pause = (ms: number) => sleep(ms, closing.signal).catch(() => {});
        if (mode === 'native' && stream === null) await pause(BEGIN_AFTER_MS);
        for (let last: string | null = null; last !== wanted && !closing.signal.aborted; ) {
          const begins = mode === 'native' && stream === null;
          last = begins ? null : wanted;
          try {
            await (begins ? begin() : step());
            failures = 0;
          } catch (error) {
            await recover(error);
            last = null;
          }
          if (mode === 'silent') return;
          if (begins && mode === 'edits') continue; // nothing has been shown yet
          await pause(begins ? FIRST_AFTER_MS : mode === 'native' ? STREAM_EVERY_MS : EDIT_EVERY_MS);
        }
      }

      return {
        show(markdown) {
          wanted = markdown;
          if (mode === 'silent' || closing.signal.aborted) return;
          working ??= work()
            .catch(complain)
            .finally(() => {
              working = null;
            });
        },
        async close() {
          closing.abort();
          await working;
          // One that was not ended is ended by the answer.
          await end().catch(recover).catch(complain);
          return { messageId };
        },
      };
    },
  };
}

const deadline = (): AbortSignal => AbortSignal.timeout(CALL_MS);

function typing(text: string, stream: JsonRecord): JsonRecord {
  return { type: 'typing', text, entities: [{ type: 'streaminfo', ...stream }] };
}

/**
 * A text that grows, as Teams' own markdown, in which a stream may be formatted. No picture is fetched for it and no tag is read
 * in it; without an end that what follows may still change.
 */
function harmless(markdown: string): string {
  return markdown.replace(/!+$/, '').replaceAll('![', '!\u200b[').replaceAll('<', '<\u200b');
}

import type { Clock, Sleep } from '../../core/clock.ts';
import { isKonstructError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { AnswerStream, ConnectionAccess, StreamStart } from '../../core/outbound.ts';
import { ExpiringTimes } from '../expiring-times.ts';
import type { JsonRecord } from '../read-json.ts';
import type { Authorship } from './authorship.ts';
import type { SlackClient } from './client.ts';
import { neutraliseMentions } from './outbound-text.ts';
import { editMessage, markerMetadata, removeMessage } from './send.ts';
import { timestampId } from './timestamp.ts';

export interface SlackStreams {
  open(access: ConnectionAccess, start: StreamStart): AnswerStream;
}

/** Between two calls of one stream. An append is cheap for Slack, an edit is not. */
const APPEND_EVERY_MS = 700;
const EDIT_EVERY_MS = 1_500;
/** Slack ends a stream after five minutes: the rest of a longer answer is shown by edits of the same message. */
const ROLL_OVER_MS = 4.5 * 60_000;
/** Where Slack refused to stream, it is not asked again for so long. */
const OFF_MS = 60 * 60 * 1000;
/** Of a glimpse; what is longer is seen when it is sent. */
const MAX_CHARACTERS = 11_000;
const CALL_MS = 10_000;

/**
 * Shows an answer by Slack's own streaming. A stream is a message of its own, so once Slack has begun one it is remembered
 * as the answer's place, and the placeholder goes. Slack gives a stream no metadata until it ends, so a process that is
 * killed within the moment between the two leaves something that nobody knows of: hence connections have to ask for it
 * (`settings.streaming: native`).
 *
 * Sources: https://docs.slack.dev/reference/methods/chat.startStream, …/chat.appendStream, …/chat.stopStream
 */
export function createSlackStreams(parts: {
  readonly client: SlackClient;
  readonly authorship: Authorship;
  readonly clock: Clock;
  readonly sleep: Sleep;
  readonly log: Log;
}): SlackStreams {
  const { client, authorship, clock, sleep, log } = parts;
  const off = new ExpiringTimes();

  return {
    open(access, start) {
      const { target, marker, mayStillSend } = start;
      const { connectionId } = access;
      const closing = new AbortController();
      let mode: 'native' | 'edits' | 'silent' = (off.get(connectionId) ?? 0) > clock() ? 'edits' : 'native';
      let { messageId } = start;
      /** When the stream began; `null`: there is none, or none any more. */
      let begunAtMs: number | null = null;
      let wanted = '';
      let shown = '';
      let working: Promise<void> | null = null;

      const call = (method: string, args: JsonRecord, signal: AbortSignal) =>
        client.call(
          access,
          {
            method,
            arguments: { channel: target.channelId, ...args },
            idempotent: false,
            maxWaitMs: 0,
            mayStillSend,
          },
          signal,
        );
      const deadline = () => AbortSignal.timeout(CALL_MS);

      async function begin(): Promise<void> {
        if (target.threadId === null) {
          mode = 'edits';
          return;
        }
        const args = {
          thread_ts: target.threadId,
          // Whom it is for; Slack wants to know it in channels. Of an organisation we know no workspace: it refuses, then.
          recipient_user_id: start.recipientId,
          ...(access.externalId.startsWith('T') && { recipient_team_id: access.externalId }),
        };
        const answer = await authorship
          .send(access, start.author, deadline(), (author) =>
            call('chat.startStream', { ...args, ...author }, deadline()),
          )
          .catch((error: unknown) => {
            if (!isKonstructError(error, 'platform_rejected')) throw error;
            const now = clock();
            off.set(connectionId, now + OFF_MS, now);
            log.warn('slack.stream_refused', { connectionId, platformError: error.details.platformError });
            return null;
          });
        const ts = timestampId(answer?.ts);
        if (ts === null) {
          mode = 'edits';
          return;
        }
        try {
          await start.onMessage(ts);
        } catch (error) {
          // Nobody would find it again: it goes before anything can be read in it.
          mode = 'silent';
          await removeMessage(client, access, { target, messageId: ts }, deadline());
          throw error;
        }
        messageId = ts;
        begunAtMs = clock();
        await removeMessage(client, access, { target, messageId: start.messageId }, deadline());
      }

      async function end(): Promise<void> {
        if (begunAtMs === null) return;
        begunAtMs = null;
        const args = { ts: messageId, metadata: markerMetadata(marker) };
        await call('chat.stopStream', args, deadline());
      }

      async function step(): Promise<void> {
        if (mode === 'native' && begunAtMs === null) await begin();
        const text = settled(neutraliseMentions(wanted));
        if (mode === 'native' && begunAtMs !== null) {
          // What was shown cannot be taken back: another text, and a long time, go on by edits.
          if (text.startsWith(shown) && clock() - begunAtMs < ROLL_OVER_MS) {
            if (text === shown || text.length > MAX_CHARACTERS) return;
            await call(
              'chat.appendStream',
              { ts: messageId, markdown_text: text.slice(shown.length) },
              deadline(),
            );
            shown = text;
            return;
          }
          await end();
          mode = 'edits';
        }
        if (mode !== 'edits' || text === shown || text === '') return;
        const markdown = `${text.slice(0, MAX_CHARACTERS)} …`;
        await editMessage(client, access, { target, messageId, markdown, marker, mayStillSend }, deadline());
        shown = text;
      }

      async function work(): Promise<void> {
        for (let last: string | null = null; last !== wanted && !closing.signal.aborted; ) {
          last = wanted;
          try {
            await step();
          } catch (error) {
            const code = isKonstructError(error) ? error.code : 'internal';
            log.warn('slack.stream_failed', { connectionId, code });
            // A limit passes, and the next words say what these would have said.
            if (code !== 'platform_rate_limited') mode = 'silent';
          }
          if (mode === 'silent') return;
          await sleep(mode === 'native' ? APPEND_EVERY_MS : EDIT_EVERY_MS, closing.signal).catch(() => {});
        }
      }

      return {
        show(markdown) {
          wanted = markdown;
          if (mode === 'silent' || closing.signal.aborted) return;
          working ??= work().finally(() => {
            working = null;
          });
        },
        async close() {
          closing.abort();
          await working;
          try {
            await end();
          } catch (error) {
            // The answer ends it, see `editMessage`.
            const code = isKonstructError(error) ? error.code : 'internal';
            log.warn('slack.stream_unended', { connectionId, code });
          }
          return { messageId };
        },
      };
    },
  };
}

/** Without an end that may still become a mention, or code: what follows decides how it is shown. */
function settled(text: string): string {
  return text.replace(/(?:<[^<>\n]{0,80}|@[\w\u200b]{0,40}|`{1,3}[^`\n]{0,80})$/, '');
}

import type { ChannelStatus } from '../../core/channel.ts';
import type { MessageEvent, OpeningEvent } from '../../core/channel-event.ts';
import type { Clock } from '../../core/clock.ts';
import { isKonstructError } from '../../core/errors.ts';
import type { ConnectionAccess } from '../../core/outbound.ts';
import { ExpiringTimes } from '../expiring-times.ts';
import type { JsonRecord } from '../read-json.ts';
import type { SlackClient } from './client.ts';

/** A conversation that somebody opens, with prompts and a status; in apps with the older `assistant_view` a title too. */
export interface SlackAssistant {
  welcome(
    access: ConnectionAccess,
    opening: OpeningEvent,
    prompts: readonly string[],
    signal: AbortSignal,
  ): Promise<void>;
  entitle(access: ConnectionAccess, message: MessageEvent, signal: AbortSignal): Promise<void>;
  readonly status: ChannelStatus;
}

/** As many as Slack shows. https://docs.slack.dev/reference/methods/assistant.threads.setSuggestedPrompts */
const MAX_PROMPTS = 4;
const MAX_TITLE_CHARACTERS = 60;
/** Slack takes a status away after two minutes. https://docs.slack.dev/reference/methods/assistant.threads.setStatus */
const STATUS_MS = 100_000;
/** The app has no such view, or not the scope: after this somebody may have changed it. */
const OFF_MS = 60 * 60 * 1000;

/** Source: https://docs.slack.dev/ai/developing-agents */
export function createSlackAssistant(client: SlackClient, clock: Clock): SlackAssistant {
  const off = new ExpiringTimes();

  async function call(
    access: ConnectionAccess,
    method: string,
    args: JsonRecord,
    signal: AbortSignal,
  ): Promise<void> {
    const key = `${access.connectionId} ${method}`; // for a status `chat:write` will do
    if ((off.get(key) ?? 0) > clock()) return;
    try {
      await client.call(access, { method, arguments: args, idempotent: true, maxWaitMs: 0 }, signal);
    } catch (error) {
      if (!isKonstructError(error, 'platform_rejected')) throw error;
      if (!LACKING.has(String(error.details.platformError))) throw error;
      const now = clock();
      off.set(key, now + OFF_MS, now);
    }
  }

  return {
    async welcome(access, { channelId, threadId }, prompts, signal) {
      if (prompts.length === 0) return;
      const shown = prompts.slice(0, MAX_PROMPTS).map((message) => ({ title: titleOf(message), message }));
      // In an app with `agent_view` prompts for a thread are accepted and never shown.
      const args = {
        channel_id: channelId,
        ...(threadId !== null && { thread_ts: threadId }),
        prompts: shown,
      };
      await call(access, 'assistant.threads.setSuggestedPrompts', args, signal);
    },
    async entitle(access, { channelId, threadId, text, sender, channelMetadata }, signal) {
      // In the older view the app begins each conversation; a thread that a person began has no title.
      if (threadId === null || text === '' || channelMetadata.threadOwnerId === sender.externalId) return;
      const args = { channel_id: channelId, thread_ts: threadId, title: titleOf(text) };
      await call(access, 'assistant.threads.setTitle', args, signal).catch((error: unknown) => {
        // A person's first words below an answer: a thread, and no conversation of the view.
        if (!isKonstructError(error) || error.details.platformError !== 'invalid_thread_ts') throw error;
      });
    },
    status: {
      lastsMs: STATUS_MS,
      // Slack would take it in any thread; in channels it would be two calls more for what the placeholder says.
      isShownIn: ({ channelId, threadId }) => threadId !== null && channelId.startsWith('D'),
      async set(access, { channelId, threadId }, isWorking, signal) {
        const status = isWorking ? 'is thinking…' : '';
        const args = { channel_id: channelId, thread_ts: threadId, status };
        await call(access, 'assistant.threads.setStatus', args, signal);
      },
    },
  };
}

const LACKING = new Set(['missing_scope', 'not_allowed_token_type', 'unknown_method', 'feature_not_enabled']);

function titleOf(text: string): string {
  const [line = ''] = text.trim().split('\n', 1);
  const characters = Array.from(line);
  return characters.length <= MAX_TITLE_CHARACTERS
    ? line
    : `${characters.slice(0, MAX_TITLE_CHARACTERS - 1).join('')}…`;
}

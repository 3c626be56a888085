import type { ChannelSubscription } from '../../core/channel.ts';
import type { ChannelEvent } from '../../core/channel-event.ts';
import type { Sleep } from '../../core/clock.ts';
import { isKonstructError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { ConnectionAccess } from '../../core/outbound.ts';
import { asRecords } from '../read-json.ts';
import type { TelegramClient } from './client.ts';
import { asInteger } from './ids.ts';
import { ALLOWED_UPDATES, parseUpdate } from './parse.ts';
import { isRefusal } from './send.ts';
import { webhookSecret } from './verify.ts';

export interface SubscriptionOptions {
  readonly client: TelegramClient;
  readonly sleep: Sleep;
  readonly log: Log;
}

/** How long Telegram holds a question that has no answer yet. */
const POLL_SECONDS = 25;
const POLL_TIMEOUT_MS = (POLL_SECONDS + 10) * 1000;
const BATCH = 100;
const RETRY_MS = 1_000;
const MAX_RETRY_MS = 30_000;
/** Requests that Telegram may have under way to us at the same time. */
const MAX_CONNECTIONS = 40;

/** Source: https://core.telegram.org/bots/api#getting-updates */
export function createSubscription({ client, sleep, log }: SubscriptionOptions): ChannelSubscription {
  const call = (
    access: ConnectionAccess,
    method: string,
    given: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
    timeoutMs?: number,
  ): Promise<unknown> =>
    client.call(
      access,
      {
        method,
        arguments: given,
        idempotent: true,
        place: null,
        ...(timeoutMs !== undefined && { timeoutMs, waits: true }),
      },
      signal,
    );

  /** Asks for what comes after the last update that is durable. Returns what to ask for next. */
  async function pollOnce(
    access: ConnectionAccess,
    offset: number | null,
    receive: (events: readonly ChannelEvent[]) => Promise<void>,
    signal: AbortSignal,
  ): Promise<number | null> {
    const question = {
      timeout: POLL_SECONDS,
      limit: BATCH,
      allowed_updates: ALLOWED_UPDATES,
      ...(offset === null ? {} : { offset }),
    };
    const updates = asRecords(await call(access, 'getUpdates', question, signal, POLL_TIMEOUT_MS));
    let next = offset;
    for (const update of updates) {
      const updateId = asInteger(update.update_id);
      if (updateId === null) continue;
      await receive(parseUpdate(update));
      next = updateId + 1;
    }
    return next;
  }

  return {
    async toWebhook(access, url, signal) {
      const secret = webhookSecret(access.credentials, access.connectionId);
      const webhook = {
        url,
        secret_token: secret,
        allowed_updates: ALLOWED_UPDATES,
        max_connections: MAX_CONNECTIONS,
      };
      await call(access, 'setWebhook', webhook, signal);
    },

    async byPolling(access, receive, signal) {
      let offset: number | null = null;
      let failures = 0;
      let hasWebhook = true; // a bot has either: as long as one is set, nothing can be fetched
      while (!signal.aborted) {
        try {
          if (hasWebhook) await call(access, 'deleteWebhook', { drop_pending_updates: false }, signal);
          hasWebhook = false;
          const next: number | null = await pollOnce(access, offset, receive, signal);
          // What the next question leaves out Telegram forgets: only what is durable is left out.
          offset = next;
          failures = 0;
        } catch (error) {
          if (signal.aborted) return;
          if (isRefusal(error, 'unauthorized') || isRefusal(error, 'not_found')) throw error;
          failures += 1;
          // Somebody else fetches for this bot, or has set a webhook for it: two would take turns losing.
          hasWebhook = isKonstructError(error, 'platform_rejected');
          log.warn('telegram.poll_failed', {
            connectionId: access.connectionId,
            code: isKonstructError(error) ? error.code : 'internal',
            platformError: isKonstructError(error) ? error.details.platformError : null,
            failures,
          });
          const pauseMs = Math.min(RETRY_MS * 2 ** Math.min(failures - 1, 10), MAX_RETRY_MS);
          const asked = isKonstructError(error) ? (error.retryAfterMs ?? 0) : 0;
          await sleep(Math.max(pauseMs, asked), signal).catch(() => {});
        }
      }
    },
  };
}

import type { Channel } from '../core/channel.ts';
import type { Cipher } from '../core/cipher.ts';
import type { Clock } from '../core/clock.ts';
import { isKonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { type Metrics, noMetrics } from '../core/metrics.ts';
import type { Notice, NoticeResult } from '../core/notice.ts';
import { openConnection, requireChannel } from './create-delivery.ts';

export interface SendNoticesOptions {
  readonly claim: (limit: number) => Promise<readonly Notice[]>;
  readonly finish: (notice: Notice, result: NoticeResult) => Promise<void>;
  readonly channels: ReadonlyMap<string, Channel>;
  readonly cipher: Cipher;
  /** Times of notices are the database's. */
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics?: Metrics;
}

const BATCH = 20;
const MAX_ATTEMPTS = 3;
/** Further than this nobody counts how many wait. */
const COUNTED_AHEAD = 1_000;
/** "Wait 2 seconds" helps nobody a minute later. */
const MAX_AGE_MS = 60_000;

/** Sends the notices that are due. Returns whether some must be tried again later. */
export function createSendNotices(options: SendNoticesOptions): (signal: AbortSignal) => Promise<boolean> {
  return async (signal) => {
    for (;;) {
      const notices = await options.claim(BATCH);
      if (notices.length === 0) return false;
      const results = await Promise.all(notices.map((notice) => send(notice, signal)));
      if (results.includes('pending')) return true;
    }
  };

  async function send(notice: Notice, signal: AbortSignal): Promise<NoticeResult['status']> {
    let status: NoticeResult['status'] = 'sent';
    let errorCode: string | null = null;
    if (
      notice.moot ||
      options.clock() - notice.createdAtMs > MAX_AGE_MS ||
      notice.connection.status === 'disabled'
    ) {
      status = 'failed';
      errorCode = 'expired';
    } else {
      try {
        const channel = requireChannel(options.channels, notice.connection.channel);
        const access = openConnection(options.cipher, notice.tenantId, notice.connection);
        const target = { channelId: notice.channelId, threadId: notice.threadId };
        const markdown = noticeText(notice);
        if (notice.detail.code === 'busy') {
          const marker = { deliveryId: String(notice.id) };
          await channel.post(access, { target, markdown, marker }, signal);
        } else {
          const { personId } = notice.detail;
          await channel.postPrivately(access, { target, personId, markdown }, signal);
        }
      } catch (error) {
        errorCode = isKonstructError(error) ? error.code : 'internal';
        const unknown = isKonstructError(error) && error.details.outcomeUnknown === true;
        const repeat =
          isKonstructError(error) && error.retryable && !unknown && notice.attempts < MAX_ATTEMPTS;
        status = repeat ? 'pending' : 'failed'; // better not told than told twice
        options.log.warn('notice.failed', {
          tenantId: notice.tenantId,
          noticeId: notice.id,
          code: errorCode,
          status,
        });
      }
    }
    await options.finish(notice, { status, errorCode });
    const { metrics = noMetrics } = options;
    metrics
      .counter('konstruct_notices_total', {
        code: notice.detail.code,
        outcome: errorCode === 'expired' ? 'expired' : status,
      })
      .increment();
    return status;
  }
}

function noticeText({ detail }: Notice): string {
  if (detail.code === 'busy') {
    const place =
      detail.ahead < COUNTED_AHEAD ? `about number ${detail.ahead + 1}` : `behind more than ${COUNTED_AHEAD}`;
    return `I have a lot to do right now. You are ${place} in line; I will answer here.`;
  }
  const seconds = detail.waitSeconds === 1 ? '1 second' : `${detail.waitSeconds} seconds`;
  return `That was more than the ${detail.ratePerMinute} messages a minute I can take here, so I did not read your last message. Please wait ${seconds} and send it again.`;
}

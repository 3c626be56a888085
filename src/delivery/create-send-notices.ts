import type { Channel } from '../core/channel.ts';
import type { Cipher } from '../core/cipher.ts';
import type { Clock } from '../core/clock.ts';
import { isKonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Notice, NoticeResult } from '../core/notice.ts';
import { openConnection, requireChannel } from './create-delivery.ts';

export interface SendNoticesOptions {
  readonly claim: (limit: number) => Promise<readonly Notice[]>;
  readonly finish: (notice: Notice, result: NoticeResult) => Promise<void>;
  readonly channels: ReadonlyMap<string, Channel>;
  readonly cipher: Cipher;
  readonly clock: Clock;
  readonly log: Log;
}

const BATCH = 20;
const MAX_ATTEMPTS = 3;
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
    if (options.clock() - notice.createdAtMs > MAX_AGE_MS || notice.connection.status === 'disabled') {
      status = 'failed';
      errorCode = 'expired';
    } else {
      try {
        const channel = requireChannel(options.channels, notice.connection.channel);
        const access = openConnection(options.cipher, notice.tenantId, notice.connection);
        const target = { channelId: notice.channelId, threadId: notice.threadId };
        await channel.postPrivately(
          access,
          { target, personId: notice.detail.personId, markdown: noticeText(notice) },
          signal,
        );
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
    return status;
  }
}

function noticeText({ detail }: Notice): string {
  const seconds = detail.waitSeconds === 1 ? '1 second' : `${detail.waitSeconds} seconds`;
  return `That was more than the ${detail.ratePerMinute} messages a minute I can take here, so I did not read your last message. Please wait ${seconds} and send it again.`;
}

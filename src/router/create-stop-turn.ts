import type { Clock } from '../core/clock.ts';
import type { ClaimedTurn } from '../core/turn.ts';
import type { AdmitWish } from './admit.ts';
import { bucketKey, ratePerMinute } from './to-admit-message.ts';

/**
 * A stop that only the answer's own stream heard of: the same as a stop sign on the message where it was being written.
 *
 * @throws KonstructError `database_unavailable`, `disk_full`
 */
export function createStopTurn(options: {
  readonly admitWish: AdmitWish;
  readonly wallClock: Clock;
}): (turn: ClaimedTurn, messageId: string) => Promise<void> {
  return async ({ tenantId, connection, channelId, messages }, messageId) => {
    await options.admitWish({
      type: 'stop',
      tenantId,
      connectionId: connection.id,
      channelId,
      messageId,
      senderId: messages.findLast(({ ofTurn, direction }) => ofTurn && direction === 'in')?.senderId ?? '',
      sentAtMs: options.wallClock(),
      bucketKey: bucketKey(connection),
      ratePerMinute: ratePerMinute(connection),
    });
  };
}

import { isKonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { ClaimedTurn } from '../core/turn.ts';

export interface NoticeRefusalOptions {
  /** Stops answering for a connection whose credentials are no good any more; resolves to whether it was active. */
  readonly disableConnection?: (
    connection: { readonly tenantId: string; readonly id: string },
    reason: string,
  ) => Promise<boolean>;
  readonly log: Log;
}

const REASON = 'unauthorized';

/**
 * Disables a connection whose token its platform has refused: on some platforms nothing else says so. Not awaited: the turn
 * that met it has its own way to end.
 */
export function createNoticeRefusal({ disableConnection, log }: NoticeRefusalOptions) {
  return ({ tenantId, connection }: ClaimedTurn, error: unknown): void => {
    const isRefused = isKonstructError(error, 'platform_rejected') && error.details.platformError === REASON;
    if (!isRefused || disableConnection === undefined) return;
    const names = { tenantId, connectionId: connection.id };
    disableConnection({ tenantId, id: connection.id }, REASON).then(
      (changed) => {
        const remedy = 'Apply a new token for the connection.';
        if (changed) log.error('connection.disabled', { ...names, reason: REASON, remedy });
      },
      (failed: unknown) => log.warn('connection.disable_failed', { ...names, error: failed }),
    );
  };
}

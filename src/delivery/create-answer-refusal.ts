import type { ShutConnection } from '../core/connection-directory.ts';
import { isKonstructError, KonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { ClaimedTurn } from '../core/turn.ts';

interface RefusedConnection {
  readonly tenantId: string;
  readonly id: string;
  /** The envelope that the turn was claimed with. */
  readonly credentials: string;
}

export interface AnswerRefusalOptions {
  /** Whether a connection still has these credentials. */
  readonly hasCredentials: (connection: RefusedConnection) => Promise<boolean>;
  /** Stops answering for a connection, unless it has other credentials by now. */
  readonly disableConnection: (connection: RefusedConnection, reason: string) => Promise<ShutConnection>;
  readonly log: Log;
}

const REASON = 'unauthorized';

/**
 * What follows from an error of a platform for its connection: one whose token was refused is disabled, because on some
 * platforms nothing else says so. Returns the error to go on with. A turn that began before the credentials were replaced is not
 * refused, whatever the platform's word for it: it goes on with the new ones.
 */
export function createAnswerRefusal({ hasCredentials, disableConnection, log }: AnswerRefusalOptions) {
  return async ({ tenantId, connection }: ClaimedTurn, error: unknown): Promise<unknown> => {
    if (!isKonstructError(error, 'platform_rejected')) return error;
    const refused = { tenantId, id: connection.id, credentials: connection.credentials };
    const names = { tenantId, connectionId: connection.id };
    try {
      if (error.details.platformError === REASON) {
        const shut = await disableConnection(refused, REASON);
        const remedy = 'Apply a new token for the connection.';
        if (shut.outcome === 'disabled')
          log.error('connection.disabled', { ...names, reason: REASON, waiting: shut.waiting, remedy });
        if (shut.outcome !== 'replaced') return error;
      } else if (await hasCredentials(refused)) return error;
      return new KonstructError('credentials_replaced', undefined, { cause: error });
    } catch (failed) {
      log.warn('connection.disable_failed', { ...names, error: failed });
      return error;
    }
  };
}

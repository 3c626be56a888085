import { isDeepStrictEqual } from 'node:util';
import type { ChannelInstallation, IssuedCredentials } from '../core/channel.ts';
import type { RenewCredentials } from '../core/channel-definition.ts';
import type { Cipher } from '../core/cipher.ts';
import type { Clock } from '../core/clock.ts';
import { openAccess } from '../core/connection-access.ts';
import type { ResolvedConnection, ShutConnection } from '../core/connection-directory.ts';
import { isKonstructError, KonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Connection, Credentials } from '../core/tenant.ts';

export interface CredentialRenewalOptions {
  /** Of each channel whose credentials can expire. */
  readonly installations: () => ReadonlyMap<string, ChannelInstallation>;
  readonly find: (channel: string, connectionId: string) => Promise<ResolvedConnection | null>;
  readonly listExpiring: (channel: string, beforeMs: number) => Promise<readonly ResolvedConnection[]>;
  /** One process at a time; what `renew` returns is stored before it is returned. */
  readonly renewStored: (
    connection: Pick<Connection, 'tenantId' | 'id'>,
    steps: {
      readonly isGood: (credentials: Credentials, expiresAtMs: number | null) => boolean;
      readonly renew: (credentials: Credentials) => Promise<IssuedCredentials>;
    },
  ) => Promise<Credentials>;
  /** Unless it has other credentials by now. */
  readonly disableConnection: (connection: ResolvedConnection, reason: string) => Promise<ShutConnection>;
  readonly cipher: Cipher;
  readonly wallClock: Clock;
  readonly log: Log;
}

export interface CredentialRenewal {
  /** For calls that need it now. */
  renew(channel: string): RenewCredentials;
  /** Renews what expires soon, so that no call has to. A job: one process of the installation at a time. */
  renewExpiring(signal: AbortSignal): Promise<void>;
}

/** Slack's tokens hold for 12 hours: two of them are left for trying again, and for somebody to act on the log. */
const AHEAD_MS = 2 * 60 * 60 * 1000;
/** A token that holds no longer than this is as good as expired. */
const MARGIN_MS = 60_000;

/** Shorter than what a statement that waits for the lock may take. */
const RENEW_MS = 12_000;
/** What renews them is no good any more. Whatever else a platform says may be mended by somebody. */
const LOST = new Set(['invalid_refresh_token', 'invalid_grant', 'token_revoked', 'account_inactive']);
const REMEDY = 'Install the app again with `konstruct install-link`.';

/**
 * Keeps credentials that expire in force. What renews them works once, so: one process at a time, and the new ones are
 * stored before they are used. Those that the database could not take are kept here and stored by the next attempt; they
 * are lost only with the process.
 */
export function createCredentialRenewal(options: CredentialRenewalOptions): CredentialRenewal {
  const { cipher, wallClock, log } = options;
  const underWay = new Map<string, Promise<Credentials>>();
  const unsaved = new Map<string, { readonly before: Credentials; readonly issued: IssuedCredentials }>();

  async function renewOne(connection: ResolvedConnection, held: Credentials): Promise<Credentials> {
    const { id, tenantId, channel } = connection;
    const about = { tenantId, connectionId: id, channel };
    const installation = options.installations().get(channel);
    if (installation === undefined) {
      throw new KonstructError('platform_rejected', 'Nothing is configured to renew the credentials with.', {
        details: { platformError: 'not_renewable' },
      });
    }
    try {
      const credentials = await options.renewStored(connection, {
        isGood: (stored, expiresAtMs) =>
          !isDeepStrictEqual({ ...stored }, { ...held }) &&
          (expiresAtMs === null || expiresAtMs > wallClock() + MARGIN_MS),
        async renew(stored) {
          const earlier = unsaved.get(id);
          if (earlier !== undefined && isDeepStrictEqual({ ...earlier.before }, { ...stored }))
            return earlier.issued;
          // Nobody's hurry ends it: what the platform gives out only once would be lost on its way.
          const issued = await installation.renew(stored, AbortSignal.timeout(RENEW_MS));
          unsaved.set(id, { before: stored, issued });
          return issued;
        },
      });
      unsaved.delete(id);
      log.info('credentials.renewed', about);
      return credentials;
    } catch (error) {
      const { code, details } = isKonstructError(error) ? error : new KonstructError('internal');
      const { platformError } = details;
      const remedy = LOST.has(String(platformError)) ? REMEDY : 'It is tried again every ten minutes.';
      log.error('credentials.not_renewed', { ...about, code, platformError, remedy });
      throw error;
    }
  }

  /** Those who need it at the same time wait for the same renewal. */
  function renewShared(connection: ResolvedConnection, held: Credentials): Promise<Credentials> {
    const known = underWay.get(connection.id);
    if (known !== undefined) return known;
    const renewing = renewOne(connection, held).finally(() => underWay.delete(connection.id));
    underWay.set(connection.id, renewing);
    return renewing;
  }

  return {
    renew: (channel) => async (access, signal) => {
      const connection = await options.find(channel, access.connectionId);
      if (connection === null) throw new KonstructError('not_found');
      return unlessAborted(renewShared(connection, access.credentials), signal);
    },
    async renewExpiring(signal) {
      for (const channel of options.installations().keys()) {
        for (const connection of await options.listExpiring(channel, wallClock() + AHEAD_MS)) {
          if (signal.aborted) return;
          try {
            await renewShared(connection, openAccess(cipher, connection).credentials);
          } catch (error) {
            // One connection must not keep the others from being renewed.
            if (isKonstructError(error) && LOST.has(String(error.details.platformError)))
              await disableIfExpired(channel, connection);
          }
        }
      }
    },
  };

  /** What cannot be renewed works until it has expired; then the connection is off, and says why. */
  async function disableIfExpired(channel: string, { id }: ResolvedConnection): Promise<void> {
    const expired = await options.listExpiring(channel, wallClock());
    const connection = expired.find((each) => each.id === id);
    if (connection === undefined) return;
    const shut = await options.disableConnection(connection, 'token_expired');
    if (shut.outcome === 'disabled') {
      log.error('connection.disabled', {
        tenantId: connection.tenantId,
        connectionId: id,
        reason: 'token_expired',
        waiting: shut.waiting,
        remedy: REMEDY,
      });
    }
  }
}

/** The caller goes on; what it waited for does, too. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) throw new KonstructError('aborted');
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = (): void => reject(new KonstructError('aborted'));
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

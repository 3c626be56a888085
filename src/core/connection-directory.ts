import type { AccountRef } from './channel-event.ts';
import type { BusyMode, Connection } from './tenant.ts';

/** A connection as the gateway and the router need it: with its credentials, still encrypted. */
export interface ResolvedConnection extends Connection {
  /** Base64 envelope of `core/cipher.ts`. */
  readonly credentials: string;
  /** Whether requests for it are signed with a secret of its own. */
  readonly ownSigningSecret: boolean;
  /** When somebody installed it in a browser, in ms since 1970; absent or `null`: its credentials were applied. */
  readonly installedAtMs?: number | null;
  /** The platform's ids of the tenant's other agents on this channel: what asks one of them by name is for that one. */
  readonly colleagueUserIds: readonly string[];
  /** Of the agent that answers. */
  readonly busyMode: BusyMode;
}

/** Finds the connection, and with it the tenant, that an event belongs to. `null`: we do not know the installation. */
export interface ConnectionDirectory {
  resolve(
    channel: string,
    account: Pick<AccountRef, 'externalIds' | 'appId'>,
  ): Promise<ResolvedConnection | null>;
  /** The same without asking the database: `undefined` when it would have to be asked. */
  known(
    channel: string,
    account: Pick<AccountRef, 'externalIds' | 'appId'>,
  ): Promise<ResolvedConnection | null> | undefined;
  find(channel: string, connectionId: string): Promise<ResolvedConnection | null>;
  /** `find` without asking the database: `undefined` when it would have to be asked. */
  knownById(channel: string, connectionId: string): Promise<ResolvedConnection | null> | undefined;
}

/** What became of a connection that was to be shut. */
export type ShutConnection =
  /** `waiting`: conversations that are answered when it is enabled again. */
  | { readonly outcome: 'disabled'; readonly waiting: number }
  /** It has other credentials by now than those that were refused: nothing was changed. */
  | { readonly outcome: 'replaced' }
  /** It was disabled before, or is not there. */
  | { readonly outcome: 'off' };

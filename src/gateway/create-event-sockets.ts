import { type Cipher, connectionOwner } from '../core/cipher.ts';
import type { Clock, Sleep } from '../core/clock.ts';
import type { ResolvedConnection } from '../core/connection-directory.ts';
import type { EventSockets, OpenEventSockets } from '../core/event-sockets.ts';
import type { Log } from '../core/log.ts';
import type { Credentials } from '../core/tenant.ts';
import type { Receiver } from './create-receiver.ts';

export interface EventSocketsOptions {
  /** The token of the app that connections share; `null`: its events come over HTTP. */
  readonly sharedToken: string | null;
  /** Active connections with an app of their own. */
  readonly listOwnApps: () => Promise<readonly ResolvedConnection[]>;
  readonly open: (options: OpenEventSockets) => Promise<EventSockets>;
  readonly receiver: Receiver;
  readonly cipher: Cipher;
  readonly clock: Clock;
  readonly sleep: Sleep;
  readonly log: Log;
}

/** The sockets of an installation: those of the shared app and those of each tenant's own. */
export interface SocketKeeper {
  /** Looks again who has a token: called when a connection has changed. */
  refresh(): void;
  stop(deadlineMs: number): Promise<void>;
}

interface Kept {
  readonly token: string;
  readonly sockets: EventSockets;
}

const SHARED = '';
/** A change is announced; this is how long a missed announcement, or a database that is away, can matter. */
const LOOK_EVERY_MS = 60_000;
const LOOK_AGAIN_MS = 5_000;
/** Applying a file announces one change after another: they are looked at together. */
const GATHER_MS = 100;

/**
 * Opens sockets for whoever has an app token, and closes those of whoever has none any more. Every gateway holds its own:
 * the platform gives an event to one of them.
 */
export function createEventSockets(options: EventSocketsOptions): SocketKeeper {
  const { receiver, cipher, clock, log } = options;
  const kept = new Map<string, Kept>();
  const leaving = new Set<Promise<void>>();
  let looking: Promise<void> | null = null;
  let again = false;
  let isStopped = false;
  let timer: NodeJS.Timeout | undefined;

  async function wantedTokens(): Promise<ReadonlyMap<string, string>> {
    const wanted = new Map<string, string>();
    if (options.sharedToken !== null) wanted.set(SHARED, options.sharedToken);
    for (const connection of await options.listOwnApps()) {
      const token = appTokenOf(connection);
      if (token) wanted.set(connection.id, token);
    }
    return wanted;
  }

  function appTokenOf(connection: ResolvedConnection): string | undefined {
    try {
      const envelope = Buffer.from(connection.credentials, 'base64');
      const owner = connectionOwner(connection.tenantId, connection.id);
      return (JSON.parse(cipher.decrypt(envelope, owner)) as Credentials).appToken;
    } catch (error) {
      // One company's unreadable credentials must not keep the others from being heard.
      log.error('socket.credentials_unreadable', { connectionId: connection.id, error });
      return undefined;
    }
  }

  async function look(): Promise<void> {
    const wanted = await wantedTokens();
    for (const [key, { token, sockets }] of kept) {
      if (wanted.get(key) === token) continue;
      kept.delete(key);
      const closed = sockets.close(LOOK_AGAIN_MS).finally(() => leaving.delete(closed));
      leaving.add(closed);
    }
    for (const [key, token] of wanted) {
      if (kept.has(key) || isStopped) continue;
      const connectionId = key === SHARED ? null : key;
      const sockets = await options.open({
        token,
        connectionId,
        receive: async (request) => {
          await receiver(request, connectionId, clock(), 'socket');
        },
      });
      kept.set(key, { token, sockets });
    }
  }

  async function lookUntilQuiet(): Promise<void> {
    let nextMs = LOOK_EVERY_MS;
    do {
      await options.sleep(GATHER_MS);
      again = false;
      try {
        await look();
        nextMs = LOOK_EVERY_MS;
      } catch (error) {
        log.warn('socket.look_failed', { error });
        nextMs = LOOK_AGAIN_MS;
      }
    } while (again && !isStopped);
    looking = null;
    if (!isStopped) timer = setTimeout(refresh, nextMs).unref();
  }

  function refresh(): void {
    if (isStopped) return;
    again = true;
    clearTimeout(timer);
    looking ??= lookUntilQuiet();
  }

  return {
    refresh,
    async stop(deadlineMs) {
      isStopped = true;
      clearTimeout(timer);
      await looking;
      await Promise.all([...leaving, ...[...kept.values()].map(({ sockets }) => sockets.close(deadlineMs))]);
      kept.clear();
    },
  };
}

import type { Channel, ChannelRequest } from '../../core/channel.ts';
import type { Cipher } from '../../core/cipher.ts';
import type { Clock } from '../../core/clock.ts';
import type { ConnectionDirectory, ResolvedConnection } from '../../core/connection-directory.ts';
import { KonstructError } from '../../core/errors.ts';
import type { Visitor, VisitorDesk } from '../../core/visitor.ts';
import { createLookupGuard } from '../create-lookup-guard.ts';
import { openCredentials } from '../create-receiver.ts';

export interface VisitorGateOptions {
  readonly channel: Channel;
  readonly directory: ConnectionDirectory;
  readonly cipher: Cipher;
  /** Where this installation's own pages come from; they may always ask. */
  readonly ownOrigins: () => readonly string[];
  readonly clock: Clock;
  readonly wallClock: Clock;
}

/** A page that may ask a connection. */
export interface Caller {
  readonly connection: ResolvedConnection;
  /** The page's; `null`: it is our own, or no browser asks. */
  readonly origin: string | null;
}

/** Lets pages of the right sites in, and visitors who can prove who they are. */
export interface VisitorGate {
  /**
   * @param name the connection's id, or the name it has in konstruct.yaml
   * @throws KonstructError `not_found`, `origin_refused`, `lookups_exhausted`, `database_unavailable`
   */
  enter(name: string, headers: ChannelRequest['headers']): Promise<Caller>;
  /** @throws KonstructError `signature_*`, `signing_secret_missing`, `credentials_unreadable` */
  identify(caller: Caller, request: ChannelRequest): Promise<Visitor>;
  /** A new or renewed proof for a stranger. @throws KonstructError `signature_missing`: the site vouches for all or none */
  admitStranger(caller: Caller, known: Visitor | null): { readonly token: string; readonly visitor: Visitor };
}

const CONNECTION_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export function createVisitorGate(options: VisitorGateOptions): VisitorGate {
  const { channel, directory } = options;
  const guarded = createLookupGuard(options.clock);
  const desk: VisitorDesk | undefined = channel.visitors;
  if (desk === undefined) throw new KonstructError('internal', `Channel ${channel.type} has no visitors.`);

  async function find(name: string): Promise<ResolvedConnection | null> {
    if (CONNECTION_ID.test(name)) {
      const known = directory.knownById(channel.type, name);
      return known ?? guarded(() => directory.find(channel.type, name));
    }
    const account = { externalIds: [name], appId: null };
    return directory.known(channel.type, account) ?? guarded(() => directory.resolve(channel.type, account));
  }

  /**
   * A browser names the page's origin with every request to another one, and with every POST. A GET without it comes from
   * a page of our own, or from no browser, which could name whatever it likes.
   */
  function mayAsk(connection: ResolvedConnection, headers: ChannelRequest['headers']): boolean {
    const { origin, 'sec-fetch-site': site } = headers;
    if (origin === undefined) return site === undefined || site === 'same-origin';
    if (typeof origin !== 'string') return false;
    return (
      (connection.settings.allowedOrigins ?? []).includes(origin) || options.ownOrigins().includes(origin)
    );
  }

  return {
    async enter(name, headers) {
      const connection = await find(name);
      if (connection === null || connection.status === 'disabled')
        throw new KonstructError('not_found', 'There is no such chat, or it is disabled.');
      if (!mayAsk(connection, headers)) throw new KonstructError('origin_refused');
      return { connection, origin: typeof headers.origin === 'string' ? headers.origin : null };
    },

    async identify({ connection }, request) {
      const secret = channel.connectionSecret(connection.id, openCredentials(options.cipher, connection));
      if (secret === null) throw new KonstructError('signing_secret_missing');
      await channel.verify(request, secret, options.wallClock());
      const visitor = desk.visitorOf(request);
      if (visitor === null) throw new KonstructError('signature_invalid');
      if (visitor.isAnonymous && connection.settings.allowAnonymous !== true)
        throw new KonstructError('signature_invalid', 'This chat takes only visitors whom the site knows.');
      return visitor;
    },

    admitStranger({ connection }, known) {
      if (connection.settings.allowAnonymous !== true)
        throw new KonstructError('signature_missing', 'This chat takes only visitors whom the site knows.');
      return desk.admitStranger(openCredentials(options.cipher, connection), known, options.wallClock());
    },
  };
}

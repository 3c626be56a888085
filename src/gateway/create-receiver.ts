import { randomBytes } from 'node:crypto';
import type { Channel, ChannelRequest, ParsedRequest, WebhookAnswer } from '../core/channel.ts';
import type { AccountRef, ChannelEvent } from '../core/channel-event.ts';
import { type Cipher, connectionOwner } from '../core/cipher.ts';
import type { Clock } from '../core/clock.ts';
import type { ConnectionDirectory, ResolvedConnection } from '../core/connection-directory.ts';
import { isKonstructError, KonstructError } from '../core/errors.ts';
import { noMetrics } from '../core/metrics.ts';
import type { Credentials } from '../core/tenant.ts';
import { type AcceptEventOptions, createAcceptEvent, reportIgnored } from './create-accept-event.ts';
import { createLookupGuard } from './create-lookup-guard.ts';
import { defectOf } from './defect-of.ts';

export interface ReceiverOptions extends AcceptEventOptions {
  readonly channel: Channel;
  /** Whether connections share a path and the installation's secret; otherwise each has its own. */
  readonly shared: boolean;
  /** The installation's signing secret for this channel; `null`: connections bring their own. */
  readonly signingSecret: string | null;
  readonly directory: ConnectionDirectory;
  readonly cipher: Cipher;
  /** What the machine's clock says now: signed timestamps are compared with it. */
  readonly wallClock: Clock;
}

export type Receiver = (
  request: ChannelRequest,
  connectionId: string | null,
  receivedAtMs: number,
  way?: ArrivalWay,
) => Promise<WebhookAnswer>;

/** `socket`: it came over a connection that we opened with the app's token, which vouches for it like a signature. */
export type ArrivalWay = 'signed' | 'socket';

const ACK: WebhookAnswer = { contentType: 'text/plain; charset=utf-8', body: '' };

/**
 * One platform's requests: verify the raw bytes, parse, find the connection, hand over each event, ack.
 *
 * A connection with a signing secret of its own is only ever believed with that secret: a request signed with the
 * installation's does not reach it.
 *
 * @throws KonstructError `signature_*`, `signing_secret_missing`, `body_malformed`, `lookups_exhausted`,
 *   `database_unavailable`, `disk_full`
 */
export function createReceiver(options: ReceiverOptions): Receiver {
  const { channel, directory, log, metrics = noMetrics } = options;
  const accept = createAcceptEvent(options);
  const count = (outcome: string): void =>
    metrics.counter('konstruct_events_total', { channel: channel.type, outcome }).increment();
  const guarded = createLookupGuard(options.clock);
  /** Nothing is signed with it: what would be compared with no secret at all is compared with this, in the same time. */
  const nobodysSecret = randomBytes(32).toString('hex');

  return async (request, connectionId, receivedAtMs, way = 'signed') => {
    const trusted =
      way === 'socket' ? await trustSocket(connectionId) : await verifySigned(request, connectionId);
    const verifiedAtMs = options.clock();
    const parsed = trusted.parsed ?? read(request);
    if (parsed.kind === 'challenge') return parsed;
    const signed = way === 'socket' ? null : request;
    const failures: unknown[] = [];
    for (const event of parsed.events) {
      try {
        await receive(event, trusted, receivedAtMs, verifiedAtMs, signed);
      } catch (error) {
        if (isOutage(error)) throw error;
        // The others in the same request, also of other companies, are not to wait for the one that cannot be taken.
        failures.push(error);
        if (parsed.events.length > 1) reportFailure(event, error);
      }
    }
    // The platform repeats all of it then; what is stored is known.
    if (failures.length > 0) throw failures[0];
    return parsed.answer ?? ACK;
  };

  /** A reader's own fault is the body's, too: sent again it would be the same. */
  function read(request: ChannelRequest): ParsedRequest {
    try {
      return channel.parse(request);
    } catch (error) {
      if (isKonstructError(error)) throw error;
      const details = { defect: defectOf(error) };
      throw new KonstructError('body_malformed', 'The body cannot be read.', { details });
    }
  }

  function reportFailure({ type, eventId, account }: ChannelEvent, error: unknown): void {
    const code = isKonstructError(error) ? error.code : 'internal';
    const { externalIds } = account;
    log.error('event.failed', { channel: channel.type, externalIds, type, eventId, code, error });
  }

  function verifySigned(request: ChannelRequest, connectionId: string | null): Promise<Trusted> {
    return connectionId === null ? verifyShared(request) : verifyOwn(request, connectionId);
  }

  /** @throws KonstructError `not_found`: the connection is gone, so its socket speaks for nobody */
  async function trustSocket(connectionId: string | null): Promise<Trusted> {
    if (connectionId === null) return { connection: null, parsed: null, byInstallation: true };
    const connection = await directory.find(channel.type, connectionId);
    if (connection === null) throw new KonstructError('not_found');
    return { connection, parsed: null, byInstallation: false };
  }

  async function receive(
    event: ChannelEvent,
    { connection: trusted, byInstallation }: Trusted,
    receivedAtMs: number,
    verifiedAtMs: number,
    /** `null`: there is no signature; the socket is the installation's or the connection's. */
    signed: ChannelRequest | null,
  ): Promise<void> {
    if (event.type === 'ignored') {
      reportIgnored(log, channel.type, event);
      count('ignored');
      return;
    }
    const connection = trusted ?? (await directory.resolve(channel.type, event.account));
    // A connection's own path, secret and socket speak for that connection only, and nobody else's socket for it.
    const { externalIds, appId } = event.account;
    const isNamed = trusted === null || externalIds.length > 0; // what names nobody is for whose path it came on
    // A connection believes its own secret (looked at below) or, without one, the installation's: no other company's.
    const isForeign =
      trusted === null && (connection?.ownSigningSecret === true ? signed === null : !byInstallation);
    if (connection === null || isForeign || (isNamed && !externalIds.includes(connection.externalId))) {
      log.warn('event.unknown_installation', {
        channel: channel.type,
        externalIds,
        appId,
        eventId: event.eventId,
      });
      count('unknown_installation');
      return;
    }
    if (trusted === null && signed !== null && connection.ownSigningSecret) {
      await channel.verify(signed, signingSecretOf(connection), options.wallClock());
    }
    await accept(connection, event, { receivedAtMs, verifiedAtMs });
  }

  /** The path all connections share: the installation's secret, or the one of the connection that the body names. */
  async function verifyShared(request: ChannelRequest): Promise<Trusted> {
    let refusal: KonstructError;
    try {
      if (options.signingSecret === null) throw new KonstructError('signing_secret_missing');
      await channel.verify(request, options.signingSecret, options.wallClock());
      return { connection: null, parsed: null, byInstallation: true };
    } catch (error) {
      if (!isKonstructError(error)) throw error;
      refusal = error;
    }
    if (refusal.code !== 'signature_invalid' && refusal.code !== 'signing_secret_missing') throw refusal;
    const claimed = await peek(request);
    const secret = claimed?.connection ? ownSecretOf(claimed.connection) : null;
    if (claimed === null || secret === null) throw refusal;
    await channel.verify(request, secret, options.wallClock());
    const { connection, isOnlyOne, parsed } = claimed;
    return { connection: isOnlyOne ? connection : null, parsed, byInstallation: false };
  }

  /** Whom an unverified body claims to be for: only to choose the secret that then must fit. */
  async function peek(request: ChannelRequest): Promise<Claim | null> {
    let parsed: ParsedRequest;
    try {
      parsed = channel.parse(request);
    } catch {
      return null; // the signature's refusal says enough
    }
    if (parsed.kind !== 'events') return null;
    const [account, ...others] = accountsOf(parsed.events);
    if (account === undefined) return null;
    const resolve = () => directory.resolve(channel.type, account);
    const connection = await (directory.known(channel.type, account) ?? guarded(resolve));
    // Several accounts of one app: each is held against its own secret before anything of it is taken.
    return { connection, isOnlyOne: others.length === 0, parsed };
  }

  /**
   * The path of one connection: its own secret and no other. What is wrong is never said: an id that nobody knows, a
   * connection without a secret and a wrong signature are refused alike, so that nobody can find out which ids exist.
   */
  async function verifyOwn(request: ChannelRequest, connectionId: string): Promise<Trusted> {
    const find = () => directory.find(channel.type, connectionId);
    const connection = await (directory.knownById(channel.type, connectionId) ?? guarded(find));
    const secret = connection === null ? null : ownSecretOf(connection);
    await channel.verify(request, secret ?? nobodysSecret, options.wallClock());
    if (secret === null) throw new KonstructError('signature_invalid');
    return { connection, parsed: null, byInstallation: false };
  }

  /** `null`: it has none of its own. */
  function ownSecretOf(connection: ResolvedConnection): string | null {
    try {
      return !options.shared || connection.ownSigningSecret ? signingSecretOf(connection) : null;
    } catch (error) {
      if (isKonstructError(error, 'signing_secret_missing')) return null;
      throw error;
    }
  }

  function signingSecretOf(connection: ResolvedConnection): string {
    const secret = channel.connectionSecret(connection.id, openCredentials(options.cipher, connection));
    if (secret === null) throw new KonstructError('signing_secret_missing');
    return secret;
  }
}

/** Nothing can be stored for anybody. */
function isOutage(error: unknown): boolean {
  return isKonstructError(error, 'database_unavailable') || isKonstructError(error, 'disk_full');
}

/** @throws KonstructError `credentials_unreadable` */
export function openCredentials(cipher: Cipher, connection: ResolvedConnection): Credentials {
  const envelope = Buffer.from(connection.credentials, 'base64');
  return JSON.parse(
    cipher.decrypt(envelope, connectionOwner(connection.tenantId, connection.id)),
  ) as Credentials;
}

interface Trusted {
  /** Set when the secret already settled whose request it is. */
  readonly connection: ResolvedConnection | null;
  readonly parsed: ParsedRequest | null;
  /** The installation's own secret or socket vouches for it; otherwise that of one connection. */
  readonly byInstallation: boolean;
}

/** Whom an unverified request says it is for. */
interface Claim {
  readonly connection: ResolvedConnection | null;
  readonly isOnlyOne: boolean;
  readonly parsed: ParsedRequest;
}

/** The accounts that these events name, each once. What names none, and is ignored, says nothing. */
function accountsOf(events: readonly ChannelEvent[]): readonly AccountRef[] {
  const accounts = new Map<string, AccountRef>();
  for (const { type, account } of events) {
    if (type === 'ignored' && account.externalIds.length === 0) continue;
    accounts.set(JSON.stringify([account.externalIds, account.appId]), account);
  }
  return [...accounts.values()];
}

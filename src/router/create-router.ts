import type {
  ChannelEvent,
  DeletionEvent,
  EditEvent,
  MessageEvent,
  UninstallEvent,
} from '../core/channel.ts';
import type { ResolvedConnection } from '../core/connection-directory.ts';
import type { Log } from '../core/log.ts';
import { storable } from '../core/storable.ts';
import { address } from './address.ts';
import type { Admit, AdmitOutcome } from './admit.ts';
import type { BlockedBuckets } from './create-blocked-buckets.ts';
import { bucketKey, storableMention, toAdmitMessage, withoutMentions } from './to-admit-message.ts';
import type { TenantBacklog } from './watch-backlog.ts';

/** What became of an event, as one word for logs and metrics. */
export type RouteOutcome =
  | AdmitOutcome['outcome']
  | 'ignored'
  | 'not_addressed'
  | 'connection_disabled'
  | 'disabled';

export interface RouterOptions {
  readonly admit: Admit;
  /** Whether the tenant has a backlog; by default none ever has. */
  readonly backlogOf?: (tenantId: string) => TenantBacklog | null;
  readonly blocked: BlockedBuckets;
  /** Stops answering for a connection; resolves to whether it was active. */
  readonly disableConnection: (connection: ResolvedConnection, reason: string) => Promise<boolean>;
  /** The platform told which bot user a connection is; until now nobody knew. */
  readonly onAgentUser: (connection: ResolvedConnection, agentUserId: string) => void;
  /** A conversation became ready in this process: saves the worker beside us the way over the database. */
  readonly onReady: () => void;
  /** There is a notice to be sent: that the limit was reached, or that answers take a while. */
  readonly onNotice: () => void;
  readonly log: Log;
}

/**
 * Decides what an event means to its connection and stores it. When the promise resolves, the event may be acked.
 *
 * @throws KonstructError `database_unavailable`, `disk_full`: the platform must send it again
 */
export type Route = (connection: ResolvedConnection, event: ChannelEvent) => Promise<RouteOutcome>;

export function createRouter(options: RouterOptions): Route {
  return async (connection, event) => {
    if (event.type === 'uninstall') return uninstall(options, connection, event);
    if (connection.status === 'disabled') return 'connection_disabled';
    switch (event.type) {
      case 'message':
        return routeMessage(options, connection, event);
      case 'edit':
        return routeEdit(options, connection, event);
      case 'deletion':
        return routeDeletion(options, connection, event);
      case 'ignored':
        return 'ignored';
      default:
        return event satisfies never;
    }
  };
}

async function routeMessage(
  options: RouterOptions,
  connection: ResolvedConnection,
  event: MessageEvent,
): Promise<RouteOutcome> {
  const agentUserIds = ownUserIds(connection, event.account.agentUserId);
  if (connection.agentUserId === '' && event.account.agentUserId !== null) {
    options.onAgentUser(connection, event.account.agentUserId);
  }
  if (agentUserIds.has(event.sender.externalId)) return 'ignored';
  const addressed = address(event, agentUserIds);
  if (addressed === 'no') return 'not_addressed';
  const { tenantId } = connection;
  const bucket = bucketKey(connection);
  const senderId = event.sender.externalId;
  if (addressed !== 'context' && options.blocked.isBlocked(tenantId, bucket, senderId)) return 'limited';
  const backlog = options.backlogOf?.(tenantId) ?? null;
  const result = await options.admit({
    ...toAdmitMessage(connection, event, addressed, agentUserIds),
    ...(backlog && { busySince: backlog.since, busyAhead: backlog.waiting }),
  });
  if (result.outcome === 'new' && result.wasIdle) options.onReady();
  if (result.outcome === 'new' && result.noticeId !== undefined) options.onNotice();
  if (result.outcome === 'limited') {
    options.blocked.block(tenantId, bucket, senderId, result.retryAfterMs);
    options.log.warn('message.rate_limited', {
      tenantId,
      connectionId: connection.id,
      retryAfterMs: result.retryAfterMs,
    });
    if (result.noticeId !== undefined) options.onNotice();
  }
  return result.outcome;
}

async function routeEdit(
  options: RouterOptions,
  connection: ResolvedConnection,
  event: EditEvent,
): Promise<RouteOutcome> {
  const agentUserIds = ownUserIds(connection, event.account.agentUserId);
  const { outcome } = await options.admit({
    type: 'edit',
    tenantId: connection.tenantId,
    connectionId: connection.id,
    channelId: event.channelId,
    messageId: event.messageId,
    sentAtMs: event.editedAtMs,
    content: withoutMentions(storable(event.text), agentUserIds),
    mentions: event.mentions.filter(({ externalId }) => !agentUserIds.has(externalId)).map(storableMention),
  });
  return outcome;
}

async function routeDeletion(
  options: RouterOptions,
  connection: ResolvedConnection,
  event: DeletionEvent,
): Promise<RouteOutcome> {
  const { outcome } = await options.admit({
    type: 'deletion',
    tenantId: connection.tenantId,
    connectionId: connection.id,
    channelId: event.channelId,
    messageId: event.messageId,
    sentAtMs: event.deletedAtMs,
  });
  return outcome;
}

async function uninstall(
  options: RouterOptions,
  connection: ResolvedConnection,
  event: UninstallEvent,
): Promise<RouteOutcome> {
  if (await options.disableConnection(connection, event.reason)) {
    options.log.error('connection.disabled', {
      tenantId: connection.tenantId,
      connectionId: connection.id,
      reason: event.reason,
      remedy: 'Install the app again and apply the new token.',
    });
  }
  return 'disabled';
}

function ownUserIds(connection: ResolvedConnection, authorizedUserId: string | null): ReadonlySet<string> {
  return new Set([connection.agentUserId, authorizedUserId ?? ''].filter((id) => id !== ''));
}

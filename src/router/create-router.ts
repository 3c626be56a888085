import type {
  ActionEvent,
  ChannelEvent,
  CommandEvent,
  DeletionEvent,
  DepartureEvent,
  EditEvent,
  MessageEvent,
  OpeningEvent,
  ReactionEvent,
  ReceiptEvent,
  UninstallEvent,
} from '../core/channel-event.ts';
import type { Clock } from '../core/clock.ts';
import type { ResolvedConnection, ShutConnection } from '../core/connection-directory.ts';
import type { Log } from '../core/log.ts';
import { storable } from '../core/storable.ts';
import { connectionDefaults } from '../core/tenant.ts';
import { address, mayConcern } from './address.ts';
import type { Admit, AdmitMessage, AdmitOutcome, AdmitWish, WishOutcome } from './admit.ts';
import type { FeedbackAdmission, FeedbackOutcome } from './admit-feedback.ts';
import type { ReceiptOutcome, RecordReceipt } from './admit-receipt.ts';
import type { BlockedBuckets } from './create-blocked-buckets.ts';
import { opinionOfReaction, wishOfMessage, wishOfReaction } from './etiquette.ts';
import { belowQuotation, type FindQuoted, type QuotedRecord, withQuotation } from './quotation.ts';
import { saidByButton } from './said-by-button.ts';
import {
  bucketKey,
  ratePerMinute,
  storableMention,
  toAdmitMessage,
  withoutMentions,
} from './to-admit-message.ts';
import type { TenantBacklog } from './watch-backlog.ts';

/** What became of an event, as one word for logs and metrics. */
export type RouteOutcome =
  | AdmitOutcome['outcome']
  | WishOutcome['outcome']
  | ReceiptOutcome['outcome']
  | FeedbackOutcome['outcome']
  | 'ignored'
  | 'not_addressed'
  | 'departed'
  | 'opened'
  | 'connection_disabled'
  | 'disabled';

export interface RouterOptions {
  readonly admit: Admit;
  readonly admitWish: AdmitWish;
  /** What the machine's clock says: when something happened of which the platform does not say when. */
  readonly wallClock: Clock;
  /** Writes down what a platform says became of a message of ours. */
  readonly recordReceipt: RecordReceipt;
  readonly feedback: FeedbackAdmission;
  /** Whether a user is a person and no other bot; `null`: the platform did not say in time. */
  readonly isPerson: (connection: ResolvedConnection, externalId: string) => Promise<boolean | null>;
  /** Whether the tenant has a backlog; by default none ever has. */
  readonly backlogOf?: (tenantId: string) => TenantBacklog | null;
  readonly blocked: BlockedBuckets;
  /** Stops answering for a connection; resolves to whether it was active. */
  readonly disableConnection: (connection: ResolvedConnection, reason: string) => Promise<ShutConnection>;
  /** The agent was shut out of a channel: it follows nothing there any more. */
  readonly endEngagement: (connection: ResolvedConnection, channelId: string) => Promise<void>;
  /** The platform told which bot user a connection is; until now nobody knew. */
  readonly onAgentUser: (connection: ResolvedConnection, agentUserId: string) => void;
  /** A press of a button is stored: the platform need not wait any more. Not awaited. */
  readonly onAction?: (connection: ResolvedConnection, action: ActionEvent) => void;
  /** Somebody opened a conversation. Not awaited. */
  readonly onOpening?: (connection: ResolvedConnection, opening: OpeningEvent) => void;
  /** The first message in a thread of a direct conversation is stored. Not awaited. */
  readonly onConversation?: (connection: ResolvedConnection, message: MessageEvent) => void;
  /** What is on record of a message that another one is about; `null`: nothing. By default nothing ever is. */
  readonly findQuoted?: QuotedRecord;
  /** Makes a message of a command; `null`: it cannot be answered. By default none can. */
  readonly showCommand?: (
    connection: ResolvedConnection,
    command: CommandEvent,
  ) => Promise<MessageEvent | null>;
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
      case 'departure':
        return routeDeparture(options, connection, event);
      case 'reaction':
        return routeReaction(options, connection, event);
      case 'action':
        return routeAction(options, connection, event);
      case 'receipt':
        return routeReceipt(options, connection, event);
      case 'command':
        return routeCommand(options, connection, event);
      case 'opening':
        options.onOpening?.(connection, event);
        return 'opened';
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
  const addressed = address(event, agentUserIds, connection.colleagueUserIds);
  if (addressed === 'no') return 'not_addressed';
  const message = toAdmitMessage(connection, event, addressed, agentUserIds);
  const stopWords = connection.settings.stopWords ?? connectionDefaults.stopWords;
  const wish =
    addressed === 'context' ? null : wishOfMessage(event, message.content, addressed === 'yes', stopWords);
  if (wish !== null) return applyWish(options, wish, message);
  const { tenantId } = connection;
  const bucket = bucketKey(connection);
  const senderId = event.sender.externalId;
  if (addressed !== 'context' && options.blocked.isBlocked(tenantId, bucket, senderId)) return 'limited';
  const backlog = options.backlogOf?.(tenantId) ?? null;
  const result = await options.admit({
    ...(await withQuotation(message, event, agentUserIds, finderOf(options, connection, event))),
    ...(backlog && { busySince: backlog.since, busyAhead: backlog.waiting }),
  });
  if (result.outcome === 'new' && result.wasIdle) options.onReady();
  if (result.outcome === 'new' && result.begins && event.scope === 'direct' && event.threadId !== null)
    options.onConversation?.(connection, event);
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

/** What stands on a button is said by whoever presses it, to the agent that asked. */
async function routeAction(
  options: RouterOptions,
  connection: ResolvedConnection,
  action: ActionEvent,
): Promise<RouteOutcome> {
  const outcome = await routeMessage(options, connection, saidByButton(action, options.wallClock()));
  options.onAction?.(connection, action);
  return outcome;
}

/** The platform does not repeat a command that was acked, so it is shown and stored first. */
async function routeCommand(
  options: RouterOptions,
  connection: ResolvedConnection,
  command: CommandEvent,
): Promise<RouteOutcome> {
  const message = (await options.showCommand?.(connection, command)) ?? null;
  return message === null ? 'ignored' : routeMessage(options, connection, message);
}

/** A message that wants the agent to stop or to speak again is not limited: whoever is flooded may say stop. */
async function applyWish(
  options: RouterOptions,
  wish: 'stop' | 'unmute',
  message: AdmitMessage,
): Promise<RouteOutcome> {
  const result = await options.admitWish(
    wish === 'stop' ? { ...message, type: 'stop' } : { ...message, type: 'mute', present: false },
  );
  return announce(options, result);
}

async function routeReaction(
  options: RouterOptions,
  connection: ResolvedConnection,
  event: ReactionEvent,
): Promise<RouteOutcome> {
  if (ownUserIds(connection, event.account.agentUserId).has(event.senderId)) return 'ignored';
  const opinion = opinionOfReaction(event);
  if (opinion !== null) return routeOpinion(options, connection, event, opinion);
  if (event.emoji === '' && !event.present) {
    // Taken off, and the platform does not say which it was.
    for (const verdict of ['up', 'down'] as const) await routeOpinion(options, connection, event, verdict);
  }
  const wish = wishOfReaction(event);
  if (wish === null) return 'ignored';
  // A platform that does not say is believed: a person's stop weighs more than a bot's mistake.
  if ((await options.isPerson(connection, event.senderId)) === false) return 'ignored';
  const reaction = {
    tenantId: connection.tenantId,
    connectionId: connection.id,
    channelId: event.channelId,
    messageId: event.messageId,
    senderId: event.senderId,
    sentAtMs: event.reactedAtMs,
    bucketKey: bucketKey(connection),
    ratePerMinute: ratePerMinute(connection),
  };
  const result = await options.admitWish(
    wish === 'stop' ? { ...reaction, type: 'stop' } : { ...reaction, type: 'mute', present: wish === 'mute' },
  );
  return announce(options, result);
}

/** People put 👍 on everything: only what they put on an answer of ours is kept, and of it only what a person says. */
async function routeOpinion(
  { feedback, isPerson }: RouterOptions,
  connection: ResolvedConnection,
  event: ReactionEvent,
  verdict: 'up' | 'down',
): Promise<RouteOutcome> {
  const { channelId, messageId, senderId, present, reactedAtMs } = event;
  if (!(await feedback.isAnswer(connection, channelId, messageId))) return 'unknown_message';
  if ((await isPerson(connection, senderId)) === false) return 'ignored';
  const opinion = { channelId, messageId, personId: senderId, verdict, present, sentAtMs: reactedAtMs };
  return (await feedback.admit(connection, opinion)).outcome;
}

function announce<Outcome extends RouteOutcome>(
  options: RouterOptions,
  result: { readonly outcome: Outcome; readonly ready?: boolean },
): Outcome {
  if (result.ready) options.onReady();
  return result.outcome;
}

async function routeEdit(
  options: RouterOptions,
  connection: ResolvedConnection,
  event: EditEvent,
): Promise<RouteOutcome> {
  const agentUserIds = ownUserIds(connection, event.account.agentUserId);
  const result = await options.admit({
    type: 'edit',
    tenantId: connection.tenantId,
    connectionId: connection.id,
    channelId: event.channelId,
    messageId: event.messageId,
    sentAtMs: event.editedAtMs,
    content: await belowQuotation(
      withoutMentions(storable(event.text), agentUserIds),
      event.quotes,
      agentUserIds,
      finderOf(options, connection, event),
    ),
    mentions: event.mentions.filter(({ externalId }) => !agentUserIds.has(externalId)).map(storableMention),
    bucketKey: bucketKey(connection),
    ratePerMinute: ratePerMinute(connection),
    mayConcern: mayConcern(event, agentUserIds),
    threadId: event.threadId,
    editWindowMinutes: connection.settings.editWindowMinutes ?? connectionDefaults.editWindowMinutes,
  });
  return announce(options, result);
}

async function routeDeletion(
  options: RouterOptions,
  connection: ResolvedConnection,
  event: DeletionEvent,
): Promise<RouteOutcome> {
  const result = await options.admit({
    type: 'deletion',
    tenantId: connection.tenantId,
    connectionId: connection.id,
    channelId: event.channelId,
    messageId: event.messageId,
    sentAtMs: event.deletedAtMs,
    bucketKey: bucketKey(connection),
    ratePerMinute: ratePerMinute(connection),
    onDeletion: connection.settings.onDeletion ?? connectionDefaults.onDeletion,
  });
  return announce(options, result);
}

async function routeDeparture(
  options: RouterOptions,
  connection: ResolvedConnection,
  { channelId, reason }: DepartureEvent,
): Promise<RouteOutcome> {
  await options.endEngagement(connection, channelId);
  const { tenantId, id: connectionId } = connection;
  options.log.warn('channel.departed', { tenantId, connectionId, channelId, reason });
  return 'departed';
}

/** What the platform had accepted and then did not deliver is an answer that nobody has read. */
async function routeReceipt(
  options: RouterOptions,
  connection: ResolvedConnection,
  { channelId, messageId, deliveryId, failure }: ReceiptEvent,
): Promise<RouteOutcome> {
  const { tenantId, id: connectionId } = connection;
  const result = await options.recordReceipt({
    tenantId,
    connectionId,
    channelId,
    messageId,
    deliveryId,
    failure,
  });
  if (result.outcome === 'undelivered' || failure !== null) {
    const turnId = result.outcome === 'undelivered' ? result.turnId : null;
    options.log.error('message.undelivered', { tenantId, connectionId, turnId, messageId, ...failure });
  }
  return announce(options, result);
}
const SECOND_MS = 1_000;

async function uninstall(
  options: RouterOptions,
  connection: ResolvedConnection,
  event: UninstallEvent,
): Promise<RouteOutcome> {
  // Slack says seconds, and repeats what we did not take: the app may have been installed again meanwhile.
  const happenedAtMs = event.happenedAtMs ?? Number.POSITIVE_INFINITY;
  if ((connection.installedAtMs ?? 0) > happenedAtMs + SECOND_MS) return 'ignored';
  const shut = await options.disableConnection(connection, event.reason);
  if (shut.outcome === 'disabled') {
    options.log.error('connection.disabled', {
      tenantId: connection.tenantId,
      connectionId: connection.id,
      reason: event.reason,
      waiting: shut.waiting,
      remedy: 'Install the app again and apply the new token.',
    });
  }
  return 'disabled';
}

function finderOf(
  { findQuoted }: RouterOptions,
  connection: ResolvedConnection,
  { channelId }: Pick<MessageEvent, 'channelId'>,
): FindQuoted {
  return async (messageId) => (await findQuoted?.(connection, channelId, messageId)) ?? null;
}

function ownUserIds(connection: ResolvedConnection, authorizedUserId: string | null): ReadonlySet<string> {
  return new Set([connection.agentUserId, authorizedUserId ?? ''].filter((id) => id !== ''));
}

import type { Clock } from '../core/clock.ts';

/** A company's Slack workspace with one installed app, as the simulator is given it. Ids have Slack's form. */
export interface WorkspaceSeed {
  /** `T…` */
  readonly id: string;
  readonly name: string;
  /** As in `https://acme.slack.com`; derived from the name when absent. */
  readonly domain?: string;
  /** `A…` */
  readonly appId: string;
  /** User id of the agent: `U…`. */
  readonly botUserId: string;
  /** `B…` */
  readonly botId: string;
  readonly botToken: string;
  /** The agent's name: `Ada`. */
  readonly agentName: string;
  readonly users: readonly UserSeed[];
  readonly channels: readonly ChannelSeed[];
  /** What the token may do; all that the simulator knows when absent. */
  readonly scopes?: readonly string[];
  /** Event types the app subscribed to (`message.channels`, `app_mention`, …); all when absent. */
  readonly subscriptions?: readonly string[];
  /** Signs this workspace's events, as for a company's own Slack app; the simulator's secret when absent. */
  readonly signingSecret?: string;
  /** App-level token of the company's own Slack app, which then uses Socket Mode. */
  readonly appToken?: string;
  /** The organisation in Enterprise Grid: `E…`. */
  readonly enterpriseId?: string;
  /** Installed on the whole organisation: authorizations then name no team. Needs `enterpriseId`. */
  readonly orgWideInstall?: boolean;
}

export interface UserSeed {
  /** `U…` */
  readonly id: string;
  /** As in a mention: `mara`. */
  readonly handle: string;
  readonly name: string;
  readonly title?: string;
  /** Home workspace of somebody who is here through Slack Connect. */
  readonly teamId?: string;
  /** Another app's bot: its messages carry these ids. */
  readonly bot?: BotIds;
}

export interface BotIds {
  /** `B…` */
  readonly botId: string;
  /** `A…` */
  readonly appId: string;
}

export interface ChannelSeed {
  /** `C…`, or `D…` for a direct conversation. */
  readonly id: string;
  readonly name: string;
  readonly kind: ChannelKind;
  /** The agent's user id is among them where the app was invited. */
  readonly memberIds: readonly string[];
  readonly topic?: string;
  /** Shared with another company through Slack Connect. */
  readonly externallyShared?: boolean;
}

export type ChannelKind = 'public' | 'private' | 'im' | 'mpim';
export type InstallationState = 'installed' | 'app_uninstalled' | 'tokens_revoked';

export interface Workspace {
  readonly seed: WorkspaceSeed;
  installation: InstallationState;
  /** The agent and all others. */
  readonly users: Map<string, UserSeed>;
  readonly channels: Map<string, WorkspaceChannel>;
  /** When the messages that are being streamed began to be, by `ts`. */
  readonly streams: Map<string, number>;
  /** What an app with `assistant_view` shows of its conversations, by the `ts` of their roots. */
  readonly assistantThreads: Map<string, AssistantThread>;
  /** What is shown of the app at work, as "Ada is thinking…", by the `ts` of the threads' roots. */
  readonly statuses: Map<string, string>;
  /** What an app with `agent_view` offers where somebody opens a direct conversation, by its id. */
  readonly offeredPrompts: Map<string, readonly string[]>;
  /** The newest `ts` given out, in microseconds since 1970. */
  lastTsMicros: number;
}

export interface AssistantThread {
  readonly title: string | null;
  readonly prompts: readonly string[];
}

export interface WorkspaceChannel {
  readonly id: string;
  readonly name: string;
  readonly kind: ChannelKind;
  readonly topic: string;
  readonly externallyShared: boolean;
  readonly memberIds: Set<string>;
  /** By `ts`, in order: a `ts` only grows. */
  readonly messages: Map<string, StoredMessage>;
  /** `ts` of the replies, by the `ts` of the thread's root. */
  readonly replies: Map<string, string[]>;
}

/** A message as the workspace keeps it; replaced as a whole when it changes. */
export interface StoredMessage {
  readonly ts: string;
  readonly channelId: string;
  readonly userId: string;
  /** Set when an app wrote it. */
  readonly botId: string | null;
  readonly appId: string | null;
  /** A name the app chose for this message. */
  readonly username: string | null;
  readonly text: string;
  readonly markdown: string | null;
  readonly blocks: readonly unknown[] | null;
  readonly attachments: readonly unknown[] | null;
  /** `ts` of the root when this is a reply; a root has none here. */
  readonly threadTs: string | null;
  readonly broadcast: boolean;
  readonly clientMessageId: string | null;
  readonly edited: { readonly userId: string; readonly ts: string } | null;
  readonly metadata: MessageMetadata | null;
  readonly reactions: readonly StoredReaction[];
  readonly files: readonly StoredFile[];
  /** Only this user sees it. */
  readonly visibleToUserId: string | null;
  /** The text was deleted, its thread goes on. */
  readonly tombstone: boolean;
}

export interface MessageMetadata {
  readonly event_type: string;
  readonly event_payload: Readonly<Record<string, unknown>>;
}

export interface StoredReaction {
  readonly name: string;
  readonly userIds: readonly string[];
}

export interface StoredFile {
  readonly id: string;
  readonly name: string;
  /** Absent: the name. */
  readonly title?: string;
  readonly mediaType: string;
  readonly sizeBytes: number;
}

export function createWorkspace(seed: WorkspaceSeed): Workspace {
  const agent: UserSeed = {
    id: seed.botUserId,
    handle: seed.agentName.toLowerCase().replaceAll(/[^a-z0-9._-]+/g, '-'),
    name: seed.agentName,
    title: 'AI coworker',
    bot: { botId: seed.botId, appId: seed.appId },
  };
  return {
    seed,
    installation: 'installed',
    users: new Map([agent, ...seed.users].map((user) => [user.id, user])),
    channels: new Map(seed.channels.map((channel) => [channel.id, createChannel(channel)])),
    streams: new Map(),
    assistantThreads: new Map(),
    statuses: new Map(),
    offeredPrompts: new Map(),
    lastTsMicros: 0,
  };
}

export function createChannel(seed: ChannelSeed): WorkspaceChannel {
  return {
    id: seed.id,
    name: seed.name,
    kind: seed.kind,
    topic: seed.topic ?? '',
    externallyShared: seed.externallyShared ?? false,
    memberIds: new Set(seed.memberIds),
    messages: new Map(),
    replies: new Map(),
  };
}

/** Takes over a channel of an earlier state: its messages, and the channel itself where the workspace lacks it. */
export function adoptChannel(workspace: Workspace, earlier: WorkspaceChannel): void {
  const channel = workspace.channels.get(earlier.id);
  if (!channel) {
    workspace.channels.set(earlier.id, earlier);
    return;
  }
  for (const [ts, message] of earlier.messages) channel.messages.set(ts, message);
  for (const [ts, replies] of earlier.replies) channel.replies.set(ts, replies);
}

/** A new `ts`: `seconds.micros`, unique in the workspace and always growing, also when the clock stands or goes back. */
export function nextTs(workspace: Workspace, clock: Clock): string {
  workspace.lastTsMicros = Math.max(Math.floor(clock() * 1000), workspace.lastTsMicros + 1);
  return formatTs(workspace.lastTsMicros);
}

function formatTs(micros: number): string {
  const seconds = Math.floor(micros / 1_000_000);
  return `${seconds}.${String(micros % 1_000_000).padStart(6, '0')}`;
}

export function tsToMs(ts: string): number {
  return Number(ts) * 1000;
}

/** The thread a message stands in: its root's `ts`, for a root with replies its own; `null`: in none. */
export function threadOf(channel: WorkspaceChannel, message: StoredMessage): string | null {
  return message.threadTs ?? (channel.replies.has(message.ts) ? message.ts : null);
}

/** A thread, its root first; only the message itself when it has no replies. */
export function threadMessages(channel: WorkspaceChannel, rootTs: string): StoredMessage[] {
  return [rootTs, ...(channel.replies.get(rootTs) ?? [])]
    .map((ts) => channel.messages.get(ts))
    .filter((message) => message !== undefined);
}

/** What stands in the channel itself: no replies, unless they were sent to the channel too. */
export function topLevelMessages(channel: WorkspaceChannel): StoredMessage[] {
  return [...channel.messages.values()].filter((message) => message.threadTs === null || message.broadcast);
}

export function workspaceDomain(seed: WorkspaceSeed): string {
  return seed.domain ?? seed.name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
}

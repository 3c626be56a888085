import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyPluginAsync } from 'fastify';
import type { Clock, Random, Sleep } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { ControlEvent, ControlMessage, DeliveryAttempt, Journey } from './control-api.ts';
import { viewMessage, viewWorkspace } from './control-view.ts';
import { defaultSeeds } from './default-seeds.ts';
import type { InnerEvent } from './event-body.ts';
import { eventBody } from './event-body.ts';
import { createEventSender } from './event-sender.ts';
import { createEventStream } from './event-stream.ts';
import type { FaultBoard } from './fault-board.ts';
import { createFaultBoard } from './fault-board.ts';
import { SimulatorError } from './simulator-error.ts';
import { simulatorPlugin } from './simulator-plugin.ts';
import { slackId } from './slack-ids.ts';
import { loadWorkspaces, openStateFile } from './state-file.ts';
import { waitForMessage } from './wait-for-message.ts';
import type { InstallationState, StoredFile, Workspace, WorkspaceSeed } from './workspace.ts';
import { createWorkspace, threadMessages, topLevelMessages } from './workspace.ts';
import type { WorkspaceChange } from './workspace-actions.ts';
import { createWorkspaceActions } from './workspace-actions.ts';

/**
 * A Slack on this machine: workspaces with people in them, whose messages reach the app as signed Events API requests,
 * and the Web API that the app answers through. It knows the app only from outside, as Slack does.
 */
export interface Simulator {
  /** `api/…` (Web API), `control/…` (see `control-api.ts`) and the page, relative to the prefix it is registered under. */
  readonly plugin: FastifyPluginAsync;
  readonly workspaces: ReadonlyMap<string, Workspace>;
  /** Adds a workspace, or gives a known one new people, channels, tokens; its messages stay. */
  addWorkspace(seed: WorkspaceSeed): void;
  /**
   * Writes a message as a person would. Resolves at once with the message; its events are then on their way.
   * @throws SimulatorError `not_found`
   */
  say(message: SayInput): Promise<SentMessage>;
  /** @throws SimulatorError `not_found` */
  edit(place: MessagePlace, text: string): Promise<void>;
  /** @throws SimulatorError `not_found` */
  deleteMessage(place: MessagePlace): Promise<void>;
  /** Oldest first; with `threadTs` the thread, its root first. @throws SimulatorError `not_found` */
  messages(workspaceId: string, channelId: string, threadTs?: string): readonly ControlMessage[];
  /**
   * The first message, already there or still to come or to be edited, for which the predicate holds.
   * @throws SimulatorError `timeout`, `stopped`
   */
  waitFor(
    predicate: (message: ControlMessage) => boolean,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<ControlMessage>;
  /** Everything that happens, as on the control API's stream. Returns what ends it. */
  subscribe(listener: (event: ControlEvent) => void): () => void;
  /** `app_uninstalled` and `tokens_revoked` are sent as events and make the token useless. */
  setInstallation(workspaceId: string, state: InstallationState): void;
  /** Sends any event; resolves with whether it was acked. @throws SimulatorError `not_found` */
  fire(workspaceId: string, event: Readonly<Record<string, unknown>>, channelId?: string): Promise<boolean>;
  readonly faults: FaultBoard;
  /** Ends deliveries, streams and held-back calls, and writes the state file. */
  stop(): Promise<void>;
}

export interface SayInput {
  readonly workspaceId: string;
  readonly channelId: string;
  readonly userId: string;
  /** In Slack's form: a mention is `<@U…>`, and `&`, `<`, `>` are escaped. */
  readonly text: string;
  readonly threadTs?: string;
  /** Sends a reply to the channel too. */
  readonly broadcast?: boolean;
  readonly files?: readonly Omit<StoredFile, 'id'>[];
  /** Instead of the `rich_text` block that Slack's client makes of the text; `null`: none. */
  readonly blocks?: readonly unknown[] | null;
}

export interface SentMessage extends MessagePlace {
  readonly threadTs: string | null;
  /** Whether the app acked all events of this message, possibly after retries. Never rejects. */
  readonly acked: Promise<boolean>;
}

export interface MessagePlace {
  readonly workspaceId: string;
  readonly channelId: string;
  readonly ts: string;
}

/** Where the app tells how messages go through it. */
export interface JourneySource {
  list(workspaceId: string, channelId: string): readonly Journey[];
  subscribe(listener: (journey: Journey) => void): () => void;
}

export interface SimulatorInput {
  /** Where the app takes events: `http://127.0.0.1:8001/slack/events`. */
  readonly eventsUrl: string | (() => string);
  readonly signingSecret: string;
  /** Two companies when absent. */
  readonly workspaces?: readonly WorkspaceSeed[];
  readonly clock: Clock;
  readonly random: Random;
  readonly fetch: typeof globalThis.fetch;
  readonly log: Log;
  readonly sleep?: Sleep;
  /** JSON file that keeps workspaces and messages over a restart. */
  readonly stateFile?: string;
  readonly journeys?: JourneySource;
  /** Folder with the built page. */
  readonly pageDir?: string;
  /** Host names besides loopback that the page may be opened under. */
  readonly allowedHosts?: readonly string[];
  /** How long the app has for its ack; Slack gives 3,000 ms. */
  readonly ackTimeoutMs?: number;
  /** Waits before the retries of an event; Slack: nearly none, 1 min, 5 min. */
  readonly retryDelaysMs?: readonly number[];
}

const ACK_TIMEOUT_MS = 3_000;
const RETRY_DELAYS_MS = [200, 1_000, 3_000];
const REMEMBERED_DELIVERIES = 500;

export function createSimulator(input: SimulatorInput): Simulator {
  const { clock, random, log } = input;
  const sleep: Sleep =
    input.sleep ?? ((ms, signal) => delay(ms, undefined, { ...(signal ? { signal } : {}) }));
  const stopping = new AbortController();
  const workspaces = new Map<string, Workspace>();
  for (const workspace of loadWorkspaces(input.stateFile, input.workspaces ?? defaultSeeds, log)) {
    workspaces.set(workspace.seed.id, workspace);
  }
  const listeners = new Set<(event: ControlEvent) => void>();
  const stream = createEventStream({ clock, instance: slackId('', random, 6) });
  const deliveries: DeliveryAttempt[] = [];
  const faults = createFaultBoard({ clock, sleep });
  const state = input.stateFile
    ? openStateFile({ file: input.stateFile, workspaces: () => workspaces.values(), sleep, log })
    : null;

  const publish = (event: ControlEvent) => {
    stream.publish(event);
    for (const listener of listeners) listener(event);
  };
  faults.onChange((plan) => publish({ type: 'faults.changed', plan }));
  const endJourneys = input.journeys?.subscribe((journey) => publish({ type: 'journey.changed', journey }));

  const sender = createEventSender({
    eventsUrl: input.eventsUrl,
    clock,
    sleep,
    fetch: input.fetch,
    log,
    faults,
    ackTimeoutMs: input.ackTimeoutMs ?? ACK_TIMEOUT_MS,
    retryDelaysMs: input.retryDelaysMs ?? RETRY_DELAYS_MS,
    attempted(delivery) {
      deliveries.push(delivery);
      if (deliveries.length > REMEMBERED_DELIVERIES) deliveries.shift();
      publish({ type: 'delivery.attempted', delivery });
    },
  });

  const dispatch = (workspace: Workspace, events: readonly InnerEvent[]) => {
    const { pairOrder, pairGapMs } = faults.plan();
    const mentionFirst = pairOrder === 'mention_first' || (pairOrder === 'random' && random() < 0.5);
    const outgoing = (mentionFirst ? events.toReversed() : events).map((event) => ({
      workspaceId: workspace.seed.id,
      channelId: event.channel?.id ?? null,
      messageId: event.messageTs,
      label: event.label,
      signingSecret: workspace.seed.signingSecret ?? input.signingSecret,
      ...eventBody(workspace, event, { clock, random }),
    }));
    return sender.send(outgoing, pairGapMs);
  };
  const changed = (change: WorkspaceChange) => {
    state?.touch();
    publish(controlEvent(change));
  };
  const actions = createWorkspaceActions({ clock, random, changed, dispatch });

  const findWorkspace = (id: string): Workspace => {
    const workspace = workspaces.get(id);
    if (!workspace) throw new SimulatorError('not_found', 404, `There is no workspace ${id}.`);
    return workspace;
  };
  const findChannel = (workspaceId: string, channelId: string) => {
    const workspace = findWorkspace(workspaceId);
    const channel = workspace.channels.get(channelId);
    if (!channel)
      throw new SimulatorError('not_found', 404, `There is no channel ${channelId} in ${workspaceId}.`);
    return { workspace, channel };
  };
  const findMessage = ({ workspaceId, channelId, ts }: MessagePlace) => {
    const place = findChannel(workspaceId, channelId);
    const message = place.channel.messages.get(ts);
    if (!message) throw new SimulatorError('not_found', 404, `There is no message ${ts} in ${channelId}.`);
    return { ...place, message };
  };

  return {
    plugin: simulatorPlugin({
      pageDir: input.pageDir,
      allowedHosts: input.allowedHosts ?? [],
      webApi: {
        workspaceByToken: (token) => [...workspaces.values()].find(({ seed }) => seed.botToken === token),
        actions,
        faults,
        clock,
        random,
        sleep,
        log,
        called: (call) => publish({ type: 'api.called', call }),
        stopping: stopping.signal,
      },
      control: {
        workspaces,
        actions,
        faults,
        stream,
        deliveries: (id) => deliveries.filter(({ workspaceId }) => id === null || workspaceId === id),
        journeys: (workspaceId, channelId) => input.journeys?.list(workspaceId, channelId) ?? [],
      },
    }),
    workspaces,
    faults,

    addWorkspace(seed) {
      const workspace = createWorkspace(seed);
      const known = workspaces.get(seed.id);
      if (known) {
        workspace.lastTsMicros = known.lastTsMicros;
        for (const channel of known.channels.values()) workspace.channels.set(channel.id, channel);
      }
      workspaces.set(seed.id, workspace);
      changed({ type: 'workspace', workspace });
    },

    async say({ workspaceId, channelId, ...draft }) {
      const { workspace, channel } = findChannel(workspaceId, channelId);
      if (!workspace.users.has(draft.userId)) {
        throw new SimulatorError('not_found', 404, `There is no user ${draft.userId} in ${workspaceId}.`);
      }
      const { message, acked } = actions.post(workspace, channel, draft);
      return { workspaceId, channelId, ts: message.ts, threadTs: message.threadTs, acked };
    },

    async edit(place, text) {
      const { workspace, channel, message } = findMessage(place);
      actions.edit(workspace, channel, message, { text, editorId: message.userId });
    },

    async deleteMessage(place) {
      const { workspace, channel, message } = findMessage(place);
      actions.remove(workspace, channel, message);
    },

    messages(workspaceId, channelId, threadTs) {
      const { workspace, channel } = findChannel(workspaceId, channelId);
      const list = threadTs === undefined ? topLevelMessages(channel) : threadMessages(channel, threadTs);
      return list.map((message) => viewMessage(workspace, channel, message));
    },

    waitFor(predicate, timeoutMs, signal) {
      return waitForMessage({
        workspaces,
        listeners,
        predicate,
        timeoutMs,
        signals: [stopping.signal, signal],
      });
    },

    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },

    setInstallation(workspaceId, installation) {
      actions.setInstallation(findWorkspace(workspaceId), installation);
    },

    async fire(workspaceId, event, channelId) {
      const workspace = findWorkspace(workspaceId);
      const channel = channelId === undefined ? null : findChannel(workspaceId, channelId).channel;
      const label = String(event.type);
      return dispatch(workspace, [{ label, channel, messageTs: null, senderTeamId: null, event }]);
    },

    async stop() {
      endJourneys?.();
      stopping.abort();
      stream.close();
      await sender.stop();
      await state?.close();
    },
  };
}

function controlEvent(change: WorkspaceChange): ControlEvent {
  switch (change.type) {
    case 'workspace':
      return { type: 'workspace.changed', workspace: viewWorkspace(change.workspace) };
    case 'deleted':
      return {
        type: 'message.deleted',
        workspaceId: change.workspace.seed.id,
        channelId: change.channel.id,
        messageId: change.message.ts,
        threadId: change.message.threadTs,
      };
    case 'posted':
    case 'changed':
      return {
        type: `message.${change.type}`,
        message: viewMessage(change.workspace, change.channel, change.message),
      };
  }
}

import { setTimeout as delay } from 'node:timers/promises';
import type { Sleep } from '../core/clock.ts';
import type { ControlEvent, DeliveryAttempt } from './control-api.ts';
import { createViewMessage, type ViewMessage, viewWorkspace } from './control-view.ts';
import { defaultSeeds } from './default-seeds.ts';
import type { InnerEvent } from './event-body.ts';
import { eventBody } from './event-body.ts';
import { createEventSender } from './event-sender.ts';
import { createEventStream } from './event-stream.ts';
import { createFaultBoard } from './fault-board.ts';
import { createFileStore } from './file-store.ts';
import { findChannel, findMessage, findWorkspace } from './find-in-workspaces.ts';
import { buttonsOf } from './interaction-body.ts';
import { createInteractions } from './interactions.ts';
import { createOAuth } from './oauth.ts';
import { createResponseUrls } from './response-urls.ts';
import type { MessagePlace, Simulator, SimulatorInput } from './simulator.ts';
import { SimulatorError } from './simulator-error.ts';
import { simulatorPlugin } from './simulator-plugin.ts';
import { slackId } from './slack-ids.ts';
import { createSocketMode } from './socket-mode.ts';
import { loadWorkspaces, openStateFile } from './state-file.ts';
import { waitForMessage } from './wait-for-message.ts';
import type { Workspace } from './workspace.ts';
import { adoptChannel, createWorkspace, threadMessages, topLevelMessages } from './workspace.ts';
import type { WorkspaceChange } from './workspace-actions.ts';
import { createWorkspaceActions } from './workspace-actions.ts';

const ACK_TIMEOUT_MS = 3_000;
const RETRY_DELAYS_MS = [200, 1_000, 3_000];
const REMEMBERED_DELIVERIES = 500;

/** Makes a simulator; its state file is read at once. See `Simulator`. */
export function createSimulator(input: SimulatorInput): Simulator {
  const { clock, random, log } = input;
  const sleep: Sleep =
    input.sleep ?? ((ms, signal) => delay(ms, undefined, { ...(signal ? { signal } : {}) }));
  const stopping = new AbortController();
  const workspaces = new Map<string, Workspace>();
  const byToken = new Map<string, Workspace>();
  const keep = (workspace: Workspace) => {
    const before = workspaces.get(workspace.seed.id);
    if (before) byToken.delete(before.seed.botToken);
    workspaces.set(workspace.seed.id, workspace);
    byToken.set(workspace.seed.botToken, workspace);
  };
  for (const workspace of loadWorkspaces(input.stateFile, input.workspaces ?? defaultSeeds, log))
    keep(workspace);
  const listeners = new Set<(event: ControlEvent) => void>();
  const stream = createEventStream({ clock, instance: slackId('', random, 6) });
  const deliveries: DeliveryAttempt[] = [];
  const faults = createFaultBoard({ clock, sleep });
  const sockets = createSocketMode({ clock, random, sleep });
  const appTokenOf = ({ seed }: Workspace) => seed.appToken ?? input.appToken ?? null;
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
    sockets,
    ackTimeoutMs: input.ackTimeoutMs ?? ACK_TIMEOUT_MS,
    retryDelaysMs: input.retryDelaysMs ?? RETRY_DELAYS_MS,
    attempted(delivery) {
      deliveries.push(delivery);
      if (deliveries.length > REMEMBERED_DELIVERIES) deliveries.shift();
      publish({ type: 'delivery.attempted', delivery });
    },
  });

  const senderOf = (workspace: Workspace) => ({
    signingSecret: workspace.seed.signingSecret ?? input.signingSecret,
    appToken: appTokenOf(workspace),
  });

  const dispatch = (workspace: Workspace, events: readonly InnerEvent[]) => {
    const { pairOrder, pairGapMs } = faults.plan();
    const mentionFirst = pairOrder === 'mention_first' || (pairOrder === 'random' && random() < 0.5);
    const outgoing = (mentionFirst ? events.toReversed() : events).map((event) => ({
      workspaceId: workspace.seed.id,
      channelId: event.channel?.id ?? null,
      messageId: event.messageTs,
      label: event.label,
      kind: 'events_api' as const,
      ...senderOf(workspace),
      ...eventBody(workspace, event, { clock, random }),
    }));
    return sender.send(outgoing, pairGapMs);
  };
  const fileStore = createFileStore({ random, base: () => responses.base() });
  const viewMessage = createViewMessage(fileStore);
  const changed = (change: WorkspaceChange) => {
    state?.touch();
    publish(controlEvent(change, viewMessage));
  };
  const actions = createWorkspaceActions({ clock, random, changed, dispatch });

  const oauth = createOAuth({
    app: input.oauth ?? null,
    clock,
    random,
    install(workspace) {
      actions.setInstallation(workspace, 'installed');
    },
  });

  const messageAt = (place: MessagePlace) => {
    const { workspace, channel } = findChannel(workspaces, place);
    return { workspace, channel, message: findMessage(channel, place.ts) };
  };

  const responses = createResponseUrls({ clock, random, actions });
  const interactions = createInteractions({ sender, senderOf, responses, clock, random });

  return {
    plugin: simulatorPlugin({
      responses,
      pageDir: input.pageDir,
      allowedHosts: input.allowedHosts ?? [],
      webApi: {
        workspaceByToken: (token) => byToken.get(token),
        oauth,
        files: fileStore,
        isAppToken: (token) =>
          token === input.appToken || [...workspaces.values()].some((each) => appTokenOf(each) === token),
        sockets,
        actions,
        faults,
        clock,
        random,
        sleep,
        log,
        called: (call) => publish({ type: 'api.called', call }),
        refusesUnknownArguments: input.refusesUnknownArguments ?? false,
        stopping: stopping.signal,
      },
      control: {
        workspaces,
        actions,
        interactions,
        files: fileStore,
        viewMessage,
        random,
        faults,
        stream,
        deliveries: (id) => deliveries.filter(({ workspaceId }) => id === null || workspaceId === id),
        journeys: (workspaceId, channelId) => input.journeys?.list(workspaceId, channelId) ?? [],
      },
    }),
    workspaces,
    faults,
    sockets,
    files: fileStore,

    addWorkspace(seed) {
      const workspace = createWorkspace(seed);
      const known = workspaces.get(seed.id);
      if (known) {
        workspace.lastTsMicros = known.lastTsMicros;
        for (const channel of known.channels.values()) adoptChannel(workspace, channel);
      }
      keep(workspace);
      changed({ type: 'workspace', workspace });
    },

    async say({ workspaceId, channelId, ...said }) {
      const { workspace, channel } = findChannel(workspaces, { workspaceId, channelId });
      if (!workspace.users.has(said.userId)) {
        throw new SimulatorError('not_found', 404, `There is no user ${said.userId} in ${workspaceId}.`);
      }
      const attached = (said.files ?? []).map((file) => ({ ...file, id: slackId('F', random) }));
      for (const { id, name, mediaType, content } of attached)
        if (content) fileStore.put(id, { workspace, name, mediaType, content });
      const draft = { ...said, files: attached };
      const { message, acked } = actions.post(workspace, channel, draft);
      return { workspaceId, channelId, ts: message.ts, threadTs: message.threadTs, acked };
    },

    async edit(place, text) {
      const { workspace, channel, message } = messageAt(place);
      actions.edit(workspace, channel, message, { text, editorId: message.userId });
    },

    async deleteMessage(place) {
      const { workspace, channel, message } = messageAt(place);
      actions.remove(workspace, channel, message);
    },

    async react(place, reaction) {
      const { workspace, channel, message } = messageAt(place);
      if (!workspace.users.has(reaction.userId))
        throw new SimulatorError('not_found', 404, `There is no user ${reaction.userId}.`);
      actions.react(workspace, channel, message, reaction);
    },

    async press(place, { userId, choice }) {
      const { workspace, channel, message } = messageAt(place);
      const button = buttonsOf(message).find(({ text }) => text === choice);
      if (button === undefined) throw new SimulatorError('not_found', 404, `There is no button "${choice}".`);
      return interactions.press(workspace, channel, message, { userId, button });
    },

    async command({ workspaceId, channelId, ...given }) {
      const { workspace, channel } = findChannel(workspaces, { workspaceId, channelId });
      return interactions.command(workspace, channel, given);
    },

    openMessages({ workspaceId, channelId, userId }) {
      const { workspace, channel } = findChannel(workspaces, { workspaceId, channelId });
      const eventTs = String(Math.floor(clock() / 1_000));
      const event = {
        type: 'app_home_opened',
        user: userId,
        channel: channelId,
        tab: 'messages',
        event_ts: eventTs,
      };
      return dispatch(workspace, [
        { label: event.type, channel, messageTs: null, senderTeamId: null, event },
      ]);
    },

    async openAssistant({ workspaceId, channelId, userId }) {
      const { workspace, channel } = findChannel(workspaces, { workspaceId, channelId });
      const { message } = actions.post(workspace, channel, {
        userId: workspace.seed.botUserId,
        text: 'New chat',
      });
      workspace.assistantThreads.set(message.ts, { title: null, prompts: [] });
      const thread = { user_id: userId, context: {}, channel_id: channelId, thread_ts: message.ts };
      const event = { type: 'assistant_thread_started', assistant_thread: thread, event_ts: message.ts };
      await dispatch(workspace, [
        { label: event.type, channel, messageTs: message.ts, senderTeamId: null, event },
      ]);
      return { workspaceId, channelId, ts: message.ts };
    },

    messages(workspaceId, channelId, threadTs) {
      const { workspace, channel } = findChannel(workspaces, { workspaceId, channelId });
      const list = threadTs === undefined ? topLevelMessages(channel) : threadMessages(channel, threadTs);
      return list.map((message) => viewMessage(workspace, channel, message));
    },

    waitFor(predicate, timeoutMs, signal) {
      return waitForMessage({
        workspaces,
        viewMessage,
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
      actions.setInstallation(findWorkspace(workspaces, workspaceId), installation);
    },

    async fire(workspaceId, event, channelId) {
      const workspace = findWorkspace(workspaces, workspaceId);
      const channel =
        channelId === undefined ? null : findChannel(workspaces, { workspaceId, channelId }).channel;
      const label = String(event.type);
      return dispatch(workspace, [{ label, channel, messageTs: null, senderTeamId: null, event }]);
    },

    async stop() {
      endJourneys?.();
      stopping.abort();
      stream.close();
      sockets.stop();
      await sender.stop();
      await state?.close();
    },
  };
}

function controlEvent(change: WorkspaceChange, viewMessage: ViewMessage): ControlEvent {
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

import type {
  ApiCall,
  ControlEvent,
  ControlMessage,
  ControlWorkspace,
  DeliveryAttempt,
  FaultPlan,
  Journey,
} from '../../../../src/simulator/control-api.ts';
import type { ChannelAddress } from './control-client.ts';
import type { LinkState } from './control-stream.ts';
import { holdMessage, type LoadedPage, type MessageStore, markDeleted, mergePage } from './message-store.ts';

/** Everything the page knows of the simulator. Changed only by `reduceSimulator`. */
export interface SimulatorState {
  readonly link: LinkState;
  /** Counts streams that could not resume: everything is loaded again after each. 0: not connected yet. */
  readonly epoch: number;
  /** Counts events, see `HeldMessage.step`. */
  readonly step: number;
  /** The simulator's clock minus this device's. */
  readonly clockOffsetMs: number;
  /** `null`: not loaded yet. */
  readonly workspaces: readonly ControlWorkspace[] | null;
  readonly stores: Readonly<Record<string, MessageStore>>;
  /** Channels whose newest page is there, and whether there are older ones. */
  readonly loaded: Readonly<Record<string, { readonly hasMore: boolean }>>;
  readonly journeys: Readonly<Record<string, Journey>>;
  readonly deliveries: readonly DeliveryAttempt[];
  readonly apiCalls: readonly ApiCall[];
  readonly faultPlan: FaultPlan | null;
}

export type SimulatorAction =
  | { readonly type: 'link'; readonly link: LinkState }
  | { readonly type: 'event'; readonly event: ControlEvent; readonly receivedAtMs: number }
  | { readonly type: 'workspaces'; readonly workspaces: readonly ControlWorkspace[] }
  | { readonly type: 'page'; readonly channel: ChannelAddress; readonly loaded: LoadedPage }
  | { readonly type: 'journeys'; readonly journeys: readonly Journey[] }
  | { readonly type: 'deliveries'; readonly deliveries: readonly DeliveryAttempt[] }
  | { readonly type: 'faults'; readonly plan: FaultPlan };

export const emptySimulator: SimulatorState = {
  link: { status: 'connecting' },
  epoch: 0,
  step: 0,
  clockOffsetMs: 0,
  workspaces: null,
  stores: {},
  loaded: {},
  journeys: {},
  deliveries: [],
  apiCalls: [],
  faultPlan: null,
};

const KEPT_DELIVERIES = 300;
const KEPT_API_CALLS = 300;
const KEPT_JOURNEYS = 300;

export function reduceSimulator(state: SimulatorState, action: SimulatorAction): SimulatorState {
  switch (action.type) {
    case 'link':
      return { ...state, link: action.link };
    case 'event':
      return reduceEvent({ ...state, step: state.step + 1 }, action.event, action.receivedAtMs);
    case 'workspaces':
      return { ...state, workspaces: action.workspaces };
    case 'page':
      return takePage(state, action.channel, action.loaded);
    case 'journeys':
      return action.journeys.reduce(takeJourney, state);
    case 'deliveries':
      return { ...state, deliveries: mergeDeliveries(action.deliveries, state.deliveries) };
    case 'faults':
      return { ...state, faultPlan: action.plan };
  }
}

function reduceEvent(state: SimulatorState, event: ControlEvent, receivedAtMs: number): SimulatorState {
  switch (event.type) {
    case 'stream.opened':
      return {
        ...state,
        clockOffsetMs: event.serverTimeMs - receivedAtMs,
        epoch: event.resumed && state.epoch > 0 ? state.epoch : state.epoch + 1,
      };
    case 'message.posted':
      return noteNewest(takeMessage(state, event.message), event.message);
    case 'message.changed':
      return takeMessage(state, event.message);
    case 'message.deleted':
      return changeStore(state, channelKey(event), (store) =>
        markDeleted(store, event.messageId, state.step),
      );
    case 'workspace.changed':
      return changeWorkspace(state, event.workspace.id, () => event.workspace);
    case 'delivery.attempted':
      return { ...state, deliveries: mergeDeliveries(state.deliveries, [event.delivery]) };
    case 'api.called':
      return { ...state, apiCalls: [...state.apiCalls, event.call].slice(-KEPT_API_CALLS) };
    case 'faults.changed':
      return { ...state, faultPlan: event.plan };
    case 'journey.changed':
      return takeJourney(state, event.journey);
    default:
      // A newer simulator may tell more than this page knows.
      return state;
  }
}

export function channelKey({ workspaceId, channelId }: ChannelAddress): string {
  return `${workspaceId}/${channelId}`;
}

export function journeyKey(address: ChannelAddress & { readonly messageId: string }): string {
  return `${channelKey(address)}/${address.messageId}`;
}

function changeStore(
  state: SimulatorState,
  key: string,
  change: (store: MessageStore) => MessageStore,
): SimulatorState {
  return { ...state, stores: { ...state.stores, [key]: change(state.stores[key] ?? {}) } };
}

function takeMessage(state: SimulatorState, message: ControlMessage): SimulatorState {
  return changeStore(state, channelKey(message), (store) => holdMessage(store, message, state.step));
}

function takePage(state: SimulatorState, channel: ChannelAddress, loaded: LoadedPage): SimulatorState {
  const key = channelKey(channel);
  const next = changeStore(state, key, (store) => mergePage(store, loaded));
  if (loaded.threadId !== null) return next;
  return { ...next, loaded: { ...next.loaded, [key]: { hasMore: loaded.page.hasMore } } };
}

function noteNewest(state: SimulatorState, message: ControlMessage): SimulatorState {
  return changeWorkspace(state, message.workspaceId, (workspace) => ({
    ...workspace,
    channels: workspace.channels.map((channel) =>
      channel.id === message.channelId && (channel.latestMessageId ?? '') < message.messageId
        ? { ...channel, latestMessageId: message.messageId, messageCount: channel.messageCount + 1 }
        : channel,
    ),
  }));
}

function changeWorkspace(
  state: SimulatorState,
  workspaceId: string,
  change: (workspace: ControlWorkspace) => ControlWorkspace,
): SimulatorState {
  if (!state.workspaces) return state;
  const workspaces = state.workspaces.map((known) => (known.id === workspaceId ? change(known) : known));
  return { ...state, workspaces };
}

/** A journey only grows; an answer that was overtaken by an event does not shorten it. */
function takeJourney(state: SimulatorState, journey: Journey): SimulatorState {
  const key = journeyKey(journey);
  const known = state.journeys[key];
  const startedAnew = known && journey.startedAtMs > known.startedAtMs;
  if (known && !startedAnew && known.outcome !== 'running' && journey.outcome === 'running') return state;
  const entries = Object.entries({ ...state.journeys, [key]: journey });
  return { ...state, journeys: Object.fromEntries(entries.slice(-KEPT_JOURNEYS)) };
}

function mergeDeliveries(
  older: readonly DeliveryAttempt[],
  newer: readonly DeliveryAttempt[],
): readonly DeliveryAttempt[] {
  const all = new Map([...older, ...newer].map((attempt) => [deliveryKey(attempt), attempt]));
  return [...all.values()].sort((a, b) => a.startedAtMs - b.startedAtMs).slice(-KEPT_DELIVERIES);
}

/** An attempt has no id of its own; a duplicate has the same event id and retry number and another start. */
export function deliveryKey({ eventId, eventType, retryNumber, startedAtMs }: DeliveryAttempt): string {
  return `${eventId}/${eventType}/${retryNumber}/${startedAtMs}`;
}

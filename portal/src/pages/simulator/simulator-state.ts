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

/** Attempts and calls have no id of their own, and two may be equal: a duplicate is what one wants to see. */
type Numbered<T> = T & { readonly key: string };

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
  readonly deliveries: readonly Numbered<DeliveryAttempt>[];
  readonly apiCalls: readonly Numbered<ApiCall>[];
  readonly faultPlan: FaultPlan | null;
}

export type SimulatorAction =
  | { readonly type: 'link'; readonly link: LinkState }
  | { readonly type: 'event'; readonly event: ControlEvent; readonly receivedAtMs: number }
  | { readonly type: 'workspaces'; readonly workspaces: readonly ControlWorkspace[] }
  | { readonly type: 'page'; readonly channel: ChannelAddress; readonly loaded: LoadedPage }
  | {
      readonly type: 'journeys';
      readonly channel: ChannelAddress;
      readonly journeys: readonly Journey[];
      /** When they were asked for, on the simulator's clock. */
      readonly askedAtMs: number;
    }
  | {
      readonly type: 'deliveries';
      readonly deliveries: readonly DeliveryAttempt[];
      /** Number of the last event when they were asked for. */
      readonly sinceStep: number;
    }
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
      return action.journeys.reduce(takeJourney, forgetJourneys(state, action));
    case 'deliveries':
      return takeDeliveries(state, action.deliveries, action.sinceStep);
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
      return {
        ...state,
        deliveries: [...state.deliveries, { ...event.delivery, key: keyOf(state.step) }].slice(
          -KEPT_DELIVERIES,
        ),
      };
    case 'api.called':
      return {
        ...state,
        apiCalls: [...state.apiCalls, { ...event.call, key: keyOf(state.step) }].slice(-KEPT_API_CALLS),
      };
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

/** What is older than an answer and not in it is gone: the simulator began anew. */
function forgetJourneys(
  state: SimulatorState,
  { channel, journeys, askedAtMs }: SimulatorAction & { readonly type: 'journeys' },
): SimulatorState {
  const prefix = `${channelKey(channel)}/`;
  const answered = new Set(journeys.map(journeyKey));
  const kept = Object.entries(state.journeys).filter(
    ([key, { startedAtMs }]) => !key.startsWith(prefix) || answered.has(key) || startedAtMs >= askedAtMs,
  );
  return { ...state, journeys: Object.fromEntries(kept) };
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

/** What was asked for replaces what is here, except for events that came meanwhile and are not in it yet. */
function takeDeliveries(
  state: SimulatorState,
  asked: readonly DeliveryAttempt[],
  sinceStep: number,
): SimulatorState {
  const known = new Set(asked.map(sameAttempt));
  const since = state.deliveries.filter(
    (attempt) => stepOf(attempt.key) > sinceStep && !known.has(sameAttempt(attempt)),
  );
  const numbered = asked.map((attempt, position) => ({ ...attempt, key: `${sinceStep}.${position}` }));
  return { ...state, deliveries: [...numbered, ...since].slice(-KEPT_DELIVERIES) };
}

function sameAttempt({ eventId, eventType, retryNumber, startedAtMs }: DeliveryAttempt): string {
  return `${eventId}/${eventType}/${retryNumber}/${startedAtMs}`;
}

function keyOf(step: number): string {
  return String(step);
}

function stepOf(key: string): number {
  return Math.floor(Number(key));
}

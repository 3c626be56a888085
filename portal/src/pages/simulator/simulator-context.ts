import { createContext, useContext } from 'react';
import type {
  ControlChannel,
  ControlUser,
  ControlWorkspace,
  Journey,
} from '../../../../src/simulator/control-api.ts';
import type { SimulatorLocation } from './simulator-location.ts';
import type { Attached } from './use-attachments.ts';
import type { Navigate } from './use-location.ts';
import type { Simulator } from './use-simulator.ts';

export interface Draft {
  readonly text: string;
  readonly attached: readonly Attached[];
}

/** What every part of the page may need, once workspaces are loaded. */
export interface SimulatorView {
  readonly simulator: Simulator;
  readonly workspace: ControlWorkspace;
  readonly channel: ControlChannel;
  /** Who the person at this page writes as. */
  readonly viewer: ControlUser;
  readonly location: SimulatorLocation;
  readonly navigate: Navigate;
  /** Journeys of this channel, oldest first. */
  readonly journeys: readonly Journey[];
  readonly setViewer: (userId: string) => void;
  /** What is unsent, by composer, kept while one looks elsewhere. */
  readonly drafts: Map<string, Draft>;
}

export const SimulatorContext = createContext<SimulatorView | null>(null);

export function useSimulatorView(): SimulatorView {
  const view = useContext(SimulatorContext);
  if (!view) throw new Error('This part of the page stands outside of the simulator’s context.');
  return view;
}

/** Somebody of this workspace, also the agent; `null`: unknown here. */
export function findUser({ agent, users }: ControlWorkspace, userId: string): ControlUser | null {
  return agent.id === userId ? agent : (users.find(({ id }) => id === userId) ?? null);
}

/** What a person sees of the workspace: public channels, and what they are a member of. */
export function visibleChannels({ channels }: ControlWorkspace, viewerId: string): readonly ControlChannel[] {
  return channels.filter(({ kind, memberIds }) => kind === 'public' || memberIds.includes(viewerId));
}

/** A conversation between persons instead of a channel with a name. */
export function isDirect({ kind }: ControlChannel): boolean {
  return kind === 'im' || kind === 'mpim';
}

/** A channel's name as this person sees it: of a direct conversation, who is on the other side. */
export function channelTitle(workspace: ControlWorkspace, channel: ControlChannel, viewerId: string): string {
  if (!isDirect(channel)) return channel.name;
  const others = channel.memberIds.filter((id) => id !== viewerId);
  return others.map((id) => findUser(workspace, id)?.name ?? id).join(', ') || channel.name;
}

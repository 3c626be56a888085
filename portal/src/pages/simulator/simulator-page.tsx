import { useEffect, useMemo, useRef } from 'react';
import type { ControlWorkspace } from '../../../../src/simulator/control-api.ts';
import { AnswerAnnouncer } from './answer-announcer.tsx';
import { ChannelList } from './channel-list.tsx';
import { ChannelView } from './channel-view.tsx';
import { createControlClient } from './control-client.ts';
import { LinkBanner } from './link-banner.tsx';
import { SidePanel } from './side-panel.tsx';
import { type Draft, SimulatorContext, type SimulatorView, visibleChannels } from './simulator-context.ts';
import { channelKey, type SimulatorState } from './simulator-state.ts';
import { TroubleBanner } from './trouble-banner.tsx';
import { useLocation } from './use-location.ts';
import { useRemembered } from './use-remembered.ts';
import { type Simulator, useSimulator } from './use-simulator.ts';
import { WorkspaceRail } from './workspace-rail.tsx';
import './simulator-page.css';

const controlBase = `${import.meta.env.BASE_URL}control/`;

export function SimulatorPage() {
  const client = useMemo(() => createControlClient(controlBase), []);
  const simulator = useSimulator(client, `${controlBase}events`);
  const view = useView(simulator);
  const pane = view?.location.panel ? 'panel' : view?.location.channelId ? 'channel' : 'list';
  return (
    <div className="simulator">
      <LinkBanner simulator={simulator} />
      {view ? (
        <SimulatorContext value={view}>
          <TroubleBanner />
          <div className="simulator-panes" data-pane={pane}>
            <WorkspaceRail />
            <ChannelList />
            <ChannelView key={channelKey({ workspaceId: view.workspace.id, channelId: view.channel.id })} />
            <SidePanel />
          </div>
          <AnswerAnnouncer />
        </SimulatorContext>
      ) : (
        <Waiting state={simulator.state} />
      )}
    </div>
  );
}

function Waiting({ state }: { readonly state: SimulatorState }) {
  const text =
    state.workspaces?.length === 0
      ? 'The simulator has no workspaces yet.'
      : state.link.status === 'lost'
        ? 'Waiting for the simulator. This page goes on by itself as soon as it answers.'
        : 'Opening the workspace…';
  return (
    <main className="simulator-waiting" aria-busy={state.workspaces === null}>
      <p>{text}</p>
    </main>
  );
}

/** Settles where one is and who one is; `null` until the workspaces are known. */
function useView(simulator: Simulator): SimulatorView | null {
  const [location, navigate] = useLocation();
  const [people, setPeople] = useRemembered<Readonly<Record<string, string>>>(
    'konstruct.simulator.people',
    {},
  );
  const drafts = useRef(new Map<string, Draft>());
  const { workspaces } = simulator.state;

  const workspace = workspaces?.find(({ id }) => id === location.workspaceId) ?? workspaces?.[0];
  const viewer =
    workspace && (workspace.users.find(({ id }) => id === people[workspace.id]) ?? workspace.users[0]);
  const channel = workspace && viewer && pickChannel(workspace, viewer.id, location.channelId);

  // The address names what is shown; only somebody who asked for the list of channels stays without one.
  const astray = channel && location.channelId !== null && location.channelId !== channel.id;
  const arriving = workspace && location.workspaceId !== workspace.id;
  const workspaceId = workspace?.id ?? null;
  const channelId = channel?.id ?? null;
  useEffect(() => {
    if (astray || arriving) navigate({ workspaceId, channelId, messageId: null }, { replace: true });
  }, [astray, arriving, workspaceId, channelId, navigate]);

  const allJourneys = simulator.state.journeys;
  const store = simulator.state.stores[`${workspaceId}/${channelId}`];
  const journeys = useMemo(
    () =>
      Object.values(allJourneys)
        .filter((journey) => journey.workspaceId === workspaceId && journey.channelId === channelId)
        // The pipeline may not know the thread; the message does.
        .map((journey) => ({
          ...journey,
          threadId: journey.threadId ?? store?.[journey.messageId]?.message.threadId ?? null,
        }))
        .sort((a, b) => a.startedAtMs - b.startedAtMs),
    [allJourneys, store, workspaceId, channelId],
  );

  if (!workspace || !viewer || !channel) return null;
  return {
    simulator,
    workspace,
    channel,
    viewer,
    location,
    navigate,
    journeys,
    setViewer: (userId) => setPeople((before) => ({ ...before, [workspace.id]: userId })),
    drafts: drafts.current,
  };
}

function pickChannel(workspace: ControlWorkspace, viewerId: string, channelId: string | null) {
  const visible = visibleChannels(workspace, viewerId);
  const wanted = visible.find(({ id }) => id === channelId);
  if (wanted) return wanted;
  // Whoever reads a direct conversation and becomes somebody else goes on in their own.
  const wasDirect = workspace.channels.find(({ id }) => id === channelId)?.kind === 'im';
  const direct = visible.find(({ kind, agentIsMember }) => kind === 'im' && agentIsMember);
  return (wasDirect && direct) || visible.find(({ agentIsMember }) => agentIsMember) || visible[0];
}

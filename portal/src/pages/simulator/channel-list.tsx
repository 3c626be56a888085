import { useEffect } from 'react';
import type { ControlChannel } from '../../../../src/simulator/control-api.ts';
import { Avatar } from '../../design/avatar.tsx';
import { Icon } from '../../design/icon.tsx';
import { channelTitle, findUser, isDirect, useSimulatorView, visibleChannels } from './simulator-context.ts';
import { formatLocation } from './simulator-location.ts';
import { channelKey } from './simulator-state.ts';
import { useRemembered } from './use-remembered.ts';
import './channel-list.css';

type ReadMarks = Readonly<Record<string, string>>;

/** Channels and direct conversations of the workspace, as the person one writes as sees them. */
export function ChannelList() {
  const { workspace, viewer, channel: open } = useSimulatorView();
  const isUnread = useReadMarks();
  const visible = visibleChannels(workspace, viewer.id);
  const direct = visible.filter(isDirect);
  const channels = visible.filter((channel) => !isDirect(channel));
  const item = (channel: ControlChannel) => (
    <ChannelItem
      key={channel.id}
      channel={channel}
      current={channel.id === open.id}
      unread={isUnread(channel)}
    />
  );
  return (
    <nav className="channels" aria-label="Channels">
      <header className="channels-head">
        <h1>{workspace.name}</h1>
        <p>Simulated Slack workspace</p>
      </header>
      {workspace.installation !== 'installed' && (
        <p className="channels-notice">{workspace.agent.name} is not installed here at the moment.</p>
      )}
      <div className="channels-scroll">
        <h2>Channels</h2>
        <ul>{channels.map(item)}</ul>
        <h2>Direct messages</h2>
        <ul>{direct.map(item)}</ul>
      </div>
    </nav>
  );
}

interface ChannelItemProps {
  readonly channel: ControlChannel;
  readonly current: boolean;
  readonly unread: boolean;
}

function ChannelItem({ channel, current, unread }: ChannelItemProps) {
  const { workspace, viewer, location } = useSimulatorView();
  const title = channelTitle(workspace, channel, viewer.id);
  const other = isDirect(channel) ? channel.memberIds.find((id) => id !== viewer.id) : undefined;
  const user = other === undefined ? null : findUser(workspace, other);
  return (
    <li>
      <a
        className="channels-item"
        href={formatLocation({
          ...location,
          workspaceId: workspace.id,
          channelId: channel.id,
          messageId: null,
        })}
        aria-current={current ? 'page' : undefined}
        data-unread={unread}
      >
        {user ? (
          <Avatar id={user.id} name={user.name} isAgent={user.isAgent} small />
        ) : (
          <Icon name={channel.kind === 'private' ? 'lock' : 'hash'} size={16} />
        )}
        <span className="channels-name">{title}</span>
        {user?.isAgent && <span className="badge">AI</span>}
        {unread && (
          <span className="channels-dot">
            <span className="visually-hidden">unread</span>
          </span>
        )}
      </a>
    </li>
  );
}

/** What was read is what was open; on the first visit nothing counts as unread. */
function useReadMarks(): (channel: ControlChannel) => boolean {
  const { simulator, workspace, channel: open, location } = useSimulatorView();
  const [marks, setMarks] = useRemembered<ReadMarks>('konstruct.simulator.read', {});
  const { workspaces } = simulator.state;
  const openKey = channelKey({ workspaceId: workspace.id, channelId: open.id });
  const listOnly = location.channelId === null;
  useEffect(() => {
    const seen = (workspaces ?? []).flatMap(({ id: workspaceId, channels }) =>
      channels.map(({ id, latestMessageId }) => [
        channelKey({ workspaceId, channelId: id }),
        latestMessageId ?? '',
      ]),
    );
    setMarks((before) => {
      const news = seen.filter(([key = '', latest = '']) =>
        key === openKey && !listOnly ? (before[key] ?? '') < latest : before[key] === undefined,
      );
      return news.length > 0 ? { ...before, ...Object.fromEntries(news) } : before;
    });
  }, [workspaces, openKey, listOnly, setMarks]);
  return ({ id, latestMessageId }) => {
    const key = channelKey({ workspaceId: workspace.id, channelId: id });
    const read = marks[key];
    return key !== openKey && read !== undefined && (latestMessageId ?? '') > read;
  };
}

import { useEffect, useState } from 'react';
import { Icon } from '../../design/icon.tsx';
import { Composer } from './composer.tsx';
import { FirstSteps } from './first-steps.tsx';
import { MessageList } from './message-list.tsx';
import { topLevelMessages } from './message-store.ts';
import { channelTitle, isDirect, useSimulatorView } from './simulator-context.ts';
import { formatLocation } from './simulator-location.ts';
import { channelKey } from './simulator-state.ts';
import './channel-view.css';

/** The middle of the page: a conversation and the place to write. */
export function ChannelView() {
  const { simulator, workspace, channel, viewer, location } = useSimulatorView();
  const { state, loadMessages, loadJourneys } = simulator;
  const [suggestion, setSuggestion] = useState<{ readonly text: string } | null>(null);
  const workspaceId = workspace.id;
  const channelId = channel.id;
  const { epoch } = state;

  useEffect(() => {
    if (epoch === 0) return;
    const controller = new AbortController();
    const address = { workspaceId, channelId };
    void loadMessages(address, { limit: 50 }, controller.signal);
    void loadJourneys(address, controller.signal);
    return () => controller.abort();
  }, [epoch, workspaceId, channelId, loadMessages, loadJourneys]);

  const key = channelKey({ workspaceId, channelId });
  const store = state.stores[key] ?? {};
  const messages = topLevelMessages(store, viewer.id);
  const loaded = state.loaded[key];
  const askedAlready = Object.values(store).some(({ message }) => message.isAgent);
  const title = channelTitle(workspace, channel, viewer.id);
  const isMember = channel.memberIds.includes(viewer.id);
  return (
    <main className="channel" aria-label={title}>
      <header className="channel-head">
        <a
          className="icon-button channel-back"
          href={formatLocation({ ...location, channelId: null })}
          aria-label="Back to the channels"
        >
          <Icon name="back" />
        </a>
        <div className="channel-title">
          <h2>
            {!isDirect(channel) && <Icon name={channel.kind === 'private' ? 'lock' : 'hash'} size={17} />}
            {title}
          </h2>
          {channel.topic && <p>{channel.topic}</p>}
        </div>
        <a
          className="button channel-way"
          href={formatLocation({ ...location, channelId, panel: 'way', messageId: null })}
          // On a phone the words are not shown.
          aria-label="Behind the scenes"
        >
          <Icon name="route" size={16} />
          <span>Behind the scenes</span>
        </a>
      </header>
      <MessageList messages={messages} hasMore={loaded?.hasMore ?? false}>
        {loaded && !askedAlready && (
          <FirstSteps empty={messages.length === 0} onPick={(text) => setSuggestion({ text })} />
        )}
      </MessageList>
      {isMember ? (
        <Composer
          threadId={null}
          suggestion={suggestion}
          placeholder={`Message ${isDirect(channel) ? '' : '#'}${title}`}
        />
      ) : (
        <p className="channel-outside">
          {viewer.name} is not in this channel. Write as somebody else, or look on.
        </p>
      )}
    </main>
  );
}

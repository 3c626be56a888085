import { Fragment, type ReactNode, useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { Icon } from '../../design/icon.tsx';
import { continuesAbove, dayLabel } from './message-groups.ts';
import { MessageItem } from './message-item.tsx';
import type { HeldMessage } from './message-store.ts';
import { MessageThread } from './message-thread.tsx';
import { useSimulatorView } from './simulator-context.ts';
import './message-list.css';

interface MessageListProps {
  readonly messages: readonly HeldMessage[];
  readonly hasMore: boolean;
  /** Stands below the last message. */
  readonly children: ReactNode;
}

/** How near to the end still counts as reading the end. */
const NEAR_END_PX = 120;

export function MessageList({ messages, hasMore, children }: MessageListProps) {
  const { simulator, workspace, channel, viewer } = useSimulatorView();
  const { box, content, atEnd, toEnd } = useStickToEnd();
  const [loading, setLoading] = useState(false);
  const firstId = messages[0]?.message.messageId;
  const loadEarlier = async (before: string): Promise<void> => {
    setLoading(true);
    const address = { workspaceId: workspace.id, channelId: channel.id };
    await simulator.loadMessages(address, { before, limit: 50 }, new AbortController().signal);
    setLoading(false);
  };
  // Whoever writes wants to see it arrive, wherever they were reading.
  const newest = messages.at(-1)?.message;
  const ownNewestId = newest?.userId === viewer.id ? newest.messageId : undefined;
  useEffect(() => {
    if (ownNewestId !== undefined) toEnd();
  }, [ownNewestId, toEnd]);
  const nowMs = Date.now() + simulator.state.clockOffsetMs;
  return (
    <div className="messages-frame">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard */}
      <section className="messages" ref={box} tabIndex={0} aria-label="Messages">
        <div className="messages-content" ref={content}>
          {hasMore && firstId !== undefined && (
            <button
              type="button"
              className="button messages-earlier"
              disabled={loading}
              onClick={() => void loadEarlier(firstId)}
            >
              {loading ? 'Loading…' : 'Show earlier messages'}
            </button>
          )}
          {messages.map((held, index) => {
            const { message } = held;
            const above = messages[index - 1]?.message ?? null;
            const day = dayLabel(message.sentAtMs, nowMs);
            const newDay = above === null || dayLabel(above.sentAtMs, nowMs) !== day;
            return (
              <Fragment key={message.messageId}>
                {newDay && (
                  <h3 className="messages-day">
                    <span>{day}</span>
                  </h3>
                )}
                <MessageItem held={held} continued={!newDay && continuesAbove(message, above)} />
                {(message.replyCount > 0 || message.threadId === message.messageId) && (
                  <MessageThread root={message} />
                )}
              </Fragment>
            );
          })}
          {children}
        </div>
      </section>
      {!atEnd && (
        <button type="button" className="button messages-jump" onClick={toEnd}>
          <Icon name="down" size={15} />
          Newest
        </button>
      )}
    </div>
  );
}

/** Keeps the end in view while one is reading there, and leaves the place alone while one reads further up. */
function useStickToEnd() {
  const box = useRef<HTMLElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const following = useRef(true);
  const [atEnd, setAtEnd] = useState(true);
  const toEnd = useCallback(() => {
    following.current = true;
    box.current?.scrollTo({ top: box.current.scrollHeight });
  }, []);
  useLayoutEffect(toEnd, [toEnd]);
  useEffect(() => {
    const outer = box.current;
    const inner = content.current;
    if (!outer || !inner) return;
    let lastTop = outer.scrollTop;
    const onScroll = (): void => {
      const near = outer.scrollHeight - outer.scrollTop - outer.clientHeight < NEAR_END_PX;
      // New content moves the end away too; only somebody who goes up has stopped following.
      if (near || outer.scrollTop < lastTop) following.current = near;
      lastTop = outer.scrollTop;
      setAtEnd(following.current);
    };
    const observer = new ResizeObserver(() => {
      if (following.current) outer.scrollTo({ top: outer.scrollHeight });
    });
    outer.addEventListener('scroll', onScroll, { passive: true });
    observer.observe(inner);
    observer.observe(outer);
    return () => {
      outer.removeEventListener('scroll', onScroll);
      observer.disconnect();
    };
  }, []);
  return { box, content, atEnd, toEnd };
}

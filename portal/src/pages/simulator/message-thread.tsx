import { useEffect, useState } from 'react';
import type { ControlMessage } from '../../../../src/simulator/control-api.ts';
import { Composer } from './composer.tsx';
import { continuesAbove } from './message-groups.ts';
import { MessageItem } from './message-item.tsx';
import { threadReplies } from './message-store.ts';
import { useSimulatorView } from './simulator-context.ts';
import { channelKey } from './simulator-state.ts';
import './message-thread.css';

/** Of a long thread the newest replies are enough to begin with. */
const SHOWN_AT_FIRST = 4;

/** The replies to a message, below it: an answer appears where the question stands. */
export function MessageThread({ root }: { readonly root: ControlMessage }) {
  const { simulator, viewer, channel } = useSimulatorView();
  const { state, loadMessages } = simulator;
  const [open, setOpen] = useState(true);
  const [whole, setWhole] = useState(false);
  const [replying, setReplying] = useState(false);
  const { workspaceId, channelId, messageId } = root;
  const { epoch } = state;

  useEffect(() => {
    if (!open || epoch === 0) return;
    const controller = new AbortController();
    void loadMessages({ workspaceId, channelId }, { threadId: messageId, limit: 200 }, controller.signal);
    return () => controller.abort();
  }, [open, epoch, workspaceId, channelId, messageId, loadMessages]);

  const replies = threadReplies(state.stores[channelKey(root)] ?? {}, messageId, viewer.id);
  const shown = whole ? replies : replies.slice(-SHOWN_AT_FIRST);
  const hidden = replies.length - shown.length;
  const count = Math.max(root.replyCount, replies.length);
  return (
    <section className="thread" aria-label={`Thread, ${countOf(count)}`}>
      <button type="button" className="thread-toggle" aria-expanded={open} onClick={() => setOpen(!open)}>
        {open ? 'Thread' : 'Show thread'} · {countOf(count)}
      </button>
      {open && (
        <>
          {hidden > 0 && (
            <button type="button" className="thread-toggle" onClick={() => setWhole(true)}>
              Show {hidden} earlier {hidden === 1 ? 'reply' : 'replies'}
            </button>
          )}
          {shown.map((held, index) => (
            <MessageItem
              key={held.message.messageId}
              held={held}
              continued={continuesAbove(held.message, shown[index - 1]?.message ?? null)}
            />
          ))}
          {channel.memberIds.includes(viewer.id) &&
            (replying ? (
              <Composer
                threadId={messageId}
                suggestion={null}
                placeholder="Reply in this thread"
                focused
                onAbandon={() => setReplying(false)}
              />
            ) : (
              <button type="button" className="thread-reply" onClick={() => setReplying(true)}>
                Reply in this thread…
              </button>
            ))}
        </>
      )}
    </section>
  );
}

function countOf(replies: number): string {
  return replies === 1 ? '1 reply' : `${replies} replies`;
}

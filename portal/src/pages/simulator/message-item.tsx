import { useState } from 'react';
import { Avatar } from '../../design/avatar.tsx';
import { Icon } from '../../design/icon.tsx';
import { JourneyChip } from './journey-chip.tsx';
import { MessageButtons } from './message-buttons.tsx';
import { MessageEditor } from './message-editor.tsx';
import { MessageFiles } from './message-files.tsx';
import { timeLabel } from './message-groups.ts';
import { MessageNotes } from './message-notes.tsx';
import { MessageReactions } from './message-reactions.tsx';
import type { HeldMessage } from './message-store.ts';
import { MessageText } from './message-text.tsx';
import { MessageToolbar } from './message-toolbar.tsx';
import { useSimulatorView } from './simulator-context.ts';
import { journeyKey } from './simulator-state.ts';
import { isUnfinished } from './unfinished.ts';
import './message-item.css';

interface MessageItemProps {
  readonly held: HeldMessage;
  /** Goes on where the message above ended: no name, no picture. */
  readonly continued: boolean;
}

export function MessageItem({ held: { message, deleted }, continued }: MessageItemProps) {
  const { simulator, journeys, location } = useSimulatorView();
  const [editing, setEditing] = useState(false);
  const journey = simulator.state.journeys[journeyKey(message)] ?? null;
  // A file comes behind the answer, and is never on its way.
  const thinking = !deleted && message.files.length === 0 && isUnfinished(message, journeys);
  const isPrivate = message.visibleToUserId !== null;
  const selected = location.panel === 'way' && location.messageId === message.messageId;
  const time = timeLabel(message.sentAtMs);
  return (
    <article
      className="message"
      tabIndex={-1}
      data-continued={continued}
      data-selected={selected}
      aria-label={`${message.userName}, ${time}`}
    >
      {continued ? (
        <time className="message-side-time">{time}</time>
      ) : (
        <Avatar id={message.userId} name={message.userName} isAgent={message.isAgent} />
      )}
      <div className="message-main">
        {isPrivate && !deleted && (
          <p className="message-private">
            <Icon name="eye" size={14} />
            Only visible to you
            <button type="button" onClick={() => void simulator.remove(message, message.messageId)}>
              Dismiss
            </button>
          </p>
        )}
        {!continued && (
          <header className="message-head">
            <strong>{message.userName}</strong>
            {message.isAgent && <span className="badge">AI coworker</span>}
            <time dateTime={new Date(message.sentAtMs).toISOString()}>{time}</time>
          </header>
        )}
        {deleted ? (
          <p className="message-deleted">
            <Icon name="trash" size={14} /> This message was deleted.
          </p>
        ) : editing ? (
          <MessageEditor message={message} onDone={() => setEditing(false)} />
        ) : thinking ? (
          <Thinking text={message.plainText} />
        ) : (
          <MessageText message={message} />
        )}
        {message.editedAtMs !== null && !deleted && !message.isAgent && (
          <span className="message-edited" title={`Edited at ${timeLabel(message.editedAtMs)}`}>
            (edited)
          </span>
        )}
        {!deleted && (
          <>
            <MessageFiles message={message} />
            <MessageButtons message={message} />
            <MessageNotes message={message} />
            <MessageReactions message={message} />
          </>
        )}
        {journey && !deleted && <JourneyChip journey={journey} />}
      </div>
      {!deleted && !editing && !isPrivate && (
        <MessageToolbar message={message} onEdit={() => setEditing(true)} />
      )}
    </article>
  );
}

function Thinking({ text }: { readonly text: string }) {
  return (
    <p className="message-thinking">
      <span className="message-girders" aria-hidden="true">
        <i />
        <i />
        <i />
      </span>
      {text}
    </p>
  );
}

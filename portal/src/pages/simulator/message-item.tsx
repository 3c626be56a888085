import { useState } from 'react';
import { Avatar } from '../../design/avatar.tsx';
import { Icon } from '../../design/icon.tsx';
import { JourneyChip } from './journey-chip.tsx';
import { MessageEditor } from './message-editor.tsx';
import { timeLabel } from './message-groups.ts';
import type { HeldMessage } from './message-store.ts';
import { MessageText } from './message-text.tsx';
import { ReactionButtons, reactionEmoji } from './reaction-buttons.tsx';
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
  const { simulator, viewer, journeys, location } = useSimulatorView();
  const [editing, setEditing] = useState(false);
  const journey = simulator.state.journeys[journeyKey(message)] ?? null;
  const thinking = !deleted && isUnfinished(message, journeys);
  const own = message.userId === viewer.id && !deleted;
  const selected = location.panel === 'way' && location.messageId === message.messageId;
  const time = timeLabel(message.sentAtMs);
  return (
    <article
      className="message"
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
        {message.visibleToUserId !== null && (
          <p className="message-private">
            <Icon name="eye" size={14} />
            Only visible to you
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
        {message.files.length > 0 && (
          <ul className="message-files">
            {message.files.map(({ name, sizeBytes }) => (
              <li key={name}>
                <Icon name="file" size={15} /> {name} <span>{Math.ceil(sizeBytes / 1024)} KiB</span>
              </li>
            ))}
          </ul>
        )}
        {message.reactions.length > 0 && (
          <ul className="message-reactions" aria-label="Reactions">
            {message.reactions.map(({ name, userIds }) => (
              <li key={name}>
                {reactionEmoji(name)} {userIds.length}
              </li>
            ))}
          </ul>
        )}
        {journey && !deleted && <JourneyChip journey={journey} />}
      </div>
      {!deleted && !editing && (
        <div className="message-actions">
          <ReactionButtons message={message} />
          {own && (
            <>
              <button
                type="button"
                className="icon-button"
                onClick={() => setEditing(true)}
                aria-label="Edit"
                title="Edit"
              >
                <Icon name="edit" size={16} />
              </button>
              <button
                type="button"
                className="icon-button"
                onClick={() => void simulator.remove(message, message.messageId)}
                aria-label="Delete"
                title="Delete"
              >
                <Icon name="trash" size={16} />
              </button>
            </>
          )}
        </div>
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

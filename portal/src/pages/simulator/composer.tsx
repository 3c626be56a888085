import {
  type KeyboardEvent,
  type SyntheticEvent,
  useEffect,
  useId,
  useLayoutEffect,
  useRef,
  useState,
} from 'react';
import type { ControlUser } from '../../../../src/simulator/control-api.ts';
import { Icon } from '../../design/icon.tsx';
import { AttachmentList } from './attachment-list.tsx';
import { IdentitySelect } from './identity-select.tsx';
import { MentionList } from './mention-list.tsx';
import { insertMention, type MentionQuery, matchingUsers, mentionAt } from './mention-query.ts';
import { useSimulatorView } from './simulator-context.ts';
import { channelKey } from './simulator-state.ts';
import { MOST_FILES, useAttachments } from './use-attachments.ts';
import './attachment-list.css';
import './composer.css';

interface ComposerProps {
  /** `null`: the channel itself. */
  readonly threadId: string | null;
  /** A text to begin with; each new object is taken over once. */
  readonly suggestion: { readonly text: string } | null;
  readonly placeholder: string;
  readonly focused?: boolean;
  /** Somebody went elsewhere without a text. */
  readonly onAbandon?: () => void;
}

const MOST_ROWS = 8;

export function Composer({ threadId, suggestion, placeholder, focused = false, onAbandon }: ComposerProps) {
  const { simulator, workspace, channel, viewer, drafts } = useSimulatorView();
  const draftKey = `${channelKey({ workspaceId: workspace.id, channelId: channel.id })}/${threadId ?? ''}`;
  const [text, setText] = useState(() => drafts.get(draftKey)?.text ?? '');
  const attachments = useAttachments(drafts.get(draftKey)?.attached ?? [], (file, signal) =>
    simulator.upload(workspace.id, file, signal),
  );
  const attached = attachments.all;
  const [isDropping, setDropping] = useState(false);
  const picker = useRef<HTMLInputElement>(null);
  const [query, setQuery] = useState<MentionQuery | null>(null);
  const [marked, setMarked] = useState(0);
  const field = useRef<HTMLTextAreaElement>(null);
  const nextCaret = useRef<number | null>(null);
  const listId = useId();
  const matches = query ? matchingUsers([workspace.agent, ...workspace.users], query) : [];
  const current = matches[Math.min(marked, matches.length - 1)];

  useEffect(() => {
    // What is still on its way is not there for whoever comes back.
    drafts.set(draftKey, { text, attached: attached.filter(({ file }) => file !== null) });
  }, [drafts, draftKey, text, attached]);

  useLayoutEffect(() => {
    if (!suggestion) return;
    setText(suggestion.text);
    nextCaret.current = suggestion.text.length;
    field.current?.focus();
  }, [suggestion]);

  // A text that was put in must be shown before the caret can go to its place.
  useLayoutEffect(() => {
    if (nextCaret.current === null) return;
    field.current?.setSelectionRange(nextCaret.current, nextCaret.current);
    nextCaret.current = null;
  });

  const lookForMention = ({ currentTarget }: SyntheticEvent<HTMLTextAreaElement>): void => {
    const { value, selectionStart, selectionEnd } = currentTarget;
    const found = selectionStart === selectionEnd ? mentionAt(value, selectionStart) : null;
    setQuery(found);
    if (found?.text !== query?.text) setMarked(0);
  };

  const pick = (user: ControlUser): void => {
    if (!query) return;
    const inserted = insertMention(text, query, user);
    setText(inserted.text);
    setQuery(null);
    nextCaret.current = inserted.caret;
    field.current?.focus();
  };

  const isEmpty = text.trim() === '' && attached.length === 0;
  const canSend = !isEmpty && attachments.areReady;

  const send = async (): Promise<void> => {
    if (!canSend) return;
    const sent = text.trim();
    const fileIds = attached.flatMap(({ file }) => file?.id ?? []);
    setText('');
    attachments.clear();
    setQuery(null);
    const address = { workspaceId: workspace.id, channelId: channel.id };
    const accepted = await simulator.post(address, { userId: viewer.id, text: sent, threadId, fileIds });
    if (accepted) return;
    // What was not accepted goes back, before whatever was written since.
    setText((since) => (sent && since ? `${sent}\n${since}` : sent || since));
    attachments.restore(attached);
  };

  const takeFiles = (event: SyntheticEvent, transfer: DataTransfer): void => {
    if (transfer.files.length === 0) return;
    event.preventDefault();
    attachments.add(transfer.files);
  };

  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.nativeEvent.isComposing) return;
    if (query && current) {
      const move = { ArrowDown: 1, ArrowUp: matches.length - 1 }[event.key];
      if (move !== undefined) {
        event.preventDefault();
        setMarked((matches.indexOf(current) + move) % matches.length);
        return;
      }
      if (event.key === 'Enter' || event.key === 'Tab') {
        event.preventDefault();
        pick(current);
        return;
      }
      if (event.key === 'Escape') {
        event.preventDefault();
        setQuery(null);
        return;
      }
    }
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      void send();
    }
  };

  return (
    <form
      className={isDropping ? 'composer composer-dropping' : 'composer'}
      onDragOver={(event) => {
        if (!event.dataTransfer.types.includes('Files')) return;
        event.preventDefault();
        setDropping(true);
      }}
      onDragLeave={() => setDropping(false)}
      onDrop={(event) => {
        setDropping(false);
        takeFiles(event, event.dataTransfer);
      }}
      onBlur={({ currentTarget, relatedTarget }) => {
        // In another window the focus stays in here; it is only out of sight.
        const inside =
          currentTarget.contains(relatedTarget) || currentTarget.contains(document.activeElement);
        if (!inside && isEmpty) onAbandon?.();
      }}
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      {query && current && <MentionList id={listId} users={matches} current={current} onPick={pick} />}
      <textarea
        ref={field}
        // biome-ignore lint/a11y/noAutofocus: the person just asked to reply here
        autoFocus={focused}
        rows={Math.min(MOST_ROWS, text.split('\n').length)}
        value={text}
        placeholder={placeholder}
        aria-label={placeholder}
        aria-autocomplete="list"
        aria-controls={query && current ? listId : undefined}
        aria-activedescendant={query && current ? `${listId}-${current.id}` : undefined}
        enterKeyHint="send"
        onChange={(event) => {
          setText(event.target.value);
          lookForMention(event);
        }}
        onSelect={lookForMention}
        onKeyDown={onKeyDown}
        onBlur={() => setQuery(null)}
        onPaste={(event) => takeFiles(event, event.clipboardData)}
      />
      <AttachmentList attached={attached} onRemove={attachments.remove} />
      <div className="composer-foot">
        <input
          ref={picker}
          type="file"
          multiple
          hidden
          onChange={({ currentTarget }) => {
            attachments.add(currentTarget.files ?? []);
            currentTarget.value = ''; // the same file can be chosen again
            field.current?.focus();
          }}
        />
        <button
          type="button"
          className="icon-button"
          disabled={attached.length >= MOST_FILES}
          onClick={() => picker.current?.click()}
          aria-label="Attach files"
          title="Attach files"
        >
          <Icon name="attach" />
        </button>
        <IdentitySelect />
        <span className="composer-hint">
          <kbd>Enter</kbd> sends · <kbd>Shift</kbd>+<kbd>Enter</kbd> new line
        </span>
        <button type="submit" className="icon-button composer-send" disabled={!canSend} aria-label="Send">
          <Icon name="send" />
        </button>
      </div>
    </form>
  );
}

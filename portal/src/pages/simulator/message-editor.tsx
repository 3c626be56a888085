import { type KeyboardEvent, useState } from 'react';
import type { ControlMessage } from '../../../../src/simulator/control-api.ts';
import { useSimulatorView } from './simulator-context.ts';

interface MessageEditorProps {
  readonly message: ControlMessage;
  readonly onDone: () => void;
}

export function MessageEditor({ message, onDone }: MessageEditorProps) {
  const { simulator } = useSimulatorView();
  const [text, setText] = useState(message.plainText);
  const save = async (): Promise<void> => {
    if (text.trim() === '') return;
    if (text === message.plainText || (await simulator.edit(message, message.messageId, text))) onDone();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Escape') onDone();
    if (event.key === 'Enter' && !event.shiftKey && !event.nativeEvent.isComposing) {
      event.preventDefault();
      void save();
    }
  };
  return (
    <div className="message-editor">
      <textarea
        // biome-ignore lint/a11y/noAutofocus: the person just asked to edit this text
        autoFocus
        aria-label="Edit the message"
        rows={Math.min(8, text.split('\n').length)}
        value={text}
        onChange={({ target }) => setText(target.value)}
        onKeyDown={onKeyDown}
      />
      <div>
        <button type="button" className="button" onClick={onDone}>
          Cancel
        </button>
        <button type="button" className="button button-primary" onClick={() => void save()}>
          Save
        </button>
      </div>
    </div>
  );
}

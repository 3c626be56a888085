import type { ControlMessage } from '../../../../src/simulator/control-api.ts';
import { SlackText } from './message-text.tsx';

/** The small letters below a message: who has chosen what. */
export function MessageNotes({ message }: { readonly message: ControlMessage }) {
  if (message.notes.length === 0) return null;
  return (
    <ul className="message-notes">
      {message.notes.map((note) => (
        <li key={note}>
          <SlackText text={note} notation="mrkdwn" />
        </li>
      ))}
    </ul>
  );
}

import type { ControlMessage } from '../../../../src/simulator/control-api.ts';
import { Markdown } from '../../design/markdown/markdown.tsx';
import type { Notation } from '../../design/markdown/markdown-tree.ts';
import { findUser, useSimulatorView } from './simulator-context.ts';

export function MessageText({ message }: { readonly message: ControlMessage }) {
  const { markdown, text } = message;
  if ((markdown ?? text) === '') return null;
  return (
    <div className="message-text">
      <SlackText text={markdown ?? text} notation={markdown === null ? 'mrkdwn' : 'markdown'} />
    </div>
  );
}

/** A text with people's names in the place of their ids. */
export function SlackText({ text, notation }: { readonly text: string; readonly notation: Notation }) {
  const { workspace, viewer } = useSimulatorView();
  return (
    <Markdown
      text={text}
      notation={notation}
      mention={(userId) => {
        const user = findUser(workspace, userId);
        const look = user?.isAgent ? 'mention-agent' : userId === viewer.id ? 'mention-you' : '';
        return <span className={`mention ${look}`}>@{user?.name ?? userId}</span>;
      }}
    />
  );
}

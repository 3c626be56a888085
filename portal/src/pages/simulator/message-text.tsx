import type { ControlMessage } from '../../../../src/simulator/control-api.ts';
import { Markdown } from '../../design/markdown/markdown.tsx';
import { findUser, useSimulatorView } from './simulator-context.ts';

export function MessageText({ message }: { readonly message: ControlMessage }) {
  const { workspace, viewer } = useSimulatorView();
  return (
    <div className="message-text">
      <Markdown
        text={message.markdown ?? message.text}
        notation={message.markdown === null ? 'mrkdwn' : 'markdown'}
        mention={(userId) => {
          const user = findUser(workspace, userId);
          const look = user?.isAgent ? 'mention-agent' : userId === viewer.id ? 'mention-you' : '';
          return <span className={`mention ${look}`}>@{user?.name ?? userId}</span>;
        }}
      />
    </div>
  );
}

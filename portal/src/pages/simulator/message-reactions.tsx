import type { ControlMessage } from '../../../../src/simulator/control-api.ts';
import { reactionEmoji, reactionWords } from './reactions.ts';
import { findUser, useSimulatorView } from './simulator-context.ts';

/** Who reacted with what; pressing one puts one's own beside it, or takes it off. */
export function MessageReactions({ message }: { readonly message: ControlMessage }) {
  const { simulator, workspace, channel, viewer } = useSimulatorView();
  if (message.reactions.length === 0) return null;
  const isMember = channel.memberIds.includes(viewer.id);
  return (
    <ul className="message-reactions" aria-label="Reactions">
      {message.reactions.map(({ name, userIds }) => {
        const own = userIds.includes(viewer.id);
        const people = userIds
          .map((id) => (id === viewer.id ? 'you' : (findUser(workspace, id)?.name ?? id)))
          .join(', ');
        return (
          <li key={name}>
            <button
              type="button"
              className="reaction"
              aria-pressed={own}
              aria-label={`${reactionWords(name)}: ${people}`}
              title={people}
              disabled={!isMember}
              onClick={() =>
                void simulator.react(message, message.messageId, { userId: viewer.id, name, present: !own })
              }
            >
              <span aria-hidden="true">{reactionEmoji(name)}</span>
              {userIds.length}
            </button>
          </li>
        );
      })}
    </ul>
  );
}

import type { ControlMessage } from '../../../../src/simulator/control-api.ts';
import { Icon } from '../../design/icon.tsx';
import { useSimulatorView } from './simulator-context.ts';

/** Reactions that mean something to an agent, by Slack's names. */
const REACTIONS = [
  {
    name: 'octagonal_sign',
    emoji: '🛑',
    icon: 'stop',
    put: 'Stop the agent',
    takeOff: 'Take the stop sign off',
  },
  {
    name: 'mute',
    emoji: '🔇',
    icon: 'mute',
    put: 'Mute the agent in this thread',
    takeOff: 'Let the agent speak again',
  },
] as const;

/** The emoji of a reaction; Slack's name for it where the page has none. */
export function reactionEmoji(name: string): string {
  return REACTIONS.find((reaction) => reaction.name === name)?.emoji ?? `:${name}:`;
}

/** Puts a reaction on a message as the person who looks at the page, or takes it off. */
export function ReactionButtons({ message }: { readonly message: ControlMessage }) {
  const { simulator, viewer } = useSimulatorView();
  return REACTIONS.map(({ name, icon, put, takeOff }) => {
    const present = message.reactions.some(
      (reaction) => reaction.name === name && reaction.userIds.includes(viewer.id),
    );
    const label = present ? takeOff : put;
    return (
      <button
        key={name}
        type="button"
        className="icon-button"
        aria-label={label}
        aria-pressed={present}
        title={label}
        onClick={() =>
          void simulator.react(message, message.messageId, { userId: viewer.id, name, present: !present })
        }
      >
        <Icon name={icon} />
      </button>
    );
  });
}

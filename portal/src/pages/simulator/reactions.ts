/** A reaction that can be put on a message here: those that mean something to an agent. */
export interface OfferedReaction {
  /** Slack's, without colons. */
  readonly name: string;
  readonly icon: 'like' | 'dislike' | 'stop' | 'mute';
  readonly put: string;
  readonly takeOff: string;
}

export const OFFERED: readonly OfferedReaction[] = [
  { name: '+1', icon: 'like', put: 'Good answer', takeOff: 'Take the thumbs up off' },
  { name: '-1', icon: 'dislike', put: 'Bad answer', takeOff: 'Take the thumbs down off' },
  { name: 'octagonal_sign', icon: 'stop', put: 'Stop the agent', takeOff: 'Take the stop sign off' },
  {
    name: 'mute',
    icon: 'mute',
    put: 'Mute the agent in this thread',
    takeOff: 'Let the agent speak again',
  },
];

/** Slack's names of emoji that people and agents react with. */
const emoji: Readonly<Record<string, string>> = {
  '+1': '👍',
  thumbsup: '👍',
  '-1': '👎',
  thumbsdown: '👎',
  octagonal_sign: '🛑',
  no_entry: '⛔',
  mute: '🔇',
  eyes: '👀',
  heart: '❤️',
  tada: '🎉',
  clap: '👏',
  pray: '🙏',
  100: '💯',
  thinking_face: '🤔',
  white_check_mark: '✅',
  heavy_check_mark: '✔️',
  x: '❌',
  warning: '⚠️',
  question: '❓',
  hourglass_flowing_sand: '⏳',
  rocket: '🚀',
  fire: '🔥',
  bulb: '💡',
  memo: '📝',
  wave: '👋',
  raised_hands: '🙌',
  smile: '😄',
  joy: '😂',
};

/** The emoji of a reaction, whatever its skin; Slack's name for it where the page has none. */
export function reactionEmoji(name: string): string {
  return emoji[plainName(name)] ?? `:${name}:`;
}

/** For people who listen: `octagonal sign`. */
export function reactionWords(name: string): string {
  const plain = plainName(name);
  if (plain === '+1') return 'thumbs up';
  if (plain === '-1') return 'thumbs down';
  return plain.replaceAll('_', ' ');
}

function plainName(name: string): string {
  return name.split('::', 1)[0] ?? name;
}

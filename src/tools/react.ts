import type { TurnTool } from '../core/tool.ts';
import type { ClaimedTurn } from '../core/turn.ts';

/** What platforms with a list of their own take, too (Telegram's reactions); the names are for the model. */
const EMOJI: Readonly<Record<string, string>> = {
  thumbs_up: '👍',
  heart: '❤',
  applause: '👏',
  party: '🎉',
  eyes: '👀',
  thanks: '🙏',
  hundred: '💯',
  thinking: '🤔',
};

/** Puts an emoji on the message that is being answered. Where the platform has no reactions, nobody is told of it. */
export function createReact(options: {
  readonly hasReactions: (turn: ClaimedTurn) => boolean;
  readonly react: (turn: ClaimedTurn, emoji: string, signal: AbortSignal) => Promise<void>;
}): TurnTool {
  return {
    name: 'react',
    forTurn(turn) {
      if (!options.hasReactions(turn)) return null;
      return {
        name: 'react',
        description:
          'Puts an emoji on the message that you are answering, as people do. Sparingly: to thank, to congratulate. You answer in words all the same.',
        title: 'Reacting',
        isRepeatable: true,
        inputSchema: {
          type: 'object',
          properties: { emoji: { type: 'string', enum: Object.keys(EMOJI) } },
          required: ['emoji'],
          additionalProperties: false,
        },
        async run({ emoji }, { signal }) {
          await options.react(turn, EMOJI[String(emoji)] ?? '', signal);
          return 'Done.';
        },
      };
    },
  };
}

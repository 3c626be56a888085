import type { Attachment } from '../core/channel-event.ts';
import type { ToolOutput, TurnTool } from '../core/tool.ts';
import type { ClaimedTurn } from '../core/turn.ts';

/** Files of a conversation that the model is told of when it names one that is not there. */
const MAX_NAMES = 20;

/**
 * Looks again at a file of an earlier message, which a prompt only names. It knows only the messages of the turn's own
 * conversation; where they have no files, nobody is told of it.
 */
export function createReadAttachment(options: {
  readonly canFetch: (turn: ClaimedTurn) => boolean;
  readonly look: (turn: ClaimedTurn, attachment: Attachment, signal: AbortSignal) => Promise<ToolOutput>;
}): TurnTool {
  return {
    name: 'read_attachment',
    forTurn(turn, threadFiles) {
      const files = earlierFiles(turn, threadFiles);
      if (files.size === 0 || !options.canFetch(turn)) return null;
      return {
        name: 'read_attachment',
        description:
          'Looks again at a file of an earlier message of this conversation, which you see only by name: "[attached file: …]".',
        title: 'Looking at a file',
        isRepeatable: true,
        inputSchema: {
          type: 'object',
          properties: {
            name: { type: 'string', description: 'As it stands in the conversation: chart.png' },
          },
          required: ['name'],
          additionalProperties: false,
        },
        async run({ name }, { signal }) {
          const file = files.get(plain(String(name)));
          if (file !== undefined) return options.look(turn, file, signal);
          const known = [...files.keys()].slice(0, MAX_NAMES).join(', ');
          throw new Error(`There is no such file in the earlier messages that you see. There are: ${known}.`);
        },
      };
    },
  };
}

/** By name, the newest of those that have the same; without those that the turn answers, which are shown anyway. */
function earlierFiles(
  { messages }: ClaimedTurn,
  threadFiles: readonly Attachment[],
): ReadonlyMap<string, Attachment> {
  const newestFirst = messages.filter(({ ofTurn }) => !ofTurn).toReversed();
  const files = new Map<string, Attachment>();
  // What is recorded came later than what was written before anybody called the agent.
  for (const attachment of [
    ...newestFirst.flatMap(({ attachments }) => attachments),
    ...threadFiles.toReversed(),
  ])
    if (!files.has(plain(attachment.name))) files.set(plain(attachment.name), attachment);
  return files;
}

/** As a prompt shows a name: in one line. */
function plain(name: string): string {
  return name.replaceAll(/[\p{C}\p{Z}]+/gu, ' ').trim();
}

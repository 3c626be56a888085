import type { Tool, ToolContext } from '../core/tool.ts';

/** A page of a conversation's messages, newest first. */
export type ReadMessages = (page: {
  readonly tenantId: string;
  readonly conversationId: number;
  /** Only messages older than the one with this id; `null`: from the newest. */
  readonly beforeId: number | null;
  readonly skip: number;
  readonly limit: number;
}) => Promise<readonly EarlierMessage[]>;

export interface EarlierMessage {
  readonly id: number;
  readonly isOwn: boolean;
  readonly authorId: string;
  /** `null`: not stored with it. */
  readonly authorName: string | null;
  readonly text: string;
  readonly sentAt: Date;
}

const DEFAULT_LIMIT = 20;
const MAX_LIMIT = 50;
const MAX_MESSAGE_CHARACTERS = 2_000;
const LINE_BREAK = /\r\n|[\n\r\v\f\u0085\u2028\u2029]/g;

/**
 * Reads what was said in this conversation before the part that the prompt shows. It knows only the conversation that
 * it works for: which one that is comes from the context and never from the model.
 *
 * @param options.historyMessages how many of the newest messages a prompt shows at most
 */
export function createReadConversation(options: {
  readonly readMessages: ReadMessages;
  /** Names of people, by the platform's id. */
  readonly personNames: (
    context: ToolContext,
    personIds: readonly string[],
  ) => Promise<ReadonlyMap<string, string>>;
  readonly historyMessages: number;
}): Tool {
  const { readMessages, personNames, historyMessages } = options;
  return {
    name: 'read_conversation',
    description: `Reads earlier messages of this conversation, a page at a time, going back in time. You have been shown at most its newest ${historyMessages} messages; use this when people refer to something older.`,
    title: 'Reading earlier messages',
    isRepeatable: true,
    inputSchema: {
      type: 'object',
      properties: {
        before: {
          type: 'integer',
          minimum: 1,
          description: 'To go on: the number that the last page named.',
        },
        skip: {
          type: 'integer',
          minimum: 0,
          maximum: 100_000,
          description: `How many of the newest messages to leave out when "before" is not given. Default: ${historyMessages}. If you see "[earlier messages left out]", give 0.`,
        },
        limit: { type: 'integer', minimum: 1, maximum: MAX_LIMIT, description: `Default: ${DEFAULT_LIMIT}.` },
      },
      additionalProperties: false,
    },
    async run({ before, skip, limit }, context: ToolContext) {
      const { tenantId, conversationId } = context;
      const beforeId = before === undefined ? null : Number(before);
      const size = Number(limit ?? DEFAULT_LIMIT);
      const found = await readMessages({
        tenantId,
        conversationId,
        beforeId,
        skip: beforeId === null ? Number(skip ?? historyMessages) : 0,
        limit: size + 1, // one more tells whether there is more
      });
      if (found.length === 0) return 'There are no earlier messages.';
      const page = found.slice(0, size);
      const unnamed = page.filter(({ isOwn, authorName }) => !isOwn && authorName === null);
      const names = await personNames(
        context,
        unnamed.map(({ authorId }) => authorId),
      );
      const oldest = page.at(-1);
      const more =
        found.length > size && oldest !== undefined
          ? `There is more: go on with before=${oldest.id}.`
          : 'The conversation begins here.';
      return [more, ...page.toReversed().map((message) => lineOf(message, names))].join('\n');
    },
  };
}

/** As in the prompt, only a new message begins at the beginning of a line: no text can speak for somebody else. */
function lineOf(
  { isOwn, authorId, authorName, text, sentAt }: EarlierMessage,
  names: ReadonlyMap<string, string>,
): string {
  const cut = text.length > MAX_MESSAGE_CHARACTERS ? `${text.slice(0, MAX_MESSAGE_CHARACTERS)} […]` : text;
  const time = sentAt.toISOString().slice(0, 16).replace('T', ' ');
  const author = authorName ?? names.get(authorId) ?? authorId;
  const name = isOwn ? 'You' : author.replaceAll(/[\p{C}\p{Z}:]+/gu, ' ');
  return `${time} ${name}: ${cut.replaceAll(LINE_BREAK, '\n  ')}`;
}

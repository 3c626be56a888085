import type { Channel } from '../core/channel.ts';
import type { AnswerPart } from '../core/delivery.ts';
import type { MessageAuthor, OutboundMessage, ThreadTarget } from '../core/outbound.ts';
import type { ClaimedTurn } from '../core/turn.ts';

/** The delivery of the turn's placeholder; `null`: it has none. */
export function placeholderDelivery({ placeholderId, deliveries }: ClaimedTurn): number | null {
  return placeholderId ?? deliveries.find(({ kind }) => kind === 'placeholder')?.id ?? null;
}

interface Standing {
  readonly state: 'shown';
  readonly messageId: string;
}

/** What stands of a longer answer that this turn replaces or takes back, beside its first message and its files. */
export function furtherParts(turn: ClaimedTurn): readonly Standing[] {
  return standingParts(turn, (isFile) => !isFile);
}

/** The files of an answer that this turn replaces or takes back. */
export function earlierFiles(turn: ClaimedTurn): readonly Standing[] {
  return standingParts(turn, (isFile) => isFile);
}

function standingParts({ deliveries }: ClaimedTurn, wanted: (isFile: boolean) => boolean) {
  return deliveries
    .filter(({ kind, position, externalId }) => kind === 'placeholder' && position > 0 && externalId !== null)
    .filter(({ detail }) => wanted(detail?.file !== undefined))
    .map(({ externalId }): Standing => ({ state: 'shown', messageId: externalId ?? '' }));
}

/** Whose words they are. */
export function authorOf({ agent }: ClaimedTurn): MessageAuthor {
  return { name: agent.name, icon: agent.icon ?? null };
}

/**
 * The author of what only stands there until the answer does. Where an edit would change it to the app it is the app from the
 * start: that always lets itself be edited and taken away.
 */
export function provisionalAuthor(
  { capabilities }: Channel,
  turn: ClaimedTurn,
): { readonly author?: MessageAuthor } {
  return capabilities.editsKeepAuthor === false ? {} : { author: authorOf(turn) };
}

/** Where the turn speaks. */
export function targetOf({ channelId, replyThreadId }: ClaimedTurn): ThreadTarget {
  return { channelId, threadId: replyThreadId };
}

/** The platform's id of the newest message that the turn answers; a press of a button is none. */
export function newestMessage({ messages }: ClaimedTurn): string | null {
  const newest = messages.findLast(
    ({ ofTurn, direction, externalId }) =>
      ofTurn && direction === 'in' && externalId !== null && !externalId.startsWith('action:'),
  );
  return newest?.externalId ?? null;
}

/** What goes with a part beside its text. */
export function around(turn: ClaimedTurn, { detail }: AnswerPart): Partial<OutboundMessage> {
  return {
    isAnswer: true,
    author: authorOf(turn),
    ...lastHeard(turn),
    ...(detail?.choices === undefined ? {} : { choices: detail.choices }),
  };
}

/** When somebody last wrote in the conversation. */
function lastHeard({ messages }: ClaimedTurn): { readonly lastHeardAtMs?: number } {
  const times = messages.filter(({ direction }) => direction === 'in').map(({ sentAtMs }) => sentAtMs);
  return times.length === 0 ? {} : { lastHeardAtMs: Math.max(...times) };
}

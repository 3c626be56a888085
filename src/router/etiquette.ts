import type { MessageEvent, ReactionEvent } from '../core/channel-event.ts';

/** What a person wants of the agent beside an answer. */
export type Wish = 'stop' | 'mute' | 'unmute';

/** ⛔ beside 🛑, because people who look for a stop sign take whichever they find first. */
const STOP_EMOJI = new Set(['🛑', '⛔']);
const MUTE_EMOJI = '🔇';

/** What a person thinks of an answer; `null`: the reaction says nothing of the kind. */
export function opinionOfReaction({ emoji }: Pick<ReactionEvent, 'emoji'>): 'up' | 'down' | null {
  const plain = emoji.replaceAll(/[\u{1F3FB}-\u{1F3FF}\u{FE0F}]/gu, '');
  return plain === '👍' ? 'up' : plain === '👎' ? 'down' : null;
}

/** What a reaction says; `null`: nothing. Taking a stop sign off says nothing: what was stopped stays stopped. */
export function wishOfReaction({ emoji, present }: ReactionEvent): Wish | null {
  if (STOP_EMOJI.has(emoji)) return present ? 'stop' : null;
  if (emoji === MUTE_EMOJI) return present ? 'mute' : 'unmute';
  // Taken off, whatever it was: a mute that the same person had put on the same message is one no longer.
  if (emoji === '' && !present) return 'unmute';
  return null;
}

/**
 * What a message says if it consists of that one word. Case, accents and what stands around it (`Stop!!`) do not
 * matter; a second word does: "stop the server" is for the agent to read.
 *
 * @param text without the agent's own mention
 * @param addressed whether the message was certainly meant for the agent: "unmute" has to be
 */
export function wishOfMessage(
  event: Pick<MessageEvent, 'attachments'>,
  text: string,
  addressed: boolean,
  stopWords: readonly string[],
): 'stop' | 'unmute' | null {
  const own = text.replace(QUOTATION, '');
  if (event.attachments.length > 0 || own.length > MAX_CHARACTERS) return null;
  const word = plainWord(own);
  if (word === '') return null;
  if (stopWords.some((stopWord) => plainWord(stopWord) === word)) return 'stop';
  return addressed && word === 'unmute' ? 'unmute' : null;
}

const MAX_CHARACTERS = 60;
/** What a message replies to stands before it, and is not what the person says now. */
const QUOTATION = /^(?:>[^\n]*(?:\n+|$))+/;
const AROUND = /^[\s\p{P}\p{S}]+|[\s\p{P}\p{S}]+$/gu;

function plainWord(text: string): string {
  return text.normalize('NFD').replaceAll(/\p{M}/gu, '').replaceAll(AROUND, '').toLowerCase();
}

import type { Answer, AnswerPart, Delivery, DeliveryProgress, Placeholder } from '../core/delivery.ts';
import { isKonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { ClaimedTurn } from '../core/turn.ts';
import type { SendFile } from './create-send-file.ts';
import type { TurnMessages, TurnMessagesOptions } from './create-turn-messages.ts';
import { outcomeOf, stillUnknown } from './send-outcome.ts';
import { authorOf, earlierFiles, furtherParts } from './turn-messages.ts';

export interface SendAnswerOptions extends Pick<TurnMessagesOptions, 'channelOf' | 'accessOf'> {
  readonly messages: TurnMessages;
  readonly sendFile: SendFile;
  readonly count: (turn: ClaimedTurn, kind: 'answer' | 'file', outcome: string) => void;
  readonly answerRefusal: (turn: ClaimedTurn, error: unknown) => Promise<unknown>;
  readonly log: Log;
}

/**
 * Sends the parts of an answer, one after the other. The first takes the placeholder's place: by an edit or, where an edit would
 * put the app's name over the words of an agent that has its own, as a new message after which the placeholder goes. Either way
 * a part that may stand there is looked for before it is sent again, and what it replaces goes only when it stands.
 */
export function createSendAnswer(options: SendAnswerOptions): Pick<Delivery, 'answer' | 'answersElsewhere'> {
  const { messages, log } = options;
  return {
    answer: sendAnswer,
    answersElsewhere: (turn, signal) => speaksAnew(turn, signal).catch(() => true),
  };

  async function sendAnswer(
    turn: ClaimedTurn,
    answer: Answer,
    shown: Placeholder,
    signal: AbortSignal,
  ): Promise<DeliveryProgress> {
    const externalIds: (string | null)[] = answer.parts.map(({ externalId }) => externalId);
    for (const [index, part] of answer.parts.entries()) {
      const file = part.detail?.file;
      const kind = file === undefined ? 'answer' : 'file';
      const earlier = index === 0 ? shown : furtherParts(turn)[index - 1];
      let goes: Placeholder | undefined;
      try {
        if (file === undefined && earlier !== undefined && (await isAnew(turn, part, signal))) goes = earlier;
        if (part.state !== 'sent') {
          externalIds[index] =
            file === undefined
              ? await sendText(turn, answer, part, earlier, goes !== undefined, signal)
              : await options.sendFile(turn, part, file, signal);
          options.count(turn, kind, externalIds[index] === null ? 'failed' : 'sent');
        }
      } catch (error) {
        options.count(turn, kind, outcomeOf(error));
        return { externalIds, error: await options.answerRefusal(turn, error), stoppedAt: index };
      }
      // The part stands: what stops this stopped no part.
      const left = goes === undefined ? null : await takeReplaced(turn, goes, externalIds[index], signal);
      if (left !== null) return { externalIds, error: left };
    }
    // An answer that replaces a longer one: the rest of that goes, and so do its files.
    const texts = answer.parts.filter(({ detail }) => detail?.file === undefined).length;
    const rest = [...furtherParts(turn).slice(texts - 1), ...earlierFiles(turn)];
    return { externalIds, error: await takeAll(turn, rest, signal) };
  }

  /** Whether an edit would put the app's name over words that are to stand under the agent's. */
  async function speaksAnew(turn: ClaimedTurn, signal: AbortSignal): Promise<boolean> {
    const channel = options.channelOf(turn);
    if (channel.capabilities.editsKeepAuthor !== false || channel.hasOwnAuthor === undefined) return false;
    return channel.hasOwnAuthor(options.accessOf(turn), authorOf(turn), signal);
  }

  async function isAnew(turn: ClaimedTurn, { state }: AnswerPart, signal: AbortSignal): Promise<boolean> {
    try {
      return await speaksAnew(turn, signal);
    } catch (error) {
      throw state === 'new' ? error : stillUnknown(error);
    }
  }

  async function sendText(
    turn: ClaimedTurn,
    answer: Answer,
    part: AnswerPart,
    earlier: Placeholder | undefined,
    anew: boolean,
    signal: AbortSignal,
  ): Promise<string> {
    const isApology = answer.isApology === true;
    if (earlier === undefined || (anew && !isApology)) return messages.post(turn, part, signal);
    // An apology is no answer and stands where the agent worked, unless the answer was sent after all.
    const found = anew && part.state === 'unknown' ? await messages.find(turn, part, signal) : null;
    return found ?? messages.putInPlace(turn, part, earlier, signal);
  }

  async function takeReplaced(
    turn: ClaimedTurn,
    replaced: Placeholder,
    kept: string | null | undefined,
    signal: AbortSignal,
  ): Promise<unknown> {
    try {
      const messageId = await messages.standing(turn, replaced, signal);
      return messageId === null || messageId === kept ? null : await takeAll(turn, [{ messageId }], signal);
    } catch (error) {
      return error;
    }
  }

  /** Returns what stopped it; `null`: they are gone, or will never go. */
  async function takeAll(
    turn: ClaimedTurn,
    gone: readonly { readonly messageId: string }[],
    signal: AbortSignal,
  ): Promise<unknown> {
    try {
      for (const { messageId } of gone) await messages.take(turn, messageId, signal);
      return null;
    } catch (failure) {
      const error = await options.answerRefusal(turn, failure);
      const { tenantId, turnId } = turn;
      log.warn('answer.rest_left_standing', { tenantId, turnId, error });
      // The answer itself is there: what the platform will never take away does not make it undelivered.
      return isKonstructError(error, 'platform_rejected') ? null : error;
    }
  }
}

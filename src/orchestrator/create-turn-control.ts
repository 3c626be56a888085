import { KonstructError } from '../core/errors.ts';
import type { ModelMessage } from '../core/model.ts';
import type { ClaimedTurn, TurnLedger, TurnMessage } from '../core/turn.ts';
import type { TurnControl } from '../core/turn-control.ts';
import type { PreparePrompt } from './create-prepare-prompt.ts';
import { turnKey } from './turn-outcome.ts';

/** A turn's control that also knows how much of what is to be answered the model has read. */
export interface ReadingTurnControl extends TurnControl {
  revision(): number;
}

/**
 * Lets messages join a turn whose agent steers: before each model call but the first the record is asked what came, or was
 * changed, since the last. Agents that do not steer are asked nothing: what comes waits, or interrupts the turn.
 */
export function createTurnControl(options: {
  readonly turn: ClaimedTurn;
  readonly ledger: Pick<TurnLedger, 'readMessages'>;
  readonly preparePrompt: PreparePrompt;
  readonly signal: AbortSignal;
  /** People have changed what the turn is about: the work on it ends, and the ledger says how it goes on. */
  readonly interrupted: AbortSignal;
}): ReadingTurnControl {
  const { turn, ledger, signal, interrupted } = options;
  const known = new Map(turn.messages.filter(isOfTurn).map(({ id, content }) => [id, content]));
  let { revision } = turn;

  return {
    revision: () => revision,
    callSignal: () => interrupted,
    async arrivals(): Promise<readonly ModelMessage[]> {
      if (turn.agent.busyMode !== 'steer') return [];
      const now = await ledger.readMessages(turnKey(turn));
      if (now === null) throw new KonstructError('lease_lost');
      const left = new Set(now.messages.map(({ id }) => id));
      // What was taken back may have been read already: the turn begins anew without it.
      if ([...known.keys()].some((id) => !left.has(id))) throw new KonstructError('turn_interrupted');
      const news = now.messages.filter(({ id, content }) => known.get(id) !== content);
      const messages = news.map((message) => (known.has(message.id) ? asEdited(message) : message));
      // Written as in the prompt: with names, and so that nobody can speak for somebody else.
      const prompt =
        news.length === 0
          ? null
          : await options.preparePrompt({ ...turn, threadUnread: false, messages }, signal);
      for (const { id, content } of news) known.set(id, content);
      revision = now.revision;
      return prompt?.messages ?? [];
    },
  };
}

function isOfTurn({ ofTurn, direction }: TurnMessage): boolean {
  return ofTurn && direction === 'in';
}

function asEdited(message: TurnMessage): TurnMessage {
  return { ...message, content: `(edited) ${message.content}` };
}

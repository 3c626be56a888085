import type { ModelMessage } from './model.ts';

/**
 * Steers one turn while it runs. Each answer of the loop between model and tools passes here, so this is where messages
 * join a turn, and where the call under way is ended.
 */
export interface TurnControl {
  /** Asked before every model call but the first: what joins the turn, as the model shall read it. */
  arrivals(): Promise<readonly ModelMessage[]>;
  /**
   * A new signal for the next model call or round of tools. Aborted with the reason `aborted` it ends that call, and the turn goes on
   * from its last finished step (`arrivals` is asked again). Any other reason ends the work on the turn with that error.
   */
  callSignal(): AbortSignal;
}

const never = new AbortController().signal;

/** Nobody joins and nobody interrupts. */
export const noTurnControl: TurnControl = { arrivals: async () => [], callSignal: () => never };

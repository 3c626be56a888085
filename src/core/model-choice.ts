import type { RouteEntry } from './model.ts';

/** A turn that is about to ask its model, for who chooses that. Holds nothing that is said. */
export interface TurnToAnswer {
  readonly tenantId: string;
  readonly turnId: number;
  readonly agent: { readonly id: string; readonly slug: string; readonly route: string };
  readonly channel: string;
  readonly scope: 'direct' | 'group' | 'channel';
  /** How often it was tried before. */
  readonly attempts: number;
  /** Characters of what is to be answered. */
  readonly characters: number;
}

export interface ModelChoice {
  /** Instead of the agent's. */
  readonly route?: string;
  /** A model to ask before those of the route; with the keys that stand there, where it is one of them. */
  readonly preferred?: RouteEntry;
}

/**
 * Chooses the model of one turn, once for all of its calls in an attempt; `null`: as the agent says. For trials, and for
 * what a rule of one's own should decide. What it throws is logged, and the turn goes on as the agent says.
 */
export type ChooseModel = (turn: TurnToAnswer) => ModelChoice | null;

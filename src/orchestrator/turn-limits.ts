import type { Clock } from '../core/clock.ts';
import { type Agent, turnLimitDefaults } from '../core/tenant.ts';
import type { TurnTranscript } from './turn-transcript.ts';

/** Holds a turn to the limits of its agent. */
export interface TurnLimitCheck {
  /** Why the next model call is the last one and gets no tools, in words; `null`: it is not. */
  reached(): string | null;
  /** Why one more tool call may not be made; `number` counts the calls of the turn from 0. */
  refusesCall(number: number): string | null;
  /** What is left of the turn's time, in ms. */
  leftMs(): number;
}

/**
 * All attempts of a turn count together; time in which nobody worked on it does not. A model call is not cut off at
 * the moment when the time is over, as it is paid for: it has a little longer, what it wants then is refused, and one more
 * call answers with what is known.
 */
export function createTurnLimits(
  { limits }: Pick<Agent, 'limits'>,
  transcript: TurnTranscript,
  clock: Clock,
): TurnLimitCheck {
  const maxSteps = limits?.maxSteps ?? turnLimitDefaults.maxSteps;
  const maxToolCalls = limits?.maxToolCalls ?? turnLimitDefaults.maxToolCalls;
  const maxTurnSeconds = limits?.maxTurnSeconds ?? turnLimitDefaults.maxTurnSeconds;
  const untilMs = clock() + maxTurnSeconds * 1000 - transcript.earlierMs;
  const isLate = () => clock() >= untilMs;
  const time = `${maxTurnSeconds} seconds`;
  const calls = `${maxToolCalls} tool ${maxToolCalls === 1 ? 'call' : 'calls'}`;
  return {
    reached() {
      if (transcript.modelCalls() + 1 >= maxSteps) return `${maxSteps} ${maxSteps === 1 ? 'step' : 'steps'}`;
      if (transcript.toolCalls() >= maxToolCalls) return calls;
      return isLate() ? time : null;
    },
    refusesCall(number) {
      const reason = number >= maxToolCalls ? calls : isLate() ? time : null;
      return reason && `Not done: you may take at most ${reason} for one answer. Answer with what you have.`;
    },
    leftMs: () => Math.max(0, untilMs - clock()),
  };
}

/**
 * Whether answers of a route take long enough to be watched. A whole answer costs the process half of a streamed one, and
 * nothing is shown of one that is there within a second: so what was quick lately is asked for as a whole.
 */
export interface AnswerPace {
  isSlow(route: string): boolean;
  /** A model call of this route took so long, streamed or not. */
  note(route: string, ms: number): void;
}

/** Below it a person would see the placeholder and then the answer, whatever was streamed. */
const WORTH_WATCHING_MS = 1_000;
/** How much the newest call counts: after two slow ones in a row a quick route is watched again. */
const WEIGHT = 0.5;
/** Routes are named by people and few. */
const MAX_ROUTES = 10_000;

export function createAnswerPace(): AnswerPace {
  const averagesMs = new Map<string, number>();
  return {
    // Nobody knows yet: a person may be waiting for something long.
    isSlow: (route) => (averagesMs.get(route) ?? Number.POSITIVE_INFINITY) >= WORTH_WATCHING_MS,
    note(route, ms) {
      const known = averagesMs.get(route);
      if (known === undefined && averagesMs.size >= MAX_ROUTES) averagesMs.clear();
      averagesMs.set(route, known === undefined ? ms : known + WEIGHT * (ms - known));
    },
  };
}

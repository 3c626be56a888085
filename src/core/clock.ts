/** Time as an argument, so that tests need no mocks. Returns ms since 1970. */
export type Clock = () => number;

/** Randomness as an argument: a number in [0, 1). */
export type Random = () => number;

/** Waits, unless the signal ends it: then it rejects with the signal's reason. */
export type Sleep = (ms: number, signal?: AbortSignal) => Promise<void>;

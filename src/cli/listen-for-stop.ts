/** npm forwards the SIGINT that the terminal sends to both of us: within this time it is the same one. */
const SAME_SIGNAL_MS = 1_000;

/** The longest that stopping may take; what is not closed by then is taken over or repeated by others. */
const STOP_DEADLINE_MS = 25_000;
/** What keeps the process alive after everything was stopped is a connection to somebody who is away. */
const LINGER_MS = 2_000;

/**
 * Listens for SIGINT and SIGTERM from now on. Called before anything starts: a signal that comes during the start then
 * ends it in order as soon as it is complete, where Node would leave the embedded database running.
 *
 * @returns waits for the signal, stops what runs and resolves to the exit code: 0 after an orderly stop. A second
 *   signal does not wait any longer.
 */
export function listenForStop(): (stop: () => Promise<void>) => Promise<number> {
  const { promise: signalled, resolve } = Promise.withResolvers<void>();
  let firstAtMs: number | null = null;
  const onSignal = (): void => {
    firstAtMs ??= performance.now();
    if (performance.now() - firstAtMs > SAME_SIGNAL_MS) process.exit(1);
    resolve();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return async (stop) => {
    await signalled;
    setTimeout(() => process.exit(1), STOP_DEADLINE_MS).unref();
    await stop();
    setTimeout(() => process.exit(0), LINGER_MS).unref();
    return 0;
  };
}

/**
 * What is the same signal: npm forwards the SIGINT that the terminal sends to both of us, and a supervisor that asks the
 * whole process group to stop is heard twice as well.
 */
const SAME_SIGNAL_MS = { SIGINT: 1_000, SIGTERM: 250 } as const;

/** What closing may take beyond the grace and deadline of the settings; what is left is taken over by others. */
const CLOSING_MS = 15_000;
/** What keeps the process alive after everything was stopped is a connection to somebody who is away. */
const LINGER_MS = 2_000;

/**
 * Listens for SIGINT and SIGTERM from now on. Called before anything starts: a signal that comes during the start then
 * ends it in order as soon as it is complete, where Node would leave the embedded database running.
 *
 * @returns waits for the signal, stops what runs and resolves to the exit code: 0 after an orderly stop. A second
 *   signal does not wait any longer.
 */
export function listenForStop(): (stop: () => Promise<void>, patienceMs?: number) => Promise<number> {
  const { promise: signalled, resolve } = Promise.withResolvers<void>();
  let firstAtMs: number | null = null;
  const onSignal = (signal: 'SIGINT' | 'SIGTERM') => (): void => {
    firstAtMs ??= performance.now();
    if (performance.now() - firstAtMs > SAME_SIGNAL_MS[signal]) process.exit(1);
    resolve();
  };
  process.on('SIGINT', onSignal('SIGINT'));
  process.on('SIGTERM', onSignal('SIGTERM'));
  return async (stop, patienceMs = 10_000) => {
    await signalled;
    setTimeout(() => process.exit(1), patienceMs + CLOSING_MS).unref();
    await stop();
    setTimeout(() => process.exit(0), LINGER_MS).unref();
    return 0;
  };
}

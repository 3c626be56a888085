/** npm forwards the SIGINT that the terminal sends to both of us: within this time it is the same one. */
const SAME_SIGNAL_MS = 1_000;

/**
 * Waits for SIGINT or SIGTERM and then stops what runs. A second signal does not wait any longer. Resolves to the exit
 * code: 0 after an orderly stop.
 */
export async function stopOnSignal(stop: () => Promise<void>): Promise<number> {
  await new Promise<void>((resolve) => {
    let firstAtMs: number | null = null;
    const onSignal = (): void => {
      firstAtMs ??= performance.now();
      if (performance.now() - firstAtMs > SAME_SIGNAL_MS) process.exit(1);
      resolve();
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
  await stop();
  return 0;
}

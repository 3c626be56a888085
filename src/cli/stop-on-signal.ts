/**
 * Waits for SIGINT or SIGTERM and then stops what runs. A second signal does not wait any longer. Resolves to the exit
 * code: 0 after an orderly stop.
 */
export async function stopOnSignal(stop: () => Promise<void>): Promise<number> {
  await new Promise<void>((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
  const impatient = (): never => process.exit(1);
  process.once('SIGINT', impatient);
  process.once('SIGTERM', impatient);
  await stop();
  return 0;
}

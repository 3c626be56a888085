import { isKonstructError } from '../core/errors.ts';

/** Says on standard error what went wrong and what to do; the stack and the causes only when asked for. */
export function printError(error: unknown, options: { verbose: boolean }): void {
  if (options.verbose) {
    console.error(error);
    return;
  }
  if (!isKonstructError(error)) {
    console.error(`konstruct: ${error instanceof Error ? error.message : String(error)}`);
    console.error('This should not happen. Run it again with --verbose to see where it comes from.');
    return;
  }
  console.error(`konstruct: ${error.message}`);
  // A list of problems says for each what to do.
  if (!Array.isArray(error.details.problems)) console.error(error.remedy);
}

import type { Command } from 'commander';
import type { Transaction } from 'kysely';
import { isKonstructError, type KonstructError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Database } from '../../db/schema.ts';
import { createCommandContext, withCommandDatabase } from '../command-context.ts';
import type { Selection } from './select-dead-letters.ts';

export interface ChangeOptions extends Selection {
  readonly json?: boolean;
}

/** What is done to each dead letter, in a transaction of its own that sees its tenant only. */
export interface Change<Result> {
  /** Key of the JSON that lists what was done. */
  readonly name: 'replayed' | 'discarded';
  apply(transaction: Transaction<Database>, id: number): Promise<Result>;
  log(log: Log, result: Result & { readonly turnId: number; readonly tenantId: string }): void;
  describe(id: number, result: Result): string;
}

interface Refusal {
  readonly id: number;
  readonly code: string;
  readonly error: KonstructError;
}

/** Does the same to many dead letters. One that refuses does not keep the others from it, but fails the command. */
export async function changeDeadLetters<Result extends object>(
  command: Command,
  texts: readonly string[],
  options: ChangeOptions,
  change: Change<Result>,
): Promise<void> {
  const [{ parseSelection, selectDeadLetters, unknownDeadLetter }, { withTenant }] = await Promise.all([
    import('./select-dead-letters.ts'),
    import('../../db/with-tenant.ts'),
  ]);
  const ids = parseSelection(texts, options);
  const context = await createCommandContext(command);
  const done: { id: number; result: Result }[] = [];
  const refused: Refusal[] = [];
  await withCommandDatabase(context, async ({ database }) => {
    for (const { id, tenantId } of await selectDeadLetters(database, ids, options)) {
      try {
        if (tenantId === null) throw unknownDeadLetter(id);
        const result = await withTenant(database, tenantId, (transaction) => change.apply(transaction, id));
        change.log(context.log, { ...result, turnId: id, tenantId });
        done.push({ id, result });
      } catch (error) {
        if (!isRefusal(error)) throw error;
        // Of all of them, one that somebody else took meanwhile is none any more.
        if (!options.all || error.code === 'replay_impossible') refused.push({ id, code: error.code, error });
      }
    }
  });
  if (options.json) {
    const failed = refused.map(({ id, code, error }) => ({ id, code, message: error.message }));
    console.log(
      JSON.stringify({ [change.name]: done.map(({ id, result }) => ({ id, ...result })), failed }, null, 2),
    );
  } else {
    for (const { id, result } of done) console.log(change.describe(id, result));
    if (done.length === 0 && refused.length === 0) console.log('There are no dead letters.');
  }
  for (const { error } of refused) console.error(`konstruct: ${error.message}`);
  for (const remedy of new Set(refused.map(({ error }) => error.remedy))) console.error(remedy);
  if (refused.length > 0) process.exitCode = 1;
}

function isRefusal(error: unknown): error is KonstructError {
  return (
    isKonstructError(error, 'not_found') ||
    isKonstructError(error, 'dead_letter_closed') ||
    isKonstructError(error, 'replay_impossible')
  );
}

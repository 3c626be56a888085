import { Command } from 'commander';
import type { Kysely } from 'kysely';
import type { Database } from '../../db/schema.ts';
import type { DeadLetter } from '../../stores/dead-letters.ts';
import { alignTable } from '../align-table.ts';
import { createCommandContext, withCommandDatabase } from '../command-context.ts';
import { parseLimit } from '../parse-limit.ts';

interface ListOptions {
  readonly tenant?: string;
  readonly limit: string;
  readonly all?: boolean;
  readonly json?: boolean;
}

/** `konstruct dead-letters list` */
export function listCommand(): Command {
  return new Command('list')
    .summary('list what could not be answered, newest first')
    .description('Lists turns that were given up, newest first. Never shows the text of a message.')
    .option('--tenant <slug>', 'only those of this tenant')
    .option('--limit <n>', 'how many at most', '50')
    .option('--all', 'also those that were discarded')
    .option('--json', 'print them as JSON')
    .action(async (options: ListOptions, command: Command) => {
      const limit = parseLimit(options.limit);
      const context = await createCommandContext(command);
      const letters = await withCommandDatabase(context, ({ database }) => read(database, options, limit));
      if (options.json) console.log(JSON.stringify(letters, null, 2));
      else console.log(letters.length === 0 ? 'There are no dead letters.' : format(letters));
    });
}

async function read(
  database: Kysely<Database>,
  { tenant, all = false }: ListOptions,
  limit: number,
): Promise<readonly DeadLetter[]> {
  const [{ listDeadLetterKeys, readDeadLetters }, { findTenantId }, { withTenant }] = await Promise.all([
    import('../../stores/dead-letters.ts'),
    import('./select-dead-letters.ts'),
    import('../../db/with-tenant.ts'),
  ]);
  const tenantId = await findTenantId(database, tenant);
  const keys = await listDeadLetterKeys(database, { tenantId, discarded: all, limit });
  const found = new Map<number, DeadLetter>();
  for (const [owner, own] of Map.groupBy(keys, (key) => key.tenantId)) {
    const ids = own.map(({ id }) => id);
    const letters = await withTenant(database, owner, (transaction) => readDeadLetters(transaction, ids));
    for (const letter of letters) found.set(letter.id, letter);
  }
  return keys.flatMap(({ id }) => found.get(id) ?? []);
}

function format(letters: readonly DeadLetter[]): string {
  const rows = letters.map((letter) => [
    String(letter.id),
    `${letter.diedAt.toISOString().slice(0, 19).replace('T', ' ')}Z`,
    letter.tenant,
    letter.agent ?? '-',
    `${letter.channel} ${letter.channelId}`,
    letter.status === 'discarded' ? `${letter.reason} (discarded)` : letter.reason,
    String(letter.modelCalls),
    letter.told === null ? '?' : letter.told ? 'yes' : 'no',
  ]);
  return alignTable([['ID', 'DIED', 'TENANT', 'AGENT', 'CHANNEL', 'REASON', 'MODEL CALLS', 'TOLD'], ...rows]);
}

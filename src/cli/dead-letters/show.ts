import { Command } from 'commander';
import type { Kysely } from 'kysely';
import type { Database } from '../../db/schema.ts';
import type { DeadLetterLog } from '../../stores/dead-letter-log.ts';
import type { DeadLetter } from '../../stores/dead-letters.ts';
import { createCommandContext, withCommandDatabase } from '../command-context.ts';
import { formatDeadLetter } from './format-dead-letter.ts';

/** `konstruct dead-letters show` */
export function showCommand(): Command {
  return new Command('show')
    .summary('show why one could not be answered, step by step')
    .description(
      'Shows a dead letter: the reason, every model call, what was delivered, and what its person was told.',
    )
    .argument('<id>', 'as `konstruct dead-letters list` prints it')
    .option('--texts', 'also what people and the agent wrote; it is private, so only when you need it')
    .option('--json', 'print it as JSON')
    .action(async (text: string, options: { texts?: boolean; json?: boolean }, command: Command) => {
      const { parseId } = await import('./select-dead-letters.ts');
      const id = parseId(text);
      const context = await createCommandContext(command);
      const { letter, log } = await withCommandDatabase(context, ({ database }) => read(database, id));
      const shown = options.texts ? log : withoutTexts(log);
      if (options.json) console.log(JSON.stringify({ ...letter, ...shown }, null, 2));
      else console.log(formatDeadLetter(letter, shown));
    });
}

async function read(
  database: Kysely<Database>,
  id: number,
): Promise<{ letter: DeadLetter; log: DeadLetterLog }> {
  const [{ readDeadLetters }, { readDeadLetterLog }, { findDeadLetter, unknownDeadLetter }, { withTenant }] =
    await Promise.all([
      import('../../stores/dead-letters.ts'),
      import('../../stores/dead-letter-log.ts'),
      import('./select-dead-letters.ts'),
      import('../../db/with-tenant.ts'),
    ]);
  const { tenantId } = await findDeadLetter(database, id);
  return withTenant(database, tenantId, async (transaction) => {
    const [letter] = await readDeadLetters(transaction, [id]);
    if (!letter) throw unknownDeadLetter(id);
    return { letter, log: await readDeadLetterLog(transaction, id) };
  });
}

/** The log with its texts left out, and not only hidden. */
function withoutTexts(log: DeadLetterLog) {
  return {
    messages: log.messages.map(({ text: _, ...rest }) => rest),
    // What tools were asked and what they gave is text of people too.
    steps: log.steps.map(({ detail: { attempts, name }, ...rest }) => ({
      ...rest,
      detail: { ...(attempts === undefined ? {} : { attempts }), ...(name === undefined ? {} : { name }) },
    })),
    deliveries: log.deliveries.map(({ text: _, ...rest }) => rest),
  };
}

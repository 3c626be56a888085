import { Command } from 'commander';
import { type ChangeOptions, changeDeadLetters } from './change-dead-letters.ts';

/** `konstruct dead-letters discard` */
export function discardCommand(): Command {
  return new Command('discard')
    .summary('mark them as seen; nobody is answered')
    .description(
      'Marks dead letters as seen. Nothing is sent, and they cannot be replayed any more; `konstruct dead-letters list ' +
        '--all` still lists them until retention removes them.',
    )
    .argument('[ids...]', 'as `konstruct dead-letters list` prints them')
    .option('--all', 'all that there are')
    .option('--tenant <slug>', 'with --all: only those of this tenant')
    .option('--json', 'print the result as JSON')
    .action(async (ids: string[], options: ChangeOptions, command: Command) => {
      const { discardDeadLetter } = await import('../../stores/replay-dead-letter.ts');
      await changeDeadLetters(command, ids, options, {
        name: 'discarded',
        apply: async (transaction, id) => ({ reason: await discardDeadLetter(transaction, id) }),
        log: (log, fields) => log.info('dead_letter.discarded', { ...fields }),
        describe: (id) => `Discarded ${id}.`,
      });
    });
}

import { Command } from 'commander';
import { type ChangeOptions, changeDeadLetters } from './change-dead-letters.ts';

/** `konstruct dead-letters replay` */
export function replayCommand(): Command {
  return new Command('replay')
    .summary('have them answered after all, in the same thread')
    .description(
      [
        'Has dead letters answered after all, by the workers that run: in the same thread, in the place of the sentence',
        'that said there would be no answer. An answer that could not be delivered is delivered again without asking the',
        'model; everything else is asked anew. One whose conversation is busy waits until it is free. Each is replayed',
        'once, however often this is said.',
      ].join('\n'),
    )
    .argument('[ids...]', 'as `konstruct dead-letters list` prints them')
    .option('--all', 'all that there are')
    .option('--tenant <slug>', 'with --all: only those of this tenant')
    .option('--json', 'print the result as JSON')
    .action(async (ids: string[], options: ChangeOptions, command: Command) => {
      const { replayDeadLetter } = await import('../../stores/replay-dead-letter.ts');
      await changeDeadLetters(command, ids, options, {
        name: 'replayed',
        apply: replayDeadLetter,
        log: (log, fields) => log.info('dead_letter.replayed', { ...fields }),
        describe: (id, { state, answer }) => {
          const work = answer === 'stored' ? 'its stored answer is delivered' : 'it is answered';
          const when = state === 'ready' ? 'now' : 'when the turn under way in its conversation has ended';
          return `Replayed ${id}: ${work} ${when}.`;
        },
      });
    });
}

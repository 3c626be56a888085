import { Command } from 'commander';
import { discardCommand } from './dead-letters/discard.ts';
import { listCommand } from './dead-letters/list.ts';
import { replayCommand } from './dead-letters/replay.ts';
import { showCommand } from './dead-letters/show.ts';

/** `konstruct dead-letters` */
export function deadLettersCommand(): Command {
  return new Command('dead-letters')
    .summary('list, show, replay or discard what could not be answered')
    .description(
      'Dead letters: turns that were given up after all retries. People were told so in the thread where that was ' +
        'possible; here operators see why, and have them answered after all.',
    )
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(replayCommand())
    .addCommand(discardCommand());
}

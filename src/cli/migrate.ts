import { Command } from 'commander';
import { createCommandContext, withServer } from './command-context.ts';

/** `konstruct migrate` */
export function migrateCommand(): Command {
  return new Command('migrate')
    .summary('bring the database up to date')
    .description(
      'Brings the database up to date: DATABASE_URL, else the embedded one in the data folder. Safe to run from many processes at once, and again.',
    )
    .option('--json', 'print the applied migrations as JSON')
    .action(async (options: { json?: boolean }, command: Command) => {
      const context = await createCommandContext(command);
      const { migrate } = await import('../db/migrate.ts');
      const { applied } = await withServer(context, ({ url }) => migrate(url, { log: context.log }), {
        mayMake: true,
      });
      if (options.json) console.log(JSON.stringify({ applied }));
      else if (applied.length === 0) console.log('The database is up to date.');
      else console.log(['The database is up to date now. Applied:', ...applied].join('\n  '));
    });
}

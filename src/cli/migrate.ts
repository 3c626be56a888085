import { Command } from 'commander';
import { createCommandContext } from './command-context.ts';

/** `konstruct migrate` */
export function migrateCommand(): Command {
  return new Command('migrate')
    .summary('bring the database up to date')
    .description(
      'Brings the database up to date: DATABASE_URL, else the embedded one in the data folder. Safe to run from many processes at once, and again.',
    )
    .option('--json', 'print the applied migrations as JSON')
    .action(async (options: { json?: boolean }, command: Command) => {
      const { config, log } = await createCommandContext(command);
      const { openDatabase } = await import('../db/open-database.ts');
      const { migrate } = await import('../db/migrate.ts');
      const opened = await openDatabase(config, log);
      try {
        const { applied } = await migrate(opened.url, { log });
        if (options.json) console.log(JSON.stringify({ applied }));
        else if (applied.length === 0) console.log('The database is up to date.');
        else console.log(['The database is up to date now. Applied:', ...applied].join('\n  '));
      } finally {
        await opened.close();
      }
    });
}

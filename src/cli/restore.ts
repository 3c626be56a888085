import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { Command } from 'commander';
import { KonstructError } from '../core/errors.ts';
import { createCommandContext, withServer } from './command-context.ts';
import { formatRows } from './format-rows.ts';

interface RestoreOptions {
  readonly force?: boolean;
  readonly json?: boolean;
}

/** `konstruct restore` */
export function restoreCommand(): Command {
  return new Command('restore')
    .summary('make a database what it was when a backup was made')
    .description(
      'Makes a database (DATABASE_URL, else the embedded one) what it was when konstruct backup wrote the file, also with ' +
        'an older version, and brings it up to date. All of it or nothing: when it fails, the database is as before. Stop ' +
        'all processes first. Needs the KONSTRUCT_MASTER_KEY of that time to use what is restored.',
    )
    .argument('<file>', 'what konstruct backup wrote; - reads standard input')
    .option('--force', 'replace what is in the database')
    .option('--json', 'print what was restored as JSON')
    .action(async (file: string, { force = false, json }: RestoreOptions, command: Command) => {
      const context = await createCommandContext(command);
      const source = file === '-' ? process.stdin : await openFile(file);
      const { restoreBackup } = await import('../db/backup/restore-backup.ts');
      const { head, rows } = await withServer(
        context,
        ({ url }, signal) => restoreBackup(url, source, { force, signal, log: context.log }),
        { mayMake: true },
      );
      if (json) console.log(JSON.stringify({ file, madeAt: head.madeAt, version: head.version, rows }));
      else console.log(`Restored what version ${head.version} had on ${head.madeAt}. ${formatRows(rows)}`);
      // It knows of commits that are gone now.
      if (context.config.redis !== null) console.error('Empty Redis (FLUSHDB) before the next start.');
      console.error('Next: konstruct doctor');
    });
}

async function openFile(file: string): Promise<Readable> {
  try {
    await (await open(file, 'r')).close();
    return createReadStream(file);
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'does not exist' : 'cannot be read';
    throw new KonstructError('usage_invalid', `The file ${file} ${reason}.`, { cause });
  }
}

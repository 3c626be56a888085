import { rmSync } from 'node:fs';
import { access, open, rename } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { Command } from 'commander';
import { KonstructError } from '../core/errors.ts';
import type { BackupRows } from '../db/backup/write-backup.ts';
import { createCommandContext, withServer } from './command-context.ts';
import { formatRows } from './format-rows.ts';
import { readVersion } from './read-version.ts';

interface BackupOptions {
  readonly force?: boolean;
  readonly json?: boolean;
}

/** `konstruct backup` */
export function backupCommand(): Command {
  return new Command('backup')
    .summary('write all that is in the database to a file')
    .description(
      'Writes all that is in the database, as it is at this moment, to a file that konstruct restore reads. The ' +
        'installation can go on working. Tokens and keys stay encrypted in it: keep KONSTRUCT_MASTER_KEY elsewhere. What ' +
        'people wrote stands there in the clear, so only you can read the file.',
    )
    .argument('<file>', 'for example konstruct-2026-11-28.backup; - writes to standard output')
    .option('--force', 'replace the file if it exists')
    .option('--json', 'print the number of rows by table as JSON')
    .action(async (file: string, options: BackupOptions, command: Command) => {
      const context = await createCommandContext(command);
      const { writeBackup } = await import('../db/backup/write-backup.ts');
      const write = (sink: Writable) =>
        withServer(context, ({ url }, signal) =>
          writeBackup(url, sink, { version: readVersion(), clock: Date.now, signal }),
        );
      const rows = file === '-' ? await write(process.stdout) : await writeFile(file, options, write);
      const text = options.json
        ? JSON.stringify({ file, rows })
        : `Backed up to ${file}. ${formatRows(rows)}`;
      // What is on standard output is the backup then.
      if (file === '-') console.error(text);
      else console.log(text);
    });
}

/** A file is there when it is whole: under its name it appears at the end. */
async function writeFile(
  file: string,
  { force = false }: BackupOptions,
  write: (sink: Writable) => Promise<BackupRows>,
): Promise<BackupRows> {
  if (!force && (await exists(file))) {
    throw new KonstructError('usage_invalid', `The file ${file} exists already; --force replaces it.`);
  }
  const partial = `${file}.partial`;
  const handle = await open(partial, 'w', 0o600).catch((cause: unknown) => {
    throw new KonstructError('usage_invalid', `The file ${file} cannot be written.`, { cause });
  });
  // Also on Ctrl-C, which ends the process.
  const removePartial = () => rmSync(partial, { force: true });
  process.once('exit', removePartial);
  const sink = handle.createWriteStream({ flush: true }); // on the disk when it is closed
  try {
    const rows = await write(sink);
    await rename(partial, file);
    return rows;
  } finally {
    sink.destroy();
    removePartial();
    process.off('exit', removePartial);
  }
}

function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}

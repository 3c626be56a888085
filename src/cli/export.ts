import { writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { KonstructError } from '../core/errors.ts';
import { createCommandContext, openCommandCipher, withCommandDatabase } from './command-context.ts';

/** `konstruct export` */
export function exportCommand(): Command {
  return new Command('export')
    .summary('print the konstruct.yaml of what is there, without secrets')
    .description(
      'Prints a konstruct.yaml that says what the database has. Secrets are written as variables of the environment, ' +
        'which are listed on standard error; with these set, applying the file changes nothing.',
    )
    .option('-o, --output <file>', 'write to this file instead of standard output')
    .action(async ({ output }: { output?: string }, command: Command) => {
      const context = await createCommandContext(command);
      const { exportConfigFile } = await import('../config-file/export-config-file.ts');
      const { text, variables } = await withCommandDatabase(context, async (opened) =>
        exportConfigFile(opened.database, await openCommandCipher(context, opened)),
      );
      if (output === undefined) process.stdout.write(text);
      else await write(output, text);
      if (variables.length === 0) return;
      console.error('The file takes these secrets from the environment:');
      for (const { name, meaning } of variables) console.error(`  ${name}  ${meaning}`);
    });
}

async function write(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text);
  } catch (cause) {
    throw new KonstructError('usage_invalid', `The file ${file} cannot be written.`, { cause });
  }
}

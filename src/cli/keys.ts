import { Command } from 'commander';
import { KonstructError } from '../core/errors.ts';
import { createCommandContext, openCommandCipher, withCommandDatabase } from './command-context.ts';

/** `konstruct keys` */
export function keysCommand(): Command {
  const command = new Command('keys').summary('rotate the master key').description('Master keys.');
  command
    .command('rotate')
    .summary('re-encrypt all credentials under a new master key')
    .description(
      [
        'Re-encrypts all stored credentials under KONSTRUCT_MASTER_KEY. In this order:',
        '  1. Make a new key: openssl rand -base64 32',
        '  2. Restart every process with KONSTRUCT_MASTER_KEY=<new> and KONSTRUCT_MASTER_KEY_PREVIOUS=<old>.',
        '  3. Run konstruct keys rotate with the same two.',
        '  4. Restart without KONSTRUCT_MASTER_KEY_PREVIOUS, and destroy the old key.',
      ].join('\n'),
    )
    .option('--json', 'print the result as JSON')
    .action(rotate);
  return command;
}

async function rotate(options: { json?: boolean }, command: Command): Promise<void> {
  const context = await createCommandContext(command);
  const { rotateKeys } = await import('./rotate-keys.ts');
  const result = await withCommandDatabase(context, async (opened) =>
    rotateKeys(opened.database, await openCommandCipher(context, opened)),
  );
  const { reencrypted, current, unreadable } = result;
  if (options.json) console.log(JSON.stringify(result, null, 2));
  else console.log(`Re-encrypted: ${reencrypted}. Under the current key already: ${current}.`);
  if (unreadable.length > 0) {
    throw new KonstructError(
      'credentials_unreadable',
      `No key opens: ${unreadable.join(', ')}. Keep the old key, and add the missing one to KONSTRUCT_MASTER_KEY_PREVIOUS.`,
    );
  }
}

import { Command } from 'commander';
import { KonstructError } from '../core/errors.ts';
import { createCommandContext } from './command-context.ts';

interface SlackManifestCommandOptions {
  readonly name: string;
  readonly publicUrl?: string;
  readonly json?: boolean;
}

/** `konstruct manifest` */
export function manifestCommand(): Command {
  const command = new Command('manifest')
    .summary('print what a chat tool needs to know to make our app')
    .description('What a chat tool needs to know to make an app that works with this installation.');
  command
    .command('slack')
    .summary('print a link that makes the Slack app')
    .description('Prints a link that opens Slack with the app filled in: scopes, events and addresses.')
    .option('--name <name>', 'name of the app and its bot', 'Konstruct')
    .option('--public-url <url>', 'where Slack reaches this installation (default: KONSTRUCT_PUBLIC_URL)')
    .option('--json', 'print the manifest itself')
    .action(printSlackManifest);
  return command;
}

async function printSlackManifest(options: SlackManifestCommandOptions, command: Command): Promise<void> {
  const { config } = await createCommandContext(command);
  const publicUrl = options.publicUrl ?? config.publicUrl;
  if (publicUrl === null || URL.parse(publicUrl)?.protocol !== 'https:') {
    throw new KonstructError(
      'usage_invalid',
      'Slack needs an https address: set KONSTRUCT_PUBLIC_URL or give --public-url https://….',
    );
  }
  const { slackManifest, slackManifestLink } = await import('../channels/slack/manifest.ts');
  const manifest = { publicUrl, name: options.name };
  if (options.json) console.log(JSON.stringify(slackManifest(manifest), null, 2));
  else console.log(slackManifestLink(manifest));
}

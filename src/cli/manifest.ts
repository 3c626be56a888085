import { Command } from 'commander';
import { KonstructError } from '../core/errors.ts';
import { type CommandContext, createCommandContext, withCommandDatabase } from './command-context.ts';

interface SlackManifestCommandOptions {
  readonly name: string;
  readonly publicUrl?: string;
  readonly connection?: string;
  readonly socketMode?: boolean;
  readonly json?: boolean;
}

/** `konstruct manifest` */
export function manifestCommand(): Command {
  const command = new Command('manifest')
    .summary('print what a chat tool needs to know to make our app')
    .description('What a chat tool needs to know to make an app that works with this installation.');
  command
    .command('slack')
    .summary('print what makes the Slack app')
    .description(
      'Prints a link that opens Slack with the app filled in (scopes, events and addresses), and the manifest to paste there where it is not.',
    )
    .option('--name <name>', 'name of the app and its bot', 'Konstruct')
    .option('--public-url <url>', 'where Slack reaches this installation (default: KONSTRUCT_PUBLIC_URL)')
    .option(
      '--connection <id>',
      'for an app of its own: a workspace as in konstruct.yaml (T…), or a connection’s id',
    )
    .option('--socket-mode', 'for an installation that Slack cannot reach: no address is needed')
    .option('--json', 'print the manifest alone')
    .action(printSlackManifest);
  return command;
}

async function printSlackManifest(options: SlackManifestCommandOptions, command: Command): Promise<void> {
  const context = await createCommandContext(command);
  const { config } = context;
  const publicUrl = options.socketMode ? null : (options.publicUrl ?? config.publicUrl);
  if (!options.socketMode && (publicUrl === null || URL.parse(publicUrl)?.protocol !== 'https:')) {
    throw new KonstructError(
      'usage_invalid',
      'Slack needs an https address: set KONSTRUCT_PUBLIC_URL, give --public-url https://…, or use --socket-mode.',
    );
  }
  const { slackManifest, slackManifestLink } = await import('../channels/slack/manifest.ts');
  const connectionId =
    options.connection === undefined ? null : await findSlackConnection(context, options.connection);
  const manifest = { publicUrl, name: options.name, ...(connectionId === null ? {} : { connectionId }) };
  const json = JSON.stringify(slackManifest(manifest), null, 2);
  if (options.json) {
    console.log(json);
    return;
  }
  console.log(`Open this link and choose the workspace:\n\n${slackManifestLink(manifest)}\n`);
  console.log(`If the page asks how to begin, choose "From a manifest" and paste this as JSON:\n\n${json}`);
}

/**
 * The id of the one Slack connection that is meant.
 * @throws KonstructError `not_found`, `usage_invalid` where a workspace has several
 */
async function findSlackConnection(context: CommandContext, wanted: string): Promise<string> {
  const { readInstallation } = await import('../config-file/read-installation.ts');
  const { tenants } = await withCommandDatabase(context, ({ database }) => readInstallation(database, null));
  const found = [...tenants.values()]
    .flatMap(({ connections }) => connections)
    .filter(({ channel, id, externalId }) => channel === 'slack' && [id, externalId].includes(wanted));
  const [connection] = found;
  if (connection === undefined) {
    throw new KonstructError('not_found', `There is no Slack connection ${wanted}.`);
  }
  if (found.length > 1) {
    const ids = found.map(({ id, appId }) => `  ${id} (app ${appId || 'any'})`).join('\n');
    throw new KonstructError(
      'usage_invalid',
      `${wanted} has several connections; name one by its id:\n${ids}`,
    );
  }
  return connection.id;
}

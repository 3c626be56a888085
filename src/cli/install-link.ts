import { Command, InvalidArgumentError } from 'commander';
import type { Kysely } from 'kysely';
import type { ChannelDefinition, PlatformSettings } from '../core/channel-definition.ts';
import { KonstructError } from '../core/errors.ts';
import type { InstallLink } from '../core/install-link.ts';
import type { Database } from '../db/schema.ts';
import {
  type CommandContext,
  createCommandContext,
  openCommandCipher,
  withCommandDatabase,
} from './command-context.ts';

interface InstallLinkOptions {
  readonly tenant: string;
  readonly agent: string;
  readonly days: number;
  readonly json?: boolean;
}

const DAY_MS = 86_400_000;

/** `konstruct install-link` */
export function installLinkCommand(): Command {
  return new Command('install-link')
    .summary('print a link by which people connect their workspace to a tenant')
    .description(
      'Prints a link that opens the chat tool’s consent page. Whoever has it can connect workspaces, which then belong to the ' +
        'tenant and are answered by the agent, until it expires. It takes a new master key to make it worthless earlier.',
    )
    .argument('<channel>', 'the chat tool: slack')
    .requiredOption('--tenant <slug>', 'whose the workspaces become')
    .requiredOption('--agent <slug>', 'who answers there')
    .option('--days <number>', 'how long the link works', parseDays, 7)
    .option('--json', 'print the link and when it expires as JSON')
    .action(printInstallLink);
}

async function printInstallLink(type: string, options: InstallLinkOptions, command: Command): Promise<void> {
  const context = await createCommandContext(command);
  const [{ loadChannels }, { makeInstallLink }, { platformSettings, slackSettings }] = await Promise.all([
    import('./load-extensions.ts'),
    import('../core/install-link.ts'),
    import('../config.ts'),
  ]);
  const definitions = await loadChannels(context.config.channelFiles);
  const definition = definitions.find((channel) => channel.type === type);
  if (definition?.install === undefined) {
    const able = definitions.filter(({ install }) => install !== undefined).map((channel) => channel.type);
    throw new KonstructError('usage_invalid', `Links are for ${able.join(', ')}; not for "${type}".`);
  }
  const settings: Readonly<Record<string, PlatformSettings>> = {
    ...platformSettings(context.config),
    slack: slackSettings(context.config),
  };
  const publicUrl = checkSetUp(context, definition, settings[type]?.values ?? {});
  const { target, cipher } = await withCommandDatabase(context, async (opened) => ({
    target: await findTarget(opened.database, options),
    cipher: await openCommandCipher(context, opened),
  }));
  const expiresAtMs = Date.now() + options.days * DAY_MS;
  const { path } = definition.install;
  const link = makeInstallLink(cipher, type, target, { publicUrl, path, expiresAtMs });
  if (options.json) {
    console.log(JSON.stringify({ link, expiresAt: new Date(expiresAtMs).toISOString() }, null, 2));
  } else {
    console.log(link);
  }
}

/** @throws KonstructError `config_invalid`: the link would lead to a page that says so */
function checkSetUp(
  { config }: CommandContext,
  { type, displayName }: ChannelDefinition,
  values: Readonly<Record<string, string>>,
): string {
  const prefix = type.toUpperCase().replaceAll('-', '_');
  const missing = [
    ...(config.publicUrl === null ? ['KONSTRUCT_PUBLIC_URL'] : []),
    ...(values.clientId ? [] : [`${prefix}_CLIENT_ID and ${prefix}_CLIENT_SECRET`]),
  ];
  if (config.publicUrl !== null && missing.length === 0) return config.publicUrl;
  throw new KonstructError(
    'config_invalid',
    `To connect ${displayName} in a browser, set ${missing.join(', ')}, here and where Konstruct runs.`,
  );
}

/** @throws KonstructError `not_found` */
async function findTarget(
  database: Kysely<Database>,
  { tenant, agent }: InstallLinkOptions,
): Promise<InstallLink> {
  const { readInstallation } = await import('../config-file/read-installation.ts');
  const { tenants } = await readInstallation(database, new Set([tenant]));
  const state = tenants.get(tenant);
  if (state === undefined) throw new KonstructError('not_found', `There is no tenant ${tenant}.`);
  const found = state.agents.find(({ slug }) => slug === agent);
  if (found === undefined) {
    const known = state.agents.map(({ slug }) => slug).join(', ') || 'none';
    throw new KonstructError('not_found', `${tenant} has no agent ${agent}; it has: ${known}.`);
  }
  return { tenantId: state.tenant.id, agentId: found.id };
}

function parseDays(text: string): number {
  const days = Number(text);
  if (!(days > 0 && days <= 365)) throw new InvalidArgumentError('It must be a number from 0 to 365.');
  return days;
}

import type { ConnectionAccess } from '../../core/outbound.ts';
import { asRecords } from '../read-json.ts';
import type { DiscordClient } from './client.ts';
import { COMMAND } from './parse-interaction.ts';

/** Slash command, one text, in servers and in direct conversations with the bot. */
const DEFINITION = {
  name: COMMAND.name,
  type: 1,
  description: 'Ask the AI coworker something',
  options: [{ type: 3, name: COMMAND.option, description: 'What you want to know', required: true }],
  integration_types: [0],
  contexts: [0, 1],
} as const;

/**
 * Registers `/ask` if the app has no command of that name. Others of the app's, and one that somebody has worded
 * otherwise, are left alone.
 *
 * Source: https://discord.com/developers/docs/interactions/application-commands#create-global-application-command
 */
export async function registerCommand(
  client: DiscordClient,
  access: ConnectionAccess,
  signal: AbortSignal,
): Promise<void> {
  const path = ['applications', access.externalId, 'commands'];
  const known = await client.call(
    access,
    { name: 'get commands', method: 'GET', path, idempotent: true },
    signal,
  );
  if (asRecords(known).some(({ name }) => name === COMMAND.name)) return;
  await client.call(
    access,
    { name: 'create command', method: 'POST', path, body: DEFINITION, idempotent: true },
    signal,
  );
}

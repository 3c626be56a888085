import type { Kysely } from 'kysely';
import type { AppOptions } from './app-options.ts';
import type { Channel, ChannelInstallation } from './core/channel.ts';
import type { ChannelDefinition } from './core/channel-definition.ts';
import type { Clock } from './core/clock.ts';
import type { Database } from './db/schema.ts';
import { createInstallFlow, type InstallFlow } from './gateway/create-install-flow.ts';
import { findInstallTarget, saveInstallation, useInstallState } from './stores/installations.ts';

/** The pages by which people connect installations, of every channel that has such. */
export function openInstallFlows(parts: {
  readonly definitions: readonly ChannelDefinition[];
  readonly channels: ReadonlyMap<string, Channel>;
  readonly options: Pick<AppOptions, 'cipher' | 'log' | 'publicUrl'>;
  readonly database: Kysely<Database>;
  readonly wallClock: Clock;
}): readonly InstallFlow[] {
  const { definitions, channels, database, wallClock } = parts;
  const { cipher, log, publicUrl = null } = parts.options;
  return definitions.flatMap(({ type, displayName, install, connection }) =>
    install === undefined
      ? []
      : [
          createInstallFlow({
            channel: type,
            displayName,
            paths: install,
            installation: channels.get(type)?.installation,
            publicUrl,
            findTarget: ({ tenantId, agentId }) => findInstallTarget(database, tenantId, agentId),
            useState: (id, expiresAtMs) => useInstallState(database, id, expiresAtMs),
            save: (link, app) =>
              saveInstallation(database, cipher, { ...link, channel: type, app, keep: connection.optional }),
            cipher,
            wallClock,
            log,
          }),
        ],
  );
}

/** Those whose credentials can be renewed. */
export function installationsOf(
  channels: ReadonlyMap<string, Channel>,
): ReadonlyMap<string, ChannelInstallation> {
  return new Map(
    [...channels].flatMap(([type, { installation }]) => (installation ? [[type, installation]] : [])),
  );
}

import type { Channel } from '../core/channel.ts';
import type { ConnectionAccess } from '../core/outbound.ts';

/** Display names of people, by the platform's id; without those that cannot be found out quickly. */
export type PersonNames = (
  connection: { readonly tenantId: string; readonly connectionId: string; readonly signal: AbortSignal },
  personIds: readonly string[],
) => Promise<ReadonlyMap<string, string>>;

/** Names are nice to have: nothing waits longer for them. */
const DEADLINE_MS = 1_500;
const MAX_LOOK_UPS = 40;

export function createPersonNames(options: {
  readonly channels: ReadonlyMap<string, Channel>;
  /** `null`: there is no such connection any more. */
  readonly open: (
    tenantId: string,
    connectionId: string,
  ) => Promise<{ readonly channel: string; readonly access: ConnectionAccess } | null>;
}): PersonNames {
  return async ({ tenantId, connectionId, signal }, personIds) => {
    const names = new Map<string, string>();
    if (personIds.length === 0) return names;
    const opened = await options.open(tenantId, connectionId);
    const channel = opened && options.channels.get(opened.channel);
    if (!channel) return names;
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]);
    await Promise.all(
      [...new Set(personIds)].slice(0, MAX_LOOK_UPS).map(async (personId) => {
        const name = await channel.personName(opened.access, personId, deadline).catch(() => null);
        if (name !== null) names.set(personId, name);
      }),
    );
    return names;
  };
}

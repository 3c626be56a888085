/** Rights in a server that the agent works with. Source: https://discord.com/developers/docs/topics/permissions */
const permissions = [
  ['View Channels', 1n << 10n],
  ['Send Messages', 1n << 11n],
  ['Create Public Threads', 1n << 35n],
  ['Send Messages in Threads', 1n << 38n],
  ['Read Message History', 1n << 16n],
  ['Add Reactions', 1n << 6n],
  ['Attach Files', 1n << 15n],
  ['Embed Links', 1n << 14n],
] as const;
const ADMINISTRATOR = 1n << 3n;

export type PermissionName = (typeof permissions)[number][0];

/** Names of those that are missing; `null`: Discord did not say. */
export function missingPermissions(
  bits: unknown,
  wanted: readonly PermissionName[] = permissions.map(([name]) => name),
): readonly PermissionName[] | null {
  if (typeof bits !== 'string' || !/^\d{1,30}$/.test(bits)) return null;
  const given = BigInt(bits);
  if ((given & ADMINISTRATOR) !== 0n) return [];
  return permissions
    .filter(([name, bit]) => wanted.includes(name) && (given & bit) === 0n)
    .map(([name]) => name);
}

/** Where somebody invites the bot into a server, with all that it needs. */
export function inviteUrl(applicationId: string): string {
  const all = permissions.reduce((sum, [, bit]) => sum | bit, 0n);
  return `https://discord.com/oauth2/authorize?client_id=${applicationId}&scope=bot+applications.commands&permissions=${all}`;
}

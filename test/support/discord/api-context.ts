import {
  type App,
  type Channel,
  DiscordRefusal,
  PERMISSIONS,
  permissionsOf,
  type World,
} from './discord-world.ts';

export type Given = Readonly<Record<string, unknown>>;

export interface SentFile {
  readonly name: string;
  readonly mediaType: string;
  readonly content: Buffer;
}

export interface RouteContext {
  readonly world: World;
  /** Whose token it is; interactions need none. */
  readonly app: App;
  readonly query: URLSearchParams;
  readonly files: ReadonlyMap<string, SentFile>;
  /** Tells the bots that may know. */
  readonly dispatch: (channel: Channel, name: string, data: Given) => void;
}

export interface Route {
  /** In errors, faults and limits: `create message`. */
  readonly name: string;
  readonly method: string;
  readonly path: RegExp;
  /** Fields of the body; one that is not listed is refused, although Discord would ignore it. `null`: checked elsewhere. */
  readonly fields: readonly string[] | null;
  readonly isAnonymous?: boolean;
  run(context: RouteContext, ids: readonly string[], given: Given): unknown;
}

export function visibleChannel(context: RouteContext, id: string | undefined): Channel {
  const channel = context.world.channels.get(id ?? '');
  if (channel === undefined) throw new DiscordRefusal(404, 10003, 'Unknown Channel');
  requirePermission(context, channel, PERMISSIONS.view);
  return channel;
}

/** @throws DiscordRefusal */
export function requirePermission({ world, app }: RouteContext, channel: Channel, wanted: bigint): void {
  const given = permissionsOf(world, app, channel) ?? 0n;
  if ((given & PERMISSIONS.view) === 0n) throw new DiscordRefusal(403, 50001, 'Missing Access');
  if ((given & wanted) !== wanted) throw new DiscordRefusal(403, 50013, 'Missing Permissions');
}

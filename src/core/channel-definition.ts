import type { Channel } from './channel.ts';
import type { Clock, Random, Sleep } from './clock.ts';
import type { Log } from './log.ts';
import type { Mailbox } from './mailbox.ts';
import type { Metrics } from './metrics.ts';
import type { ConnectionAccess } from './outbound.ts';
import type { Credentials } from './tenant.ts';

/** A platform as the installation knows it before anybody uses it. Cheap: a platform's library is loaded by use. */
export interface ChannelDefinition {
  /** As in konstruct.yaml and the database: `slack`. */
  readonly type: string;
  /** For people: `Slack`. */
  readonly displayName: string;
  readonly webhook: ChannelWebhook;
  /** Where browsers come to connect an installation and back from the platform's consent page; absent: nowhere. */
  readonly install?: InstallPaths;
  readonly connection: ConnectionRules;
  /** The platform has a streaming of its own that connections may ask for (`streaming: native`); absent: it has none. */
  readonly ownStream?: true;
  /** Base address of the platform's API where none is configured. */
  readonly defaultApiUrl: string;
  /**
   * There is no platform: what is said is kept in mailboxes of our own (`ChannelOptions.mailbox`), and people's browsers
   * come for it (`Channel.visitors`). Nothing is received on the webhook's path itself.
   */
  readonly keepsMailbox?: true;
  open(options: ChannelOptions): Channel;
}

/** Where the platform sends to. */
export interface ChannelWebhook {
  /** `/slack/events`; a connection's own path is below it: `/slack/events/{connectionId}`. */
  readonly path: string;
  /** Further paths, for other kinds of events: `/slack/interactions`. Their connections' own are below them, too. */
  readonly alsoPaths?: readonly string[];
  /** Whether the platform checks an address with a GET before it sends there, see `Channel.handshake`. */
  readonly hasHandshake?: boolean;
  /** The largest request, in bytes; absent: 1 MiB, which is more than a message anywhere. */
  readonly maxBodyBytes?: number;
  /** Whether connections share the path itself, with the installation's secret; otherwise each has its own only. */
  readonly shared: boolean;
}

export interface InstallPaths {
  /** `/slack/install` */
  readonly path: string;
  /** `/slack/oauth_redirect` */
  readonly redirectPath: string;
}

/** What a connection of a channel is identified by and which credentials it has. */
export interface ConnectionRules {
  readonly externalId: RegExp;
  /** In words, after "must be". */
  readonly externalIdMeaning: string;
  readonly required: readonly string[];
  readonly optional: readonly string[];
}

export interface ChannelOptions {
  readonly apiUrl: string;
  /** What else the installation sets for the platform, by name; absent: nothing. Secrets may be among it. */
  readonly values?: Readonly<Record<string, string>>;
  /** Where platforms reach this installation, without a slash at its end; absent or `null`: nowhere. */
  readonly publicUrl?: string | null;
  readonly clock: Clock;
  /** What the machine's clock says; absent: the same as `clock`. */
  readonly wallClock?: Clock;
  readonly random: Random;
  readonly sleep: Sleep;
  readonly log: Log;
  readonly metrics?: Metrics;
  /** For channels that keep one; absent where nothing is sent. */
  readonly mailbox?: Mailbox;
  /** For credentials that expire. Absent: nobody renews them. */
  readonly renewCredentials?: RenewCredentials;
  /** For one HTTP exchange; 10 s by default. */
  readonly timeoutMs?: number;
  /** For all waiting of one call for the platform's limits; 30 s by default. */
  readonly maxWaitMs?: number;
}

/**
 * What holds now in place of credentials that are about to expire or have: renewed and stored, by one process at a time.
 * @throws KonstructError `platform_rejected`: they cannot be renewed; `platform_unavailable`, `database_unavailable`
 */
export type RenewCredentials = (access: ConnectionAccess, signal: AbortSignal) => Promise<Credentials>;

/** What an installation sets for a platform. */
export interface PlatformSettings {
  /** Absent: the platform's own. */
  readonly apiUrl?: string;
  /** What requests to the shared path are verified with; `null`: each connection brings its own. */
  readonly signingSecret: string | null;
  /** What a handshake on the shared path has to say. */
  readonly handshakeToken?: string | null;
  /** What else the platform's adapter wants to know, see `ChannelOptions.values`. */
  readonly values?: Readonly<Record<string, string>>;
}

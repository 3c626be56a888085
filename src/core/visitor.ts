import type { ChannelRequest } from './channel.ts';
import type { Credentials } from './tenant.ts';

/** A person whose browser comes to us itself. */
export interface Visitor {
  /** Their own channel on the connection: nobody else reads or writes there. */
  readonly channelId: string;
  readonly name: string | null;
  /** The site does not know them. */
  readonly isAnonymous: boolean;
  /** When their proof ends, in ms since 1970. */
  readonly expiresAtMs: number;
}

/** What a channel without a platform of its own knows of its visitors. */
export interface VisitorDesk {
  /** Whose request it says it is, believed or not; `null`: nobody's. `Channel.verify` says whether to believe it. */
  visitorOf(request: ChannelRequest): Visitor | null;
  /**
   * The proof for somebody whom the site does not know.
   * @param known who they were before, if their proof should be renewed; `null`: somebody new
   * @throws KonstructError `signing_secret_missing`
   */
  admitStranger(
    credentials: Credentials,
    known: Visitor | null,
    nowMs: number,
  ): { readonly token: string; readonly visitor: Visitor };
}

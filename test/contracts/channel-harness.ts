import type { Channel, ChannelRequest } from '../../src/core/channel.ts';
import type { ChannelDefinition, ChannelOptions } from '../../src/core/channel-definition.ts';
import type { ConnectionAccess, FormattedText, ThreadTarget } from '../../src/core/outbound.ts';
import { systemTime } from '../../src/system-time.ts';
import { silentLog } from '../support/silent-log.ts';
import type { EncodedBody, WireBody } from './bodies/wire-body.ts';

export type Operation = 'post' | 'edit';
export type Trouble = 'limit' | 'error' | 'cut_before' | 'cut_after' | 'silent_after';

/** A platform's stand-in as the contract suite drives it. One file per platform implements it. */
export interface ChannelHarness {
  readonly definition: ChannelDefinition;
  readonly channel: Channel;
  /** Two connections of different companies; each may write in its own place only. */
  readonly access: ConnectionAccess;
  readonly target: ThreadTarget;
  readonly otherAccess: ConnectionAccess;
  readonly otherTarget: ThreadTarget;
  /** A request as the platform makes it, with a message of a person in it. */
  request(message: {
    readonly id: number;
    readonly text: string;
    readonly eventNumber: number;
  }): ChannelRequest;
  /** One of every kind of request that the platform makes. */
  readonly bodies: readonly WireBody[];
  /** Any body with the platform's proof. The path is the channel's own where none is given. */
  signed(encoded: EncodedBody, path?: string): ChannelRequest;
  readonly secret: string;
  readonly nowMs: number;
  /** Whether the secret vouches for the body too; otherwise only for who sends it. */
  readonly signsBody: boolean;
  /** Headers that prove the sender. */
  readonly proof: readonly string[];
  /** Where the proof is part of the body: the request with that part changed, and nothing else; absent: it is in headers. */
  changeProof?(request: ChannelRequest, random: () => number): ChannelRequest;
  /** The first connection with credentials that the platform refuses, and what of them must stand in no error. */
  readonly refused: { readonly access: ConnectionAccess; readonly secret: string };
  /** Whom the platform would call upon for this text, by its own rules: mentions that are more than letters. */
  pings(text: FormattedText): readonly string[];
  /** Texts by which somebody might try to make the agent call upon people: `@everyone`, `<!channel>`. */
  readonly pingAttempts: readonly string[];
  /** The next call of this kind goes wrong. A limit names 3,600 s. */
  hurt(operation: Operation, trouble: Trouble): void;
  /** Texts that stand in the first connection's place, by message id. */
  standing(): ReadonlyMap<string, string>;
  close(): Promise<void>;
}

/** Options that make a failing call fail soon: 1,000 ms for an exchange (a busy machine needs some), 1,500 ms for all waiting. */
export function impatient(apiUrl: string): ChannelOptions {
  return { apiUrl, ...systemTime, log: silentLog, timeoutMs: 1_000, maxWaitMs: 1_500 };
}

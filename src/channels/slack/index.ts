import type { Channel } from '../../core/channel.ts';
import type { Clock, Random, Sleep } from '../../core/clock.ts';
import type { Log } from '../../core/log.ts';
import type { Metrics } from '../../core/metrics.ts';
import { createSlackClient } from './client.ts';
import { createIdentities } from './identity.ts';
import { parseSlackRequest } from './parse.ts';
import { createPersonNames } from './person-names.ts';
import { editMessage, postMessage, postPrivately, removeMessage } from './send.ts';
import { MAX_CHARACTERS, splitMarkdown } from './split.ts';
import { fetchThread, findByMarker } from './thread.ts';
import { verifySlackRequest } from './verify.ts';

export interface SlackChannelOptions {
  /** Base address of the Web API; ends in `/api/`. */
  readonly apiUrl: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly sleep: Sleep;
  readonly log: Log;
  readonly metrics?: Metrics;
  /** For one HTTP exchange; 10 s by default. */
  readonly timeoutMs?: number;
  /** For all waiting of one call for Slack's limits; 30 s by default. */
  readonly maxWaitMs?: number;
}

/** A `Channel` that keeps connections to Slack open until it is closed. */
export interface SlackChannel extends Channel {
  close(): void;
}

const TIMEOUT_MS = 10_000;
const MAX_WAIT_MS = 30_000;

/** Slack, for all connections of an installation. Credentials: `botToken` (`xoxb-…`), and `signingSecret` where a tenant has its own app. */
export function createSlackChannel(options: SlackChannelOptions): SlackChannel {
  const { clock, log, timeoutMs = TIMEOUT_MS, maxWaitMs = MAX_WAIT_MS } = options;
  const client = createSlackClient({ ...options, timeoutMs, maxWaitMs });
  const identities = createIdentities(client, clock);
  const names = createPersonNames(client, clock, log);
  const reading = { client, identities, clock, log };
  return {
    type: 'slack',
    capabilities: {
      edit: true,
      remove: true,
      threads: true,
      findByMarker: true,
      postPrivately: true,
      maxCharacters: MAX_CHARACTERS,
    },
    verify: verifySlackRequest,
    parse: parseSlackRequest,
    identify: (access, signal) => identities.identify(access, signal),
    post: (access, message, signal) => postMessage(client, access, message, signal),
    edit: (access, message, signal) => editMessage(client, access, message, signal),
    remove: (access, message, signal) => removeMessage(client, access, message, signal),
    postPrivately: (access, message, signal) => postPrivately(client, access, message, signal),
    fetchThread: (access, target, limit, signal) => fetchThread(reading, access, target, limit, signal),
    findByMarker: (access, target, marker, signal) => findByMarker(reading, access, target, marker, signal),
    isPerson: (access, externalId, signal) => names.isPerson(access, externalId, signal),
    personName: (access, externalId, signal) => names.personName(access, externalId, signal),
    split: (markdown) => splitMarkdown(markdown),
    close: () => client.close(),
  };
}

import type { Kysely } from 'kysely';
import { createSlackChannel } from '../channels/slack/index.ts';
import { readInstallation } from '../config-file/read-installation.ts';
import type { ChannelIdentity } from '../core/channel.ts';
import type { Cipher } from '../core/cipher.ts';
import type { Sleep } from '../core/clock.ts';
import { isKonstructError, KonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Database } from '../db/schema.ts';
import { withDatabase } from '../db/with-database.ts';
import { systemTime } from '../system-time.ts';
import { connectSlackWorkspace } from './connect-slack-workspace.ts';

export interface SlackWorkspaceOptions {
  /** Migrated. Holds a secret. */
  readonly databaseUrl: string;
  readonly cipher: Cipher;
  readonly apiUrl: string;
  readonly botToken: string;
  readonly log: Log;
  readonly sleep?: Sleep;
}

const IDENTIFY_TIMEOUT_MS = 5_000;
const FIRST_PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = 300_000;
const CONNECTIONS = 9;

/**
 * Connects the workspace of SLACK_BOT_TOKEN; which one it is, Slack says (`auth.test`). While Slack cannot be reached that
 * is tried again in the background: what is connected already needs none of it. The same holds for a token that Slack
 * refuses, except where nothing is stored yet, so that the token is all there is.
 *
 * @throws KonstructError `config_invalid` when Slack refuses the token and nothing is stored; `database_unavailable`
 */
export async function startSlackWorkspace(
  options: SlackWorkspaceOptions,
): Promise<{ stop(): Promise<void> }> {
  const { log, sleep = systemTime.sleep } = options;
  const stopping = new AbortController();
  const { signal } = stopping;

  const goOn = async (): Promise<void> => {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      await sleep(pauseMs, signal);
      try {
        const asked = await attempt(options, signal);
        if (asked.kind === 'refused') sayRefused(log, asked.reason);
        if (asked.kind !== 'unreached') return;
      } catch (error) {
        if (signal.aborted) return;
        log.warn('slack.workspace_not_connected', { error });
      }
    }
  };

  const first = await attempt(options, signal);
  if (first.kind === 'refused') {
    if (!(await isAnythingConnected(options))) {
      const text = `SLACK_BOT_TOKEN: Slack does not accept it (${first.reason}).`;
      throw new KonstructError('config_invalid', text);
    }
    sayRefused(log, first.reason);
  }
  const going = first.kind === 'unreached' ? goOn() : Promise.resolve();
  going.catch((error: unknown) => {
    if (!signal.aborted) log.error('slack.workspace_not_connected', { error });
  });
  return {
    async stop() {
      stopping.abort();
      await going.catch(() => {}); // said above
    },
  };
}

function sayRefused(log: Log, reason: string): void {
  log.error('slack.token_refused', {
    reason,
    remedy: 'Set SLACK_BOT_TOKEN to the token that Slack shows, or remove it.',
  });
}

/** Asks Slack, and connects the workspace it names. */
async function attempt(options: SlackWorkspaceOptions, signal: AbortSignal): Promise<Asked> {
  const { log } = options;
  const asked = await identify(options, signal);
  if (asked.kind === 'unreached') {
    log.warn('slack.not_reached', { reason: asked.reason, consequence: 'SLACK_BOT_TOKEN is tried again.' });
  }
  if (asked.kind === 'known') {
    await inDatabase(options, (database) => connectSlackWorkspace({ ...options, database }, asked.workspace));
  }
  return asked;
}

function isAnythingConnected(options: SlackWorkspaceOptions): Promise<boolean> {
  return inDatabase(options, async (database) => {
    const { tenants } = await readInstallation(database, null);
    return [...tenants.values()].some(({ connections }) => connections.length > 0);
  });
}

function inDatabase<T>(
  { databaseUrl: url, log }: SlackWorkspaceOptions,
  work: (database: Kysely<Database>) => Promise<T>,
): Promise<T> {
  return withDatabase({ url, name: 'slack-workspace', size: CONNECTIONS, log }, work);
}

type Asked =
  | { readonly kind: 'known'; readonly workspace: ChannelIdentity }
  | { readonly kind: 'refused' | 'unreached'; readonly reason: string };

async function identify(
  { apiUrl, botToken, log }: SlackWorkspaceOptions,
  signal: AbortSignal,
): Promise<Asked> {
  const channel = createSlackChannel({ apiUrl, ...systemTime, log });
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(IDENTIFY_TIMEOUT_MS)]);
  try {
    const access = { connectionId: 'SLACK_BOT_TOKEN', externalId: '', credentials: { botToken } };
    return { kind: 'known', workspace: await channel.identify(access, deadline) };
  } catch (error) {
    signal.throwIfAborted();
    if (!isKonstructError(error)) throw error;
    const reason = String(error.details.platformError ?? error.code);
    return { kind: error.code === 'platform_rejected' ? 'refused' : 'unreached', reason };
  } finally {
    channel.close();
  }
}

import type { Clock } from '../../core/clock.ts';
import { isKonstructError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { ConnectionAccess } from '../../core/outbound.ts';
import { asRecord, asText, type JsonRecord } from '../read-json.ts';
import { createRecentValues } from '../recent-values.ts';
import type { SlackClient } from './client.ts';

export interface PersonNames {
  /** @throws KonstructError `aborted` only */
  personName(access: ConnectionAccess, externalId: string, signal: AbortSignal): Promise<string | null>;
  /** Whether it is a person and no bot; `null`: Slack did not tell. @throws KonstructError `aborted` only */
  isPerson(access: ConnectionAccess, externalId: string, signal: AbortSignal): Promise<boolean | null>;
}

interface Profile {
  readonly name: string | null;
  readonly isBot: boolean;
}

const TTL_MS = 60 * 60 * 1000;
/** After a failure: soon enough to recover, late enough not to ask for every message. */
const FAILURE_TTL_MS = 60_000;
const MAX_ENTRIES = 10_000;

/**
 * Display names, cached. A name is a courtesy: whatever goes wrong, the answer is `null` and the conversation goes on.
 *
 * Source: https://docs.slack.dev/reference/methods/users.info
 */
export function createPersonNames(client: SlackClient, clock: Clock, log: Log): PersonNames {
  const known = createRecentValues<Profile | null>(MAX_ENTRIES, clock);

  async function profileOf(
    access: ConnectionAccess,
    externalId: string,
    signal: AbortSignal,
  ): Promise<Profile | null> {
    const key = `${access.connectionId} ${externalId}`;
    const remembered = known.get(key);
    if (remembered !== undefined) return remembered;
    try {
      const answer = await client.call(
        access,
        { method: 'users.info', arguments: { user: externalId }, idempotent: true, maxWaitMs: 0 },
        signal,
      );
      const user = asRecord(answer.user) ?? {};
      const profile = { name: nameOf(user), isBot: user.is_bot === true };
      known.set(key, profile, TTL_MS);
      return profile;
    } catch (error) {
      if (isKonstructError(error, 'aborted')) throw error;
      log.debug('slack.name_unknown', {
        connectionId: access.connectionId,
        code: isKonstructError(error) ? error.code : 'unexpected',
        platformError: isKonstructError(error) ? error.details.platformError : undefined,
      });
      known.set(key, null, FAILURE_TTL_MS);
      return null;
    }
  }

  return {
    personName: async (access, externalId, signal) =>
      (await profileOf(access, externalId, signal))?.name ?? null,
    async isPerson(access, externalId, signal) {
      const profile = await profileOf(access, externalId, signal);
      return profile === null ? null : !profile.isBot;
    },
  };
}

function nameOf(user: JsonRecord): string | null {
  const profile = asRecord(user.profile) ?? {};
  return (
    asText(profile.display_name) ||
    asText(profile.real_name) ||
    asText(user.real_name) ||
    asText(user.name) ||
    null
  );
}

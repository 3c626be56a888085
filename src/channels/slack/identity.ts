import type { ChannelIdentity } from '../../core/channel.ts';
import type { Clock } from '../../core/clock.ts';
import type { ConnectionAccess } from '../../core/outbound.ts';
import { asId, asRecord, asText, type JsonRecord } from '../read-json.ts';
import { createRecentValues } from '../recent-values.ts';
import type { SlackClient } from './client.ts';
import { rejected, unavailable } from './slack-failure.ts';

/** Who we are in a workspace: the bot as a user and as a bot. */
export interface OwnIds {
  readonly userId: string;
  readonly botId: string | null;
  /** The bot's name in mentions, lower-case; empty when not told. */
  readonly handle: string;
  /** As in `ChannelIdentity`. */
  readonly scopes: readonly string[] | null;
}

export interface Identities {
  /** Asks Slack. */
  identify(access: ConnectionAccess, signal: AbortSignal): Promise<ChannelIdentity>;
  /** As last told by Slack, within the hour. */
  ownIds(access: ConnectionAccess, signal: AbortSignal): Promise<OwnIds>;
}

const METHOD = 'auth.test';
const TTL_MS = 60 * 60 * 1000;
const MAX_ENTRIES = 5000;

/** Source: https://docs.slack.dev/reference/methods/auth.test */
export function createIdentities(client: SlackClient, clock: Clock): Identities {
  const known = createRecentValues<OwnIds>(MAX_ENTRIES, clock);

  const ask = async (access: ConnectionAccess, signal: AbortSignal): Promise<JsonRecord> => {
    // A person's token would make the agent that person: it would speak in their name and not hear them.
    if (access.credentials.botToken?.startsWith('xoxp-')) throw rejected(METHOD, 'not_allowed_token_type');
    const answer = await client.call(access, { method: METHOD, arguments: {}, idempotent: true }, signal);
    const userId = asId(answer.user_id);
    if (userId === null) throw unavailable(METHOD, 'user_id_missing', false);
    known.set(access.connectionId, ownIdsOf(answer), TTL_MS);
    return answer;
  };

  return {
    async identify(access, signal) {
      const answer = await ask(access, signal);
      const team = asId(answer.team_id);
      const organisation = asId(answer.enterprise_id);
      const externalId =
        answer.is_enterprise_install === true ? (organisation ?? team) : (team ?? organisation);
      if (externalId === null) throw unavailable(METHOD, 'team_id_missing', false);
      return {
        externalId,
        agentUserId: asText(answer.user_id),
        name: asText(answer.team) || asText(answer.enterprise_name) || externalId,
        scopes: scopesOf(answer),
      };
    },
    async ownIds(access, signal) {
      const remembered = known.get(access.connectionId);
      if (remembered !== undefined) return remembered;
      return ownIdsOf(await ask(access, signal));
    },
  };
}

function ownIdsOf(answer: JsonRecord): OwnIds {
  return {
    userId: asText(answer.user_id),
    botId: asId(answer.bot_id),
    handle: asText(answer.user),
    scopes: scopesOf(answer),
  };
}

function scopesOf(answer: JsonRecord): readonly string[] | null {
  const scopes = asRecord(answer.response_metadata)?.scopes;
  return Array.isArray(scopes) ? scopes.map(asText).filter((scope) => scope !== '') : null;
}

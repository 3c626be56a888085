import { createHash } from 'node:crypto';
import type { ChannelIdentity } from '../../core/channel.ts';
import type { Clock } from '../../core/clock.ts';
import { isKonstructError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { ConnectionAccess } from '../../core/outbound.ts';
import { asRecord, asText, type JsonRecord } from '../read-json.ts';
import { createRecentValues } from '../recent-values.ts';
import { credentialsOf, type MattermostClient } from './client.ts';
import { asMattermostId, type Scope, scopeOfType } from './ids.ts';
import { unavailable } from './mattermost-error.ts';

/** Who and what there is on a server, cached. */
export interface Directory {
  /** The account that the token belongs to. */
  own(access: ConnectionAccess, signal: AbortSignal): Promise<OwnAccount>;
  /** As `own`, and asked anew. */
  identify(access: ConnectionAccess, signal: AbortSignal): Promise<ChannelIdentity & OwnAccount>;
  /** By id or username; `null`: nobody tells. @throws KonstructError `aborted` only */
  person(access: ConnectionAccess, externalId: string, signal: AbortSignal): Promise<Person | null>;
  /** What kind of channel it is. */
  scope(access: ConnectionAccess, channelId: string, signal: AbortSignal): Promise<Scope>;
  /** What has been seen of a channel need not be asked for. */
  note(access: ConnectionAccess, channelId: string, scope: Scope): void;
}

export interface OwnAccount {
  readonly userId: string;
  /** In lower case, as Mattermost keeps it. */
  readonly username: string;
  readonly isBot: boolean;
}

export interface Person {
  readonly name: string | null;
  readonly isBot: boolean;
}

const TTL_MS = 60 * 60 * 1_000;
/** After a failure: soon enough to recover, late enough not to ask for every message. */
const FAILURE_TTL_MS = 60_000;
const MAX_PEOPLE = 10_000;
const MAX_CHANNELS = 10_000;
const MAX_ACCOUNTS = 1_000;

/** Source: https://developers.mattermost.com/api-documentation/#/operations/GetUser */
export function createDirectory(client: MattermostClient, clock: Clock, log: Log): Directory {
  const accounts = createRecentValues<OwnAccount>(MAX_ACCOUNTS, clock);
  const people = createRecentValues<Person | null>(MAX_PEOPLE, clock);
  const scopes = createRecentValues<Scope>(MAX_CHANNELS, clock);

  const ask = async (
    access: ConnectionAccess,
    name: string,
    path: string,
    signal: AbortSignal,
  ): Promise<JsonRecord> =>
    asRecord(await client.call(access, { name, method: 'GET', path, idempotent: true }, signal)) ?? {};

  const identify: Directory['identify'] = async (access, signal) => {
    const name = 'users.me';
    const { server } = credentialsOf(access, name);
    const me = await ask(access, name, '/users/me', signal);
    const userId = asMattermostId(me.id);
    const username = asText(me.username).toLowerCase();
    if (userId === null || username === '') throw unavailable(name, 'account_missing', false);
    const account = { userId, username, isBot: me.is_bot === true };
    accounts.set(accountKey(access), account, TTL_MS);
    return {
      ...account,
      externalId: `${server.place}/${username}`,
      agentUserId: username,
      name: nameOf(me) ?? username,
      scopes: null,
    };
  };

  return {
    identify,
    own: async (access, signal) => accounts.get(accountKey(access)) ?? identify(access, signal),
    async person(access, externalId, signal) {
      const key = `${access.connectionId} ${externalId}`;
      const remembered = people.get(key);
      if (remembered !== undefined) return remembered;
      try {
        const id = asMattermostId(externalId);
        const path = id === null ? `/users/username/${encodeURIComponent(externalId)}` : `/users/${id}`;
        const user = await ask(access, 'users.get', path, signal);
        const person = { name: nameOf(user), isBot: user.is_bot === true };
        people.set(key, person, TTL_MS);
        return person;
      } catch (error) {
        if (isKonstructError(error, 'aborted')) throw error;
        const code = isKonstructError(error) ? error.code : 'internal';
        log.debug('mattermost.person_unknown', { connectionId: access.connectionId, code });
        people.set(key, null, FAILURE_TTL_MS);
        return null;
      }
    },
    async scope(access, channelId, signal) {
      const key = `${access.connectionId} ${channelId}`;
      const known = scopes.get(key);
      if (known !== undefined) return known;
      const channel = await ask(access, 'channels.get', `/channels/${encodeURIComponent(channelId)}`, signal);
      const scope = scopeOfType(channel.type) ?? 'channel';
      scopes.set(key, scope, TTL_MS);
      return scope;
    },
    note: (access, channelId, scope) => scopes.set(`${access.connectionId} ${channelId}`, scope, TTL_MS),
  };
}

/** A new token may be another account's. */
function accountKey({ connectionId, credentials }: ConnectionAccess): string {
  const { serverUrl = '', botToken = '' } = credentials;
  return `${connectionId} ${createHash('sha256').update(`${serverUrl} ${botToken}`).digest('hex')}`;
}

/** As people read it in the channel list: the nickname, else first and last name, else the username. */
function nameOf(user: JsonRecord): string | null {
  const full = [asText(user.first_name), asText(user.last_name)].filter(Boolean).join(' ');
  return asText(user.nickname) || full || asText(user.username) || null;
}

import type { Clock } from '../../core/clock.ts';
import { isKonstructError } from '../../core/errors.ts';
import type { ConnectionAccess, MessageAuthor } from '../../core/outbound.ts';
import { ExpiringTimes } from '../expiring-times.ts';
import type { JsonRecord } from '../read-json.ts';
import type { Identities } from './identity.ts';

/** Sends under an agent's own name and picture where the app may. */
export interface Authorship {
  /** Whether the author is another than the app, as far as the token may say so: the same for every process that asks. */
  isOwn(access: ConnectionAccess, author: MessageAuthor, signal: AbortSignal): Promise<boolean>;
  /** Runs a send with the arguments that name the author; without them where Slack does not let us. */
  send<T>(
    access: ConnectionAccess,
    author: MessageAuthor | undefined,
    signal: AbortSignal,
    send: (author: JsonRecord) => Promise<T>,
  ): Promise<T>;
}

const SCOPE = 'chat:write.customize';
/** After this somebody may have added the scope. */
const WITHOUT_MS = 60 * 60 * 1000;
const MAX_NAME_CHARACTERS = 80;

/**
 * Source: https://docs.slack.dev/reference/methods/chat.postMessage#authorship
 *
 * Where the app is called like the agent nothing is changed: a message under another name belongs to no user, so nobody can
 * open the app's profile from it.
 */
export function createAuthorship(identities: Identities, clock: Clock): Authorship {
  const without = new ExpiringTimes();

  async function argumentsOf(
    access: ConnectionAccess,
    author: MessageAuthor,
    signal: AbortSignal,
  ): Promise<JsonRecord> {
    const icon = iconArguments(author.icon);
    try {
      const { handle } = await identities.ownIds(access, signal);
      if (isSameName(handle, author.name)) return icon;
    } catch (error) {
      // Who we are is not worth failing for; what is wrong with the token the send will say.
      if (!isKonstructError(error)) throw error;
    }
    return { username: author.name.slice(0, MAX_NAME_CHARACTERS), ...icon };
  }

  return {
    async isOwn(access, { name, icon }, signal) {
      const { handle, scopes } = await identities.ownIds(access, signal);
      if (name === '' || scopes?.includes(SCOPE) === false) return false;
      return !isSameName(handle, name) || Object.keys(iconArguments(icon)).length > 0;
    },
    async send(access, author, signal, send) {
      const isOff = (without.get(access.connectionId) ?? 0) > clock();
      if (author === undefined || author.name === '' || isOff) return send({});
      const named = await argumentsOf(access, author, signal);
      try {
        return await send(named);
      } catch (error) {
        const isRefused =
          isKonstructError(error) &&
          Object.keys(named).length > 0 &&
          error.details.platformError === 'missing_scope' &&
          String(error.details.needed).includes(SCOPE);
        if (!isRefused) throw error;
        const now = clock();
        without.set(access.connectionId, now + WITHOUT_MS, now);
        return send({});
      }
    },
  };
}

function iconArguments(icon: string | null): JsonRecord {
  if (icon === null) return {};
  if (/^:[\w+'-]+:$/.test(icon)) return { icon_emoji: icon };
  return URL.parse(icon)?.protocol === 'https:' ? { icon_url: icon } : {};
}

/** A handle is lower-case, and has a number behind it where another one was first. */
function isSameName(handle: string, name: string): boolean {
  const bare = (text: string) => text.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, '');
  return handle !== '' && [bare(handle), bare(handle).replace(/\d+$/, '')].includes(bare(name));
}

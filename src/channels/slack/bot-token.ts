import type { RenewCredentials } from '../../core/channel-definition.ts';
import type { Clock } from '../../core/clock.ts';
import { isKonstructError } from '../../core/errors.ts';
import type { ConnectionAccess } from '../../core/outbound.ts';
import type { Credentials } from '../../core/tenant.ts';
import { rejected } from './slack-failure.ts';

/** A token that holds for less than this is renewed before it is used. */
const MARGIN_MS = 60_000;

/**
 * Runs a call with a connection's bot token. One that rotates is renewed when it has expired, or is about to, or Slack says
 * so; then the call is made once more. Slack looks at the token first, so nothing was done until then.
 *
 * Source: https://docs.slack.dev/authentication/using-token-rotation
 *
 * @throws KonstructError what `call` and the renewal throw; `platform_rejected` with `not_authed` without a token
 */
export async function withBotToken<T>(
  access: ConnectionAccess,
  method: string,
  { renew, wallClock }: { readonly renew: RenewCredentials | undefined; readonly wallClock: Clock },
  signal: AbortSignal,
  call: (token: string) => Promise<T>,
): Promise<T> {
  const { credentials } = access;
  if (!credentials.botToken) throw rejected(method, 'not_authed');
  if (!credentials.refreshToken || renew === undefined) return call(credentials.botToken);
  if (Number(credentials.tokenExpiresAt) > wallClock() + MARGIN_MS) {
    try {
      return await call(credentials.botToken);
    } catch (error) {
      if (!isKonstructError(error) || error.details.platformError !== 'token_expired') throw error;
    }
  }
  return call(tokenOf(await renew(access, signal), method));
}

function tokenOf({ botToken }: Credentials, method: string): string {
  if (!botToken) throw rejected(method, 'not_authed');
  return botToken;
}

import { checkAppToken } from '../../channels/slack/socket-mode/check-app-token.ts';
import { readInstallation } from '../../config-file/read-installation.ts';
import { isKonstructError } from '../../core/errors.ts';
import { mapConcurrently } from '../../core/map-concurrently.ts';
import { openCredentials, type StoredConnection } from '../../stores/connections.ts';
import { systemTime } from '../../system-time.ts';
import { CHECK_TIMEOUT_MS, type Check, type DoctorContext, type Finding, ok, problem } from './check.ts';

const AT_ONCE = 4;

/** Asks Slack whether each app-level token can open sockets. Without any there is nothing to say. */
export const checkSocketMode: Check = {
  name: 'Socket Mode',
  async run(context) {
    const shared = context.config.slack.appToken?.reveal();
    const tokens = [
      ...(shared === undefined ? [] : [{ name: 'SLACK_APP_TOKEN', token: shared }]),
      ...(await connectionTokens(context)),
    ];
    return mapConcurrently(tokens, AT_ONCE, ({ name, token }) => checkToken(name, token, context));
  },
};

interface NamedToken {
  readonly name: string;
  readonly token: string;
}

async function connectionTokens(context: DoctorContext): Promise<readonly NamedToken[]> {
  if (context.database === null || context.cipher === null) return [];
  const { tenants } = await readInstallation(context.database, null);
  return [...tenants.values()].flatMap(({ tenant, connections }) =>
    connections
      .filter(({ channel, status }) => channel === 'slack' && status === 'active')
      .flatMap((connection) => {
        const token = appTokenOf(connection, context);
        return token ? [{ name: `appToken of ${connection.externalId} of ${tenant.slug}`, token }] : [];
      }),
  );
}

/** Credentials that cannot be read are a finding of `checkMasterKey`. */
function appTokenOf(connection: StoredConnection, { cipher }: DoctorContext): string | undefined {
  try {
    return cipher === null ? undefined : openCredentials(cipher, connection).appToken;
  } catch (error) {
    if (isKonstructError(error, 'credentials_unreadable')) return undefined;
    throw error;
  }
}

async function checkToken(name: string, token: string, { config, signal }: DoctorContext): Promise<Finding> {
  const client = {
    apiUrl: config.slack.apiUrl,
    ...systemTime,
    log: { debug() {}, info() {}, warn() {}, error() {} },
    timeoutMs: CHECK_TIMEOUT_MS,
    maxWaitMs: 0,
  };
  try {
    await checkAppToken(client, token, AbortSignal.any([signal, AbortSignal.timeout(CHECK_TIMEOUT_MS)]));
    return ok(`${name} opens sockets.`);
  } catch (error) {
    signal.throwIfAborted();
    if (!isKonstructError(error)) throw error;
    const reason = String(error.details.platformError ?? error.code);
    return problem(
      `${name} opens no sockets (${reason}).`,
      error.code === 'platform_rejected'
        ? 'Make an app-level token (xapp-…) with the scope connections:write, and switch Socket Mode on in the app.'
        : 'Check the network of this machine (firewall, proxy, DNS) and SLACK_API_URL.',
    );
  }
}

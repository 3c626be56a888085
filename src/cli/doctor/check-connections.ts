import { readInstallation } from '../../config-file/read-installation.ts';
import { isKonstructError, type KonstructError } from '../../core/errors.ts';
import { mapConcurrently } from '../../core/map-concurrently.ts';
import type { Credentials } from '../../core/tenant.ts';
import { openCredentials, type StoredConnection } from '../../stores/connections.ts';
import {
  CHECK_TIMEOUT_MS,
  type Check,
  type DoctorContext,
  type Finding,
  ok,
  problem,
  warning,
} from './check.ts';
import { openSimulator } from './open-simulator.ts';
import { ownAddress } from './own-address.ts';

const AT_ONCE = 4;

/** Asks each platform who we are there with each connection's token, and compares scopes. */
export const checkConnections: Check = {
  name: 'Connections',
  async run(context) {
    if (context.database === null || context.cipher === null) return [];
    const { tenants } = await readInstallation(context.database, null);
    const connections = [...tenants.values()].flatMap((state) =>
      state.connections.map((connection) => ({ connection, tenant: state.tenant.slug })),
    );
    if (connections.length === 0) {
      return [
        warning(
          'No chat tool is connected.',
          'Add a connection to konstruct.yaml and run `konstruct apply`, or set SLACK_BOT_TOKEN.',
        ),
      ];
    }
    const named = connections.map(({ connection, tenant }) => ({
      connection,
      name: `${connection.channel} ${connection.externalId} of ${tenant}`,
    }));
    const findings = await mapConcurrently(
      named.filter(({ connection }) => !connection.settings.simulated),
      AT_ONCE,
      ({ connection, name }) => checkConnection(connection, name, context),
    );
    const simulated = named.filter(({ connection }) => connection.settings.simulated);
    return [...findings.flat(), ...(await checkSimulated(simulated, context))];
  },
};

interface NamedConnection {
  readonly connection: StoredConnection;
  readonly name: string;
}

/** Those of `konstruct dev` are asked about at its simulator, if it runs, and at no platform. */
async function checkSimulated(
  named: readonly NamedConnection[],
  context: DoctorContext,
): Promise<readonly Finding[]> {
  if (named.length === 0) return [];
  const address = ownAddress(context.config);
  const namesOf = (some: readonly NamedConnection[]) => some.map(({ name }) => name).join(', ');
  const slack = await openSimulator(context);
  if (slack === null) {
    const whose = `${named.length === 1 ? 'belongs' : 'belong'} to the simulator of \`konstruct dev\``;
    return [ok(`${namesOf(named)} ${whose}, which does not run at ${address}.`)];
  }
  try {
    const there = {
      ...context,
      channels: new Map([['slack', slack]]),
      hasSharedSecret: () => true, // both ends are in one process
    };
    const asked = named.filter(({ connection }) => connection.channel === 'slack');
    const others = named.filter(({ connection }) => connection.channel !== 'slack');
    const findings = await mapConcurrently(asked, AT_ONCE, ({ connection, name }) =>
      checkConnection(connection, name, there, `, in the simulator at ${address}`),
    );
    if (others.length === 0) return findings.flat();
    const whose = `${others.length === 1 ? 'belongs' : 'belong'} to \`konstruct dev\``;
    return [...findings.flat(), ok(`${namesOf(others)} ${whose}.`)];
  } finally {
    slack.close();
  }
}

async function checkConnection(
  connection: StoredConnection,
  name: string,
  context: DoctorContext,
  where = '',
): Promise<Finding[]> {
  if (connection.status === 'disabled') {
    const { disabledReason: reason } = connection;
    return [
      reason === null
        ? warning(`${name} is disabled.`, 'Write `enabled: true` there to have it answered.')
        : warning(
            `${name} is disabled (${reason}).`,
            'Apply new credentials, or write `enabled: true` there.',
          ),
    ];
  }
  const channel = context.channels.get(connection.channel);
  const credentials = readable(connection, context);
  if (!channel) return [warning(`${name}: this version does not have the channel.`, 'Use a newer version.')];
  if (credentials === null) return []; // a finding of `checkMasterKey`
  const findings: Finding[] = [];
  try {
    const signal = AbortSignal.any([context.signal, AbortSignal.timeout(CHECK_TIMEOUT_MS)]);
    const access = { connectionId: connection.id, externalId: connection.externalId, credentials };
    const identity = await channel.identify(access, signal);
    const environment = {
      webhookUrl: context.webhookUrl(connection.channel, connection.id),
      hasSharedSecret: context.hasSharedSecret(connection.channel),
      settings: connection.settings,
    };
    const found = await channel.examine(access, identity, environment, signal);
    findings.push(...found.map((finding) => ({ ...finding, text: `${name}: ${finding.text}` })));
    if (identity.externalId !== connection.externalId) {
      return [
        ...findings,
        problem(
          `${name}: the token belongs to ${identity.name} (${identity.externalId}).`,
          'Correct externalId in konstruct.yaml, or apply the token of the right installation.',
        ),
      ];
    }
    if (findings.some(({ level }) => level === 'problem')) return findings;
    return [...findings, ok(`${name} answers as ${identity.agentUserId} in ${identity.name}${where}.`)];
  } catch (error) {
    context.signal.throwIfAborted();
    if (isKonstructError(error, 'aborted')) {
      return [...findings, problem(`${name} did not answer in time.`, 'Check the network of this machine.')];
    }
    if (!isKonstructError(error)) throw error;
    if (error.details.platformError === 'token_expired' && credentials.refreshToken) {
      return [
        ...findings,
        warning(
          `${name}: the token has run out.`,
          'Konstruct renews it when it runs; start it, and look again.',
        ),
      ];
    }
    const reason = typeof error.details.platformError === 'string' ? ` (${error.details.platformError})` : '';
    return [...findings, problem(`${name}: ${error.message}${reason}`, remedyFor(error))];
  }
}

function remedyFor({ code, details }: KonstructError): string {
  if (typeof details.remedy === 'string') return details.remedy;
  return code === 'platform_rejected'
    ? 'Install the app again and apply the new token.'
    : 'Check the network of this machine (firewall, proxy, DNS) and the platform’s …_API_URL.';
}

function readable(connection: StoredConnection, { cipher }: DoctorContext): Credentials | null {
  if (cipher === null) return null;
  try {
    return openCredentials(cipher, connection);
  } catch (error) {
    if (isKonstructError(error, 'credentials_unreadable')) return null;
    throw error;
  }
}

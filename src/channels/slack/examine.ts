import type { ChannelIdentity, ConnectionFinding, ExaminedEnvironment } from '../../core/channel.ts';
import type { ConnectionAccess } from '../../core/outbound.ts';
import { missingFeatures, missingScopes } from './manifest.ts';

/** What is amiss with a connection. Which addresses an app has at Slack a bot's token may not ask, so they are said instead. */
export function examine(
  access: ConnectionAccess,
  identity: ChannelIdentity,
  environment: ExaminedEnvironment,
): readonly ConnectionFinding[] {
  const { signingSecret, appToken } = access.credentials;
  // What another workspace's token may do does not matter.
  const scopes = identity.externalId === access.externalId ? identity.scopes : null;
  const hasSecret = (signingSecret ?? appToken) !== undefined || environment.hasSharedSecret;
  return [
    ...(hasSecret ? [] : [noSecret]),
    ...(scopes === null ? [] : examineScopes(scopes)),
    ...examineAddresses(access, environment),
  ];
}

const noSecret: ConnectionFinding = {
  level: 'problem',
  text: 'there is no signing secret, so everything Slack sends is refused.',
  remedy: 'Set SLACK_SIGNING_SECRET, or give the connection a signingSecret.',
};

function examineScopes(scopes: readonly string[]): readonly ConnectionFinding[] {
  const findings: ConnectionFinding[] = [];
  const missing = missingScopes(scopes);
  if (missing.length > 0) {
    findings.push({
      level: 'problem',
      text: `the token lacks the scopes ${missing.join(', ')}.`,
      remedy: 'Add them to the app and install it again; `konstruct manifest slack` has them all.',
    });
  }
  for (const { scope, feature } of missingFeatures(scopes)) {
    findings.push({
      level: 'warning',
      text: `it cannot ${feature} without the scope ${scope}.`,
      remedy: 'If it is to, add the scope to the app and install it again.',
    });
  }
  return findings;
}

/** None for an app of its own that uses Socket Mode, and in the simulator, which knows where to send. */
function examineAddresses(
  { credentials, connectionId }: ConnectionAccess,
  { webhookUrl, settings }: ExaminedEnvironment,
): readonly ConnectionFinding[] {
  if (webhookUrl === null || credentials.appToken || settings?.simulated) return [];
  const own = `/${connectionId}`;
  const base = webhookUrl.slice(0, webhookUrl.lastIndexOf('/events'));
  const addressOf = (path: string) => `${base}/${path}${credentials.signingSecret ? own : ''}`;
  return [
    {
      level: 'ok',
      text: `over HTTP, its app at Slack has to have the request URLs ${addressOf('events')} (Event Subscriptions), ${addressOf('interactions')} (Interactivity) and ${addressOf('commands')} (Slash Commands).`,
      remedy: null,
    },
  ];
}

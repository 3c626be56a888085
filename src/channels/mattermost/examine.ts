import type { ConnectionFinding, ExaminedEnvironment } from '../../core/channel.ts';
import type { ConnectionAccess } from '../../core/outbound.ts';
import { asRecord, asRecords, asText, type JsonRecord } from '../read-json.ts';
import { credentialsOf, type MattermostClient } from './client.ts';
import type { Directory } from './directory.ts';
import { MAX_FILE_BYTES } from './files.ts';
import { MAX_CHARACTERS } from './render-for-mattermost.ts';
import { webhookTokens } from './verify.ts';

/** What a server says about an account, and about itself, that decides how the agent can work there. */
export async function examine(
  client: MattermostClient,
  directory: Directory,
  access: ConnectionAccess,
  { webhookUrl }: ExaminedEnvironment,
  signal: AbortSignal,
): Promise<readonly ConnectionFinding[]> {
  const ask = (name: string, path: string) =>
    client.call(access, { name, method: 'GET', path, idempotent: true }, signal);
  const [own, teams, channels, config] = await Promise.all([
    directory.own(access, signal),
    ask('teams.list', '/users/me/teams'),
    ask('channels.list', '/users/me/channels'),
    ask('config.client', '/config/client?format=old'),
  ]);
  const { server, certificate } = credentialsOf(access, 'examine');
  return [
    ...aboutServer(server.isEncrypted, certificate !== ''),
    ...aboutAccount(own.isBot),
    ...aboutPlaces(asRecords(teams).length, asRecords(channels)),
    ...aboutConfig(asRecord(config) ?? {}),
    ...aboutWebhook(webhookUrl, webhookTokens(access.credentials).length),
  ];
}

function aboutServer(isEncrypted: boolean, hasCertificate: boolean): readonly ConnectionFinding[] {
  if (!isEncrypted) {
    const remedy = 'Use an https address, unless the server is on this machine.';
    return [warning('its token and all messages go over the network unencrypted (http).', remedy)];
  }
  return hasCertificate ? [ok('of its server one certificate is believed: the one in `certificate`.')] : [];
}

function aboutAccount(isBot: boolean): readonly ConnectionFinding[] {
  if (isBot) return [];
  const remedy =
    'Make a bot account (Integrations > Bot Accounts) and apply its token: what a person’s account is shown and may do changes with the person.';
  return [warning('the token is that of a person’s account and not of a bot.', remedy)];
}

function aboutPlaces(teams: number, channels: readonly JsonRecord[]): readonly ConnectionFinding[] {
  if (teams === 0) {
    const remedy = 'Add it: team menu > Invite people > the bot’s username.';
    return [problem('the bot is in no team, so nobody can mention it.', remedy)];
  }
  const named = channels.filter(({ type }) => type === 'O' || type === 'P').length;
  if (named > 0) return [ok(`it is in ${named} channel${named === 1 ? '' : 's'}.`)];
  const remedy = 'Write @ and its username in a channel, and add it when Mattermost offers to.';
  return [warning('the bot is in no channel: it hears direct messages only.', remedy)];
}

function aboutConfig(config: JsonRecord): readonly ConnectionFinding[] {
  const findings: ConnectionFinding[] = [];
  const postSize = Number(asText(config.MaxPostSize) || MAX_CHARACTERS);
  if (postSize < MAX_CHARACTERS) {
    const remedy = 'Upgrade the server’s database (`Posts.Message`); until then long answers are refused.';
    findings.push(problem(`its server takes posts of ${postSize} characters only.`, remedy));
  }
  const fileSize = Number(asText(config.MaxFileSize) || MAX_FILE_BYTES);
  if (fileSize < MAX_FILE_BYTES) {
    const megabytes = Math.floor(fileSize / 1024 / 1024);
    findings.push(ok(`its server takes files of up to ${megabytes} MB.`));
  }
  return findings;
}

function aboutWebhook(webhookUrl: string | null, tokens: number): readonly ConnectionFinding[] {
  if (webhookUrl === null) {
    const text =
      'choices are written out instead of shown as buttons: nobody has told Konstruct its address.';
    const without = tokens === 0 ? [] : [problem('its outgoing webhooks lead nowhere.', SET_URL)];
    return [...without, warning(text, SET_URL)];
  }
  const host = URL.parse(webhookUrl)?.hostname ?? '';
  return [
    ok(
      `buttons${tokens === 0 ? '' : ' and outgoing webhooks'} lead to ${webhookUrl}; an address of the company’s own network its server only calls when AllowedUntrustedInternalConnections names ${host}.`,
    ),
  ];
}

const SET_URL = 'Set KONSTRUCT_PUBLIC_URL to an address that the Mattermost server can reach.';

function ok(text: string): ConnectionFinding {
  return { level: 'ok', text, remedy: null };
}

function warning(text: string, remedy: string): ConnectionFinding {
  return { level: 'warning', text, remedy };
}

function problem(text: string, remedy: string): ConnectionFinding {
  return { level: 'problem', text, remedy };
}

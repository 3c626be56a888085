import type { Channel } from '../../core/channel.ts';
import type { ChannelDefinition, ChannelOptions } from '../../core/channel-definition.ts';
import { createKeptAliveHttp } from '../kept-alive-http.ts';
import { MAX_BUTTON_CHARACTERS, MAX_BUTTONS } from './choice-card.ts';
import { createTeamsClient } from './client.ts';
import { isPersonal } from './conversation-id.ts';
import { examine, identify } from './examine.ts';
import { fetchFile } from './fetch-file.ts';
import { createTeamsStreams } from './native-stream.ts';
import { parseTeamsRequest } from './parse.ts';
import { MAX_CHARACTERS, renderForTeams, splitForTeams } from './render-for-teams.ts';
import { editMessage, postMessage, removeMessage, showTyping } from './send.ts';
import { createServiceUrls } from './service-urls.ts';
import { ownAppId, readTeamsSettings } from './teams-app.ts';
import { createBotFrameworkKeys, verifyTeamsRequest } from './verify.ts';

/**
 * Microsoft Teams. A connection uses the installation's app, or brings its own. Credentials: none, or `appId` and
 * `appPassword` (a client secret), and `tenantId` where that app is single-tenant.
 */
export const teams: ChannelDefinition = {
  type: 'teams',
  displayName: 'Microsoft Teams',
  webhook: { path: '/teams/messages', shared: true },
  connection: {
    externalId: /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/,
    externalIdMeaning:
      'the id of a Microsoft tenant (a GUID in lower case), as https://entra.microsoft.com shows it under Overview',
    required: [],
    optional: ['appId', 'appPassword', 'tenantId'],
  },
  defaultApiUrl: 'https://smba.trafficmanager.net/teams',
  ownStream: true,
  open: createTeamsChannel,
};

const TIMEOUT_MS = 10_000;
const MAX_WAIT_MS = 30_000;
const DOWNLOAD_TIMEOUT_MS = 60_000;
const MAX_FILE_BYTES = 100 * 1024 * 1024;

/**
 * For all connections of an installation. Without Microsoft Graph a bot reads no conversation, not even its own messages:
 * `fetchThread` and `findByMarker` always know nothing, and the capabilities say so.
 */
function createTeamsChannel(options: ChannelOptions): Channel {
  const { clock, timeoutMs = TIMEOUT_MS, maxWaitMs = MAX_WAIT_MS } = options;
  const settings = readTeamsSettings(options.values);
  const http = createKeptAliveHttp();
  const serviceUrls = createServiceUrls(options.apiUrl, clock);
  const keys = createBotFrameworkKeys(settings.openIdUrl, http, timeoutMs, clock);
  const client = createTeamsClient({ ...options, settings, serviceUrls, http, timeoutMs, maxWaitMs });
  const streams = createTeamsStreams({ ...options, client });
  const files = { client, serviceUrls, http, timeoutMs: Math.max(timeoutMs, DOWNLOAD_TIMEOUT_MS) };
  return {
    type: teams.type,
    capabilities: {
      edit: true,
      remove: true,
      threads: true,
      findByMarker: false,
      postPrivately: false,
      stream: 'edits',
      buttons: { max: MAX_BUTTONS, maxCharacters: MAX_BUTTON_CHARACTERS },
      reactions: false,
      typing: true,
      files: { incoming: MAX_FILE_BYTES, outgoing: null },
      maxCharacters: MAX_CHARACTERS,
      editsPerSecond: 0.5,
    },
    verify: (request, appId, nowMs) => verifyTeamsRequest(request, appId, nowMs, keys, serviceUrls),
    connectionSecret: (_connectionId, credentials) => ownAppId(credentials),
    parse: parseTeamsRequest,
    split: splitForTeams,
    format: (markdown) => ({ text: renderForTeams(markdown) }),
    async prepare() {
      await import('jose');
    },
    examine: (access, _identity, environment) => examine(keys, settings, access, environment),
    identify: (access, signal) => identify(client, settings, access, signal),
    post: (access, message, signal) => postMessage(client, access, message, signal),
    edit: (access, message, signal) => editMessage(client, access, message, signal),
    remove: (access, message, signal) => removeMessage(client, access, message, signal),
    hasStream: isPersonal,
    openStream: (access, start) => streams.open(access, start),
    async postPrivately(access, { target, markdown }, signal) {
      await postMessage(client, access, { target, markdown }, signal);
    },
    fetchThread: async () => null,
    findByMarker: async () => null,
    isPerson: async (_access, externalId) => isPerson(externalId),
    personName: async () => null, // it comes with what people say
    typing: (access, sign, signal) => showTyping(client, access, sign, signal),
    fetchFile: (access, file, limits, signal) => fetchFile(files, access, file, limits, signal),
    close: () => http.close(),
  };
}

/** Ids of people begin with `29:`, those of bots with `28:`. */
function isPerson(externalId: string): boolean | null {
  if (externalId.startsWith('29:')) return true;
  return externalId.startsWith('28:') ? false : null;
}

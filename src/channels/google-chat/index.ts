import type { Channel } from '../../core/channel.ts';
import type { ChannelDefinition, ChannelOptions } from '../../core/channel-definition.ts';
import { createKeptAliveHttp } from '../kept-alive-http.ts';
import { chosenCard, MAX_BUTTON_CHARACTERS, MAX_BUTTONS } from './choice-card.ts';
import { createGoogleChatClient } from './client.ts';
import { examine, identify } from './examine.ts';
import { fetchFile } from './fetch-file.ts';
import { parseGoogleChatRequest } from './parse.ts';
import { MAX_CHARACTERS, renderForGoogleChat, splitForGoogleChat } from './render-for-google-chat.ts';
import { editMessage, findMessage, patchMessage, postMessage, postPrivately, removeMessage } from './send.ts';
import { createGoogleKeys, verifyGoogleChatRequest } from './verify.ts';

/**
 * Google Chat. A connection is one Chat app. Credentials: `serviceAccount` (the JSON key of the app's service account) and
 * `audience` (the project's number, or the address that Chat calls).
 */
export const googleChat: ChannelDefinition = {
  type: 'google-chat',
  displayName: 'Google Chat',
  webhook: { path: '/google-chat', shared: true },
  connection: {
    externalId: /^\d{6,20}$/,
    externalIdMeaning:
      'the number of the Google Cloud project of the Chat app, as https://console.cloud.google.com/welcome shows it',
    required: ['serviceAccount'],
    optional: ['audience'],
  },
  defaultApiUrl: 'https://chat.googleapis.com',
  open: createGoogleChatChannel,
};

const TIMEOUT_MS = 10_000;
const MAX_WAIT_MS = 30_000;
const DOWNLOAD_TIMEOUT_MS = 60_000;
const MAX_FILE_BYTES = 200 * 1024 * 1024;

/**
 * For all connections of an installation. An app may not read a thread without an administrator's approval: `fetchThread`
 * always knows nothing. Its own messages it finds by the ids that it gave them.
 */
function createGoogleChatChannel(options: ChannelOptions): Channel {
  const { apiUrl, clock, values = {}, timeoutMs = TIMEOUT_MS, maxWaitMs = MAX_WAIT_MS } = options;
  const { certsUrl = 'https://www.googleapis.com', tokenUrl = 'https://oauth2.googleapis.com/token' } =
    values;
  const http = createKeptAliveHttp();
  const keys = createGoogleKeys(`${certsUrl}/`, http, timeoutMs, clock);
  const client = createGoogleChatClient({
    ...options,
    tokenUrl,
    http,
    timeoutMs,
    maxWaitMs,
    wallClock: Date.now,
  });
  const files = { client, apiUrl, http, timeoutMs: Math.max(timeoutMs, DOWNLOAD_TIMEOUT_MS) };
  return {
    type: googleChat.type,
    capabilities: {
      edit: true,
      remove: true,
      threads: true,
      findByMarker: true,
      postPrivately: true,
      stream: 'edits',
      buttons: { max: MAX_BUTTONS, maxCharacters: MAX_BUTTON_CHARACTERS },
      reactions: false,
      typing: false,
      files: { incoming: MAX_FILE_BYTES, outgoing: null },
      maxCharacters: MAX_CHARACTERS,
      editsPerSecond: 0.5, // half of what a space takes of all apps together
    },
    verify: (request, audience, nowMs) => verifyGoogleChatRequest(request, audience, nowMs, keys),
    connectionSecret: (_connectionId, { audience }) => audience ?? null,
    parse: parseGoogleChatRequest,
    split: splitForGoogleChat,
    format: (markdown) => ({ text: renderForGoogleChat(markdown) }),
    async prepare() {
      await import('jose');
    },
    examine: (access, _identity, environment, signal) => examine(client, keys, access, environment, signal),
    identify: (access, signal) => identify(client, access, signal),
    post: (access, message, signal) => postMessage(client, access, message, signal),
    edit: (access, message, signal) => editMessage(client, access, message, signal),
    remove: (access, message, signal) => removeMessage(client, access, message, signal),
    postPrivately: (access, message, signal) => postPrivately(client, access, message, signal),
    fetchThread: async () => null,
    findByMarker: (access, target, marker, signal) => findMessage(client, access, target, marker, signal),
    isPerson: async () => null, // it comes with what people say
    personName: async () => null,
    async acknowledgeAction(access, { channelId, threadId, messageId, choice }, signal) {
      const message = { target: { channelId, threadId }, messageId };
      const body = { cardsV2: [chosenCard(choice)] };
      await patchMessage(client, access, message, body, 'cardsV2', undefined, signal);
    },
    fetchFile: (access, file, limits, signal) => fetchFile(files, access, file, limits, signal),
    close: () => http.close(),
  };
}

import type { Channel } from '../../core/channel.ts';
import type { ChannelDefinition, ChannelOptions } from '../../core/channel-definition.ts';
import { BUTTONS } from './choices.ts';
import { createMattermostClient } from './client.ts';
import { createDirectory } from './directory.ts';
import { examine } from './examine.ts';
import { fetchFile, MAX_FILE_BYTES, sendFile } from './files.ts';
import { parseMattermostRequest } from './parse.ts';
import { MAX_CHARACTERS, renderForMattermost, splitForMattermost } from './render-for-mattermost.ts';
import { acknowledgeAction, editMessage, postMessage, postPrivately, removeMessage } from './send.ts';
import { showCommand } from './show-command.ts';
import { react, showTyping } from './signs.ts';
import { fetchThread, findByMarker } from './thread.ts';
import { connectionSecret, verifyMattermostRequest } from './verify.ts';

/**
 * Mattermost. A connection is one bot account on one server. Credentials: `serverUrl`, `botToken`, and optionally
 * `webhookToken` (outgoing webhooks) and `certificate` (PEM: the only one that is believed of this server).
 */
export const mattermost: ChannelDefinition = {
  type: 'mattermost',
  displayName: 'Mattermost',
  webhook: { path: '/mattermost', shared: false },
  connection: {
    externalId: /^[a-z0-9.-]{1,253}(?::\d{1,5})?(?:\/[\w.~-]{1,64}){0,4}\/[a-z][a-z0-9._-]{0,63}$/,
    externalIdMeaning:
      'the server and the bot’s username, as in `chat.acme.example/ada`: serverUrl without https://, a slash, the username',
    required: ['serverUrl', 'botToken'],
    optional: ['webhookToken', 'certificate'],
  },
  defaultApiUrl: '', // each connection names its server
  open: createMattermostChannel,
};

const TIMEOUT_MS = 10_000;
const MAX_WAIT_MS = 30_000;

/** For all bots of an installation, on whichever servers. Buttons need an address of ours that those can reach. */
function createMattermostChannel(options: ChannelOptions): Channel {
  const { clock, log, publicUrl = null, timeoutMs = TIMEOUT_MS, maxWaitMs = MAX_WAIT_MS } = options;
  const wallClock = options.wallClock ?? Date.now;
  const client = createMattermostClient({ ...options, timeoutMs, maxWaitMs });
  const directory = createDirectory(client, clock, log);
  const reading = { client, directory, wallClock, log };
  const addressOf = (connectionId: string): string | null =>
    publicUrl === null ? null : `${publicUrl}${mattermost.webhook.path}/${connectionId}`;
  const sending = { client, directory, addressOf };
  return {
    type: mattermost.type,
    capabilities: {
      edit: true,
      remove: true,
      threads: true,
      findByMarker: true,
      postPrivately: false, // a bot may only where an administrator has given it the permission
      stream: 'edits',
      buttons: publicUrl === null ? null : BUTTONS,
      reactions: true,
      typing: true,
      files: { incoming: MAX_FILE_BYTES, outgoing: MAX_FILE_BYTES },
      maxCharacters: MAX_CHARACTERS,
      editsPerSecond: 1,
    },
    verify: verifyMattermostRequest,
    connectionSecret,
    parse: parseMattermostRequest,
    split: splitForMattermost,
    format: (markdown) => ({ text: renderForMattermost(markdown) }),
    subscription: {
      async byPolling(access, receive, signal) {
        // Loaded by use: with it comes the library that speaks WebSocket.
        const { followEvents } = await import('./stream/follow-events.ts');
        await followEvents({ ...options, ...reading }, access, receive, signal);
      },
    },
    async prepare() {
      await import('./stream/follow-events.ts');
    },
    examine: (access, _identity, environment, signal) =>
      examine(client, directory, access, environment, signal),
    async identify(access, signal) {
      const { externalId, agentUserId, name, scopes } = await directory.identify(access, signal);
      return { externalId, agentUserId, name, scopes };
    },
    post: (access, message, signal) => postMessage(sending, access, message, signal),
    edit: (access, message, signal) => editMessage(sending, access, message, signal),
    remove: (access, message, signal) => removeMessage(client, access, message, signal),
    postPrivately: (access, message, signal) => postPrivately(client, access, message, signal),
    fetchThread: (access, target, limit, signal) => fetchThread(reading, access, target, limit, signal),
    findByMarker: (access, target, marker, signal) => findByMarker(reading, access, target, marker, signal),
    isPerson: async (access, externalId, signal) => {
      const person = await directory.person(access, externalId, signal);
      return person === null ? null : !person.isBot;
    },
    personName: async (access, externalId, signal) =>
      (await directory.person(access, externalId, signal))?.name ?? null,
    typing: (access, sign, signal) => showTyping(client, access, sign, signal),
    react: (access, reaction, signal) => react(client, directory, access, reaction, signal),
    acknowledgeAction: (access, action, signal) => acknowledgeAction(client, access, action, signal),
    showCommand: (access, command, signal) => showCommand(reading, access, command, signal),
    upload: (access, file, signal) => sendFile(client, access, file, signal),
    fetchFile: (access, file, limits, signal) => fetchFile(client, access, file, limits, signal),
    close: () => client.close(),
  };
}

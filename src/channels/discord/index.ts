import type { Channel } from '../../core/channel.ts';
import type { ChannelDefinition, ChannelOptions } from '../../core/channel-definition.ts';
import { createDiscordClient } from './client.ts';
import { BUTTONS } from './components.ts';
import { examine } from './examine.ts';
import { fetchFile, MAX_INCOMING_BYTES, MAX_OUTGOING_BYTES, sendFile } from './files.ts';
import { createGatewaySubscription } from './gateway/create-gateway-subscription.ts';
import { createOwnUserId, identify } from './identity.ts';
import { parseDiscordRequest } from './parse.ts';
import { createPeople } from './people.ts';
import { fetchThread, findByMarker } from './read.ts';
import { MAX_CHARACTERS, renderForDiscord, splitForDiscord } from './render-for-discord.ts';
import { editMessage, postMessage, postNotice, removeMessage } from './send.ts';
import { showCommand } from './show-command.ts';
import { acknowledgeAction, react, showTyping } from './signs.ts';
import { createThreads } from './threads.ts';
import { createDiscordVerifier } from './verify.ts';

/** Discord. Credentials: `botToken`, and `publicKey` where buttons and commands come to an Interactions Endpoint. */
export const discord: ChannelDefinition = {
  type: 'discord',
  displayName: 'Discord',
  webhook: { path: '/discord/interactions', shared: false },
  connection: {
    externalId: /^\d{15,20}$/,
    externalIdMeaning: 'the Application ID, which the Developer Portal shows under General Information',
    required: ['botToken'],
    optional: ['publicKey'],
  },
  defaultApiUrl: 'https://discord.com/api/v10',
  open: createDiscordChannel,
};

const TIMEOUT_MS = 10_000;
const MAX_WAIT_MS = 30_000;

/** For all bots of an installation. What people write comes over the gateway, a WebSocket of each bot's own. */
function createDiscordChannel(options: ChannelOptions): Channel {
  const { apiUrl, clock, timeoutMs = TIMEOUT_MS, maxWaitMs = MAX_WAIT_MS } = options;
  const client = createDiscordClient({ ...options, timeoutMs, maxWaitMs });
  const threads = createThreads(client, clock);
  const people = createPeople(client, clock);
  const sending = { client, threads };
  const reading = { client, ownUserId: createOwnUserId(client, clock) };
  return {
    type: discord.type,
    capabilities: {
      edit: true,
      remove: true,
      threads: true,
      findByMarker: true,
      postPrivately: false,
      stream: 'edits',
      buttons: BUTTONS,
      reactions: true,
      typing: true,
      files: { incoming: MAX_INCOMING_BYTES, outgoing: MAX_OUTGOING_BYTES },
      maxCharacters: MAX_CHARACTERS,
      editsPerSecond: 1,
    },
    verify: createDiscordVerifier(),
    connectionSecret: (_connectionId, { publicKey }) => publicKey ?? null,
    parse: parseDiscordRequest,
    split: splitForDiscord,
    format: (markdown) => ({ text: renderForDiscord(markdown) }),
    subscription: createGatewaySubscription({ ...options, client, threads }),
    async prepare() {}, // the WebSocket is loaded by the first connection that opens one
    examine: (access, _identity, environment, signal) => examine(client, access, environment, signal),
    identify: (access, signal) => identify(client, access, signal),
    post: (access, message, signal) => postMessage(sending, access, message, signal),
    edit: (access, message, signal) => editMessage(sending, access, message, signal),
    remove: (access, message, signal) => removeMessage(sending, access, message, signal),
    postPrivately: (access, message, signal) => postNotice(sending, access, message, signal),
    fetchThread: (access, target, limit, signal) => fetchThread(reading, access, target, limit, signal),
    findByMarker: (access, target, marker, signal) => findByMarker(reading, access, target, marker, signal),
    async isPerson(access, externalId, signal) {
      const person = await people(access, externalId, signal);
      return person === null ? null : !person.isBot;
    },
    async personName(access, externalId, signal) {
      return (await people(access, externalId, signal))?.name ?? null;
    },
    typing: (access, sign, signal) => showTyping(sending, access, sign, signal),
    react: (access, reaction, signal) => react(sending, access, reaction, signal),
    acknowledgeAction: (access, action, signal) => acknowledgeAction(sending, access, action, signal),
    showCommand: (access, command, signal) => showCommand(client, access, command, signal),
    upload: (access, file, signal) => sendFile(sending, access, file, signal),
    fetchFile: (access, file, limits, signal) =>
      fetchFile({ ...sending, apiUrl }, access, file, limits, signal),
    close: () => client.close(),
  };
}

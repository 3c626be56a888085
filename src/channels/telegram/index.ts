import type { Channel } from '../../core/channel.ts';
import type { ChannelDefinition, ChannelOptions } from '../../core/channel-definition.ts';
import { createTelegramClient } from './client.ts';
import { examine } from './examine.ts';
import { fetchFile, MAX_INCOMING_BYTES, MAX_OUTGOING_BYTES, sendFile } from './files.ts';
import { identify } from './identity.ts';
import { BUTTONS } from './keyboard.ts';
import { parseTelegramRequest } from './parse.ts';
import { renderForTelegram } from './render-for-telegram.ts';
import { editMessage, postMessage, removeMessage } from './send.ts';
import { showCommand } from './show-command.ts';
import { acknowledgeAction, react, showTyping } from './signs.ts';
import { MAX_CHARACTERS, splitForTelegram } from './split-for-telegram.ts';
import { createSubscription } from './subscription.ts';
import { verifyTelegramRequest, webhookSecret } from './verify.ts';

/** Telegram. Credentials: `botToken` (`123456:ABC…`, from @BotFather). */
export const telegram: ChannelDefinition = {
  type: 'telegram',
  displayName: 'Telegram',
  webhook: { path: '/telegram', shared: false },
  connection: {
    externalId: /^[1-9][0-9]{2,15}$/,
    externalIdMeaning: 'the id of a Telegram bot: the number before the colon in its token',
    required: ['botToken'],
    optional: [],
  },
  defaultApiUrl: 'https://api.telegram.org',
  open: createTelegramChannel,
};

const TIMEOUT_MS = 10_000;
const MAX_WAIT_MS = 30_000;

/**
 * For all bots of an installation. A bot cannot read a chat, neither a thread nor its own messages: `fetchThread` and
 * `findByMarker` always know nothing, and the capabilities say so.
 */
function createTelegramChannel(options: ChannelOptions): Channel {
  const { timeoutMs = TIMEOUT_MS, maxWaitMs = MAX_WAIT_MS } = options;
  const client = createTelegramClient({ ...options, timeoutMs, maxWaitMs });
  return {
    type: telegram.type,
    capabilities: {
      edit: true,
      remove: true,
      threads: true,
      findByMarker: false,
      postPrivately: false,
      stream: 'edits',
      buttons: BUTTONS,
      reactions: true,
      typing: true,
      files: { incoming: MAX_INCOMING_BYTES, outgoing: MAX_OUTGOING_BYTES },
      maxCharacters: MAX_CHARACTERS,
      editsPerSecond: 1,
    },
    verify: verifyTelegramRequest,
    connectionSecret: (connectionId, credentials) => webhookSecret(credentials, connectionId),
    parse: parseTelegramRequest,
    split: splitForTelegram,
    format: renderForTelegram,
    subscription: createSubscription({ ...options, client }),
    async prepare() {}, // there is no library to load
    examine: (access, _identity, environment, signal) =>
      examine(client, access, environment, Date.now(), signal),
    identify: (access, signal) => identify(client, access, signal),
    post: (access, message, signal) => postMessage(client, access, message, signal),
    edit: (access, message, signal) => editMessage(client, access, message, signal),
    remove: (access, message, signal) => removeMessage(client, access, message, signal),
    async postPrivately(access, { target, markdown }, signal) {
      await postMessage(client, access, { target, markdown }, signal);
    },
    fetchThread: async () => null,
    findByMarker: async () => null,
    isPerson: async () => null, // what bots say and react with Telegram does not tell other bots
    personName: async () => null,
    typing: (access, sign, signal) => showTyping(client, access, sign, signal),
    react: (access, reaction, signal) => react(client, access, reaction, signal),
    acknowledgeAction: (access, action, signal) => acknowledgeAction(client, access, action, signal),
    showCommand: (access, command, signal) => showCommand(client, access, command, signal),
    upload: (access, file, signal) => sendFile(client, access, file, signal),
    fetchFile: (access, file, limits, signal) => fetchFile(client, access, file, limits, signal),
    close: () => client.close(),
  };
}

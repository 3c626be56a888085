import type { Channel } from '../../core/channel.ts';
import type { ChannelDefinition, ChannelOptions } from '../../core/channel-definition.ts';
import { createGraphClient } from './client.ts';
import { rejected } from './graph-error.ts';
import { examine, identify } from './identity.ts';
import { fetchMedia, MAX_FILE_BYTES, sendFile } from './media.ts';
import { BUTTONS, shownText } from './outbound-body.ts';
import { parseWhatsAppRequest } from './parse.ts';
import { MAX_CHARACTERS, splitForWhatsApp } from './render-for-whatsapp.ts';
import { postMessage, react, showTyping } from './send.ts';
import { answerHandshake, verifyWhatsAppRequest } from './verify.ts';

/**
 * WhatsApp's Cloud API. Credentials: `accessToken`, and `appSecret` and `verifyToken` where a tenant has its own app at
 * Meta.
 */
export const whatsapp: ChannelDefinition = {
  type: 'whatsapp',
  displayName: 'WhatsApp',
  // Meta gathers what happens: one request has up to 3 MB.
  // Source: https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/overview
  webhook: { path: '/whatsapp', shared: true, hasHandshake: true, maxBodyBytes: 3 * 1024 * 1024 },
  connection: {
    externalId: /^[0-9]{5,30}$/,
    externalIdMeaning:
      'the phone number ID, which WhatsApp Manager and the app’s API Setup show below the number',
    required: ['accessToken'],
    optional: ['appSecret', 'verifyToken'],
  },
  defaultApiUrl: 'https://graph.facebook.com/v26.0',
  open: createWhatsAppChannel,
};

const TIMEOUT_MS = 10_000;
const MAX_WAIT_MS = 30_000;

/**
 * For all numbers of an installation. What was sent stands as it is: WhatsApp lets nobody edit or take away, and a
 * number cannot read a chat.
 */
function createWhatsAppChannel(options: ChannelOptions): Channel {
  const { timeoutMs = TIMEOUT_MS, maxWaitMs = MAX_WAIT_MS } = options;
  const client = createGraphClient({ ...options, timeoutMs, maxWaitMs });
  return {
    type: whatsapp.type,
    capabilities: {
      edit: false,
      remove: false,
      threads: false,
      findByMarker: false,
      receipts: true,
      postPrivately: false,
      stream: 'none',
      buttons: BUTTONS,
      reactions: true,
      typing: true,
      files: { incoming: MAX_FILE_BYTES, outgoing: MAX_FILE_BYTES },
      maxCharacters: MAX_CHARACTERS,
      editsPerSecond: 0,
    },
    verify: verifyWhatsAppRequest,
    handshake: answerHandshake,
    handshakeToken: ({ verifyToken }) => verifyToken || null,
    connectionSecret: (_connectionId, { appSecret }) => appSecret || null,
    parse: parseWhatsAppRequest,
    split: splitForWhatsApp,
    format: (markdown) => ({ text: shownText(markdown) }),
    async prepare() {}, // there is no library to load
    examine: (access, _identity, environment, signal) => examine(client, access, environment, signal),
    identify: (access, signal) => identify(client, access, signal),
    post: (access, message, signal) => postMessage(client, access, message, options.clock(), signal),
    async edit() {
      throw rejected('edit', 'not_supported');
    },
    async remove() {
      throw rejected('remove', 'not_supported');
    },
    async postPrivately(access, { target, markdown }, signal) {
      await postMessage(client, access, { target, markdown, marker: null }, options.clock(), signal);
    },
    fetchThread: async () => null,
    findByMarker: async () => null,
    isPerson: async () => null, // WhatsApp does not say what answers a number
    personName: async () => null, // the name comes with each message
    typing: (access, sign, signal) => showTyping(client, access, sign, signal),
    react: (access, reaction, signal) => react(client, access, reaction, signal),
    upload: (access, file, signal) => sendFile(client, access, file, signal),
    fetchFile: (access, file, limits, signal) => fetchMedia(client, access, file, limits, signal),
    close: () => client.close(),
  };
}

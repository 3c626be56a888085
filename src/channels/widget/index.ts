import type { Channel } from '../../core/channel.ts';
import type { ChannelDefinition, ChannelOptions } from '../../core/channel-definition.ts';
import { splitMarkdown } from '../split-markdown.ts';
import { createAnswerStream } from './answer-stream.ts';
import { examine } from './examine.ts';
import { MIN_SECRET_CHARACTERS, verifyWidgetRequest } from './identity-token.ts';
import { parseWidgetRequest } from './parse.ts';
import {
  boxOf,
  editMessage,
  endChoices,
  findMessage,
  postMessage,
  removeMessage,
  requireMailbox,
  type Sending,
} from './send.ts';
import { visitors } from './visitors.ts';

/**
 * The chat on a company's own web site. There is no platform: what is said stands in our own mailboxes, and visitors'
 * browsers come for it. Credentials: `secret`, by which the site vouches for its visitors.
 */
export const widget: ChannelDefinition = {
  type: 'widget',
  displayName: 'web chat',
  webhook: { path: '/widget', shared: false },
  connection: {
    externalId: /^[a-z][a-z0-9-]{1,62}$/,
    externalIdMeaning: 'a name of your choice for the site: 2 to 63 lower-case letters, digits and hyphens',
    required: ['secret'],
    optional: [],
  },
  defaultApiUrl: '',
  ownStream: true,
  keepsMailbox: true,
  open: createWidgetChannel,
};

const TIMEOUT_MS = 10_000;
const MAX_WAIT_MS = 30_000;
const MAX_CHARACTERS = 16_000;

function createWidgetChannel(options: ChannelOptions): Channel {
  const { clock, sleep, log, timeoutMs = TIMEOUT_MS, maxWaitMs = MAX_WAIT_MS } = options;
  const sending = (): Sending => ({
    mailbox: requireMailbox(options.mailbox),
    clock,
    sleep,
    timeoutMs,
    maxWaitMs,
  });
  return {
    type: widget.type,
    capabilities: {
      edit: true,
      remove: true,
      threads: false,
      findByMarker: true,
      postPrivately: false, // every conversation is private
      stream: 'native',
      buttons: { max: 8, maxCharacters: 80 },
      reactions: false,
      typing: false, // the placeholder says it
      files: { incoming: null, outgoing: null },
      maxCharacters: MAX_CHARACTERS,
      editsPerSecond: 10,
    },
    visitors,
    verify: verifyWidgetRequest,
    connectionSecret: (_connectionId, { secret = '' }) =>
      secret.length < MIN_SECRET_CHARACTERS ? null : secret,
    parse: parseWidgetRequest,
    split: (markdown) => splitMarkdown(markdown, MAX_CHARACTERS),
    format: (markdown) => ({ text: markdown }), // the browser makes elements of it, never markup
    async prepare() {}, // there is no library to load
    examine: async (access, _identity, environment) => examine(access, environment),
    identify: async ({ externalId }) => ({
      externalId,
      agentUserId: 'agent',
      name: externalId,
      scopes: null,
    }),
    post: (access, message, signal) => postMessage(sending(), access, message, signal),
    edit: (access, message, signal) => editMessage(sending(), access, message, signal),
    remove: (access, message, signal) => removeMessage(sending(), access, message, signal),
    async postPrivately(access, { target, markdown }, signal) {
      await postMessage(sending(), access, { target, markdown, marker: { deliveryId: '' } }, signal);
    },
    fetchThread: async () => null,
    findByMarker: (access, target, { deliveryId }, signal) =>
      findMessage(sending(), access, target, deliveryId, signal),
    openStream: (access, start) =>
      createAnswerStream({
        mailbox: requireMailbox(options.mailbox),
        box: boxOf(access, start.target, 'openStream'),
        start,
        clock,
        log,
      }),
    acknowledgeAction: (access, { channelId, messageId }, signal) =>
      endChoices(sending(), access, { channelId, threadId: null }, messageId, signal),
    isPerson: async () => true,
    personName: async () => null, // their messages bring it
    close() {},
  };
}

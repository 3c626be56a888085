import type { Channel } from '../../core/channel.ts';
import type { ChannelDefinition, ChannelOptions } from '../../core/channel-definition.ts';
import { splitMarkdown } from '../split-markdown.ts';
import { MAX_CHOICE_CHARACTERS, MAX_CHOICES } from './choices.ts';
import { examine } from './examine.ts';
import { MAX_FILE_BYTES } from './limits.ts';
import { createSlackOAuth } from './oauth.ts';
import { createSlackOutbound } from './outbound.ts';
import { neutraliseMentions } from './outbound-text.ts';
import { parseSlackRequest } from './parse.ts';
import { verifySlackRequest } from './verify.ts';

/** Slack. Credentials: `botToken` (`xoxb-…`), and `signingSecret` where a tenant has its own app. */
export const slack: ChannelDefinition = {
  type: 'slack',
  displayName: 'Slack',
  webhook: {
    path: '/slack/events',
    alsoPaths: ['/slack/interactions', '/slack/commands'],
    shared: true,
  },
  install: { path: '/slack/install', redirectPath: '/slack/oauth_redirect' },
  connection: {
    externalId: /^[TE][A-Z0-9]{2,30}$/,
    externalIdMeaning:
      'the id of a Slack workspace (T…) or organisation (E…), as in https://app.slack.com/client/T0123ABCD',
    required: ['botToken'],
    optional: ['signingSecret', 'appToken'],
  },
  defaultApiUrl: 'https://slack.com/api/',
  ownStream: true,
  open: createSlackChannel,
};

/**
 * The longest text of one `chat.postMessage` or `chat.update` in `markdown_text`: 12,000 characters. Slack does not
 * say what it counts; UTF-16 units are never fewer than code points.
 *
 * Source: https://docs.slack.dev/reference/methods/chat.postMessage#arg_markdown_text
 */
const MAX_CHARACTERS = 12_000;

/** Parts stay below the limit so that `neutraliseMentions`, which adds a character per `@here`, has room. */
const PART_CHARACTERS = 11_800;

const OAUTH_TIMEOUT_MS = 10_000;

/** For all connections of an installation. */
export function createSlackChannel(options: ChannelOptions): Channel {
  const oauth = openOAuth(options);
  const outbound = createSlackOutbound(options);
  return {
    type: slack.type,
    capabilities: {
      edit: true,
      editsKeepAuthor: false,
      remove: true,
      threads: true,
      findByMarker: true,
      postPrivately: true,
      stream: 'edits',
      buttons: { max: MAX_CHOICES, maxCharacters: MAX_CHOICE_CHARACTERS },
      reactions: true,
      typing: false, // the placeholder says it, and `status` beside it
      files: { incoming: MAX_FILE_BYTES, outgoing: MAX_FILE_BYTES },
      maxCharacters: MAX_CHARACTERS,
      editsPerSecond: 1,
    },
    verify: verifySlackRequest,
    connectionSecret: (_connectionId, { signingSecret }) => signingSecret || null,
    parse: parseSlackRequest,
    ...(oauth && { installation: oauth }),
    split: (markdown) => splitMarkdown(markdown, PART_CHARACTERS),
    format: (markdown) => ({ text: neutraliseMentions(markdown) }),
    async prepare() {}, // nothing is loaded later
    examine: async (access, identity, environment) => examine(access, identity, environment),
    ...outbound,
    close() {
      outbound.close();
      oauth?.close();
    },
  };
}

/** `undefined`: the installation has no client id and secret, so nobody can connect a workspace in a browser. */
function openOAuth(options: ChannelOptions) {
  const { apiUrl, values = {}, timeoutMs = OAUTH_TIMEOUT_MS, wallClock = options.clock } = options;
  const { clientId, clientSecret } = values;
  if (!clientId || !clientSecret) return undefined;
  return createSlackOAuth({ apiUrl, clientId, clientSecret, clock: wallClock, timeoutMs });
}

import type { Channel, ConnectionFinding } from '../../core/channel.ts';
import type { ChannelDefinition, ChannelOptions } from '../../core/channel-definition.ts';
import { openOnUse } from '../open-on-use.ts';
import { splitMarkdown } from '../split-markdown.ts';
import { missingScopes } from './manifest.ts';
import { neutraliseMentions } from './outbound-text.ts';
import { parseSlackRequest } from './parse.ts';
import { verifySlackRequest } from './verify.ts';

/** Slack. Credentials: `botToken` (`xoxb-…`), and `signingSecret` where a tenant has its own app. */
export const slack: ChannelDefinition = {
  type: 'slack',
  displayName: 'Slack',
  webhook: { path: '/slack/events', shared: true },
  connection: {
    externalId: /^[TE][A-Z0-9]{2,30}$/,
    externalIdMeaning:
      'the id of a Slack workspace (T…) or organisation (E…), as in https://app.slack.com/client/T0123ABCD',
    required: ['botToken'],
    optional: ['signingSecret', 'appToken'],
  },
  defaultApiUrl: 'https://slack.com/api/',
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

/** For all connections of an installation. Slack's library is loaded when something is sent. */
export function createSlackChannel(options: ChannelOptions): Channel {
  const outbound = openOnUse(async () => (await import('./outbound.ts')).createSlackOutbound(options));
  return {
    type: slack.type,
    capabilities: {
      edit: true,
      remove: true,
      threads: true,
      findByMarker: true,
      postPrivately: true,
      stream: 'edits',
      buttons: null,
      reactions: false,
      typing: false,
      files: { incoming: null, outgoing: null },
      maxCharacters: MAX_CHARACTERS,
      editsPerSecond: 1,
    },
    verify: verifySlackRequest,
    connectionSecret: (_connectionId, { signingSecret }) => signingSecret || null,
    parse: parseSlackRequest,
    split: (markdown) => splitMarkdown(markdown, PART_CHARACTERS),
    format: (markdown) => ({ text: neutraliseMentions(markdown) }),
    async prepare() {
      await outbound.get();
    },
    async examine({ credentials, externalId }, identity, { hasSharedSecret }) {
      // What another workspace's token may do does not matter.
      const scopes = identity.externalId === externalId ? identity.scopes : null;
      return examine(
        scopes,
        (credentials.signingSecret ?? credentials.appToken) !== undefined || hasSharedSecret,
      );
    },
    identify: async (...call) => (await outbound.get()).identify(...call),
    post: async (...call) => (await outbound.get()).post(...call),
    edit: async (...call) => (await outbound.get()).edit(...call),
    remove: async (...call) => (await outbound.get()).remove(...call),
    postPrivately: async (...call) => (await outbound.get()).postPrivately(...call),
    fetchThread: async (...call) => (await outbound.get()).fetchThread(...call),
    findByMarker: async (...call) => (await outbound.get()).findByMarker(...call),
    isPerson: async (...call) => (await outbound.get()).isPerson(...call),
    personName: async (...call) => (await outbound.get()).personName(...call),
    close: () => outbound.current()?.close(),
  };
}

function examine(scopes: readonly string[] | null, hasSecret: boolean): readonly ConnectionFinding[] {
  const findings: ConnectionFinding[] = [];
  if (!hasSecret) {
    findings.push({
      level: 'problem',
      text: 'there is no signing secret, so everything Slack sends is refused.',
      remedy: 'Set SLACK_SIGNING_SECRET, or give the connection a signingSecret.',
    });
  }
  const missing = scopes === null ? [] : missingScopes(scopes);
  if (missing.length > 0) {
    findings.push({
      level: 'problem',
      text: `the token lacks the scopes ${missing.join(', ')}.`,
      remedy: 'Add them to the app and install it again; `konstruct manifest slack` has them all.',
    });
  }
  return findings;
}

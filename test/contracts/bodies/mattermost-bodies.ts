import { choiceAttachments } from '../../../src/channels/mattermost/choices.ts';
import type { WireBody } from './wire-body.ts';

const id = (letter: string) => letter.repeat(26);
const file = { id: id('f'), name: 'a.pdf', mime_type: 'application/pdf', size: 12, extension: 'pdf' };
const reaction = {
  user_id: id('m'),
  post_id: id('p'),
  emoji_name: '+1_medium_skin_tone',
  create_at: 1_700_000_000_500,
};
const post = {
  id: id('p'),
  create_at: 1_700_000_000_123,
  update_at: 1_700_000_000_123,
  edit_at: 1_700_000_000_123,
  delete_at: 1_700_000_000_123,
  user_id: id('m'),
  channel_id: id('c'),
  root_id: id('r'),
  message: 'hello @ada `@tom`\n```\n@bo\n```',
  type: '',
  props: { from_bot: '', from_webhook: false },
  file_ids: [id('f')],
  metadata: {
    files: [file],
    embeds: [{ type: 'permalink', data: { post: { message: 'before', metadata: { files: [file] } } } }],
    reactions: [reaction],
  },
};

/** An outgoing webhook with this token, and a press of a button that was made with this key. */
export function mattermostBodies(token: string, key: string): readonly WireBody[] {
  const webhook = {
    token,
    team_id: id('t'),
    team_domain: 'acme',
    channel_id: id('c'),
    channel_name: 'general',
    timestamp: 1_700_000_000_123,
    user_id: id('m'),
    user_name: 'mara',
    post_id: id('p'),
    text: 'hello @ada',
    trigger_word: 'hello',
    file_ids: id('f'),
  };
  return [
    { kind: 'webhook', sample: webhook },
    { kind: 'webhook as a form', sample: webhook, form: 'fields' },
    ...(['direct', 'channel'] as const).map((scope) => ({
      kind: `press in a ${scope}`,
      sample: {
        user_id: id('m'),
        user_name: 'mara',
        channel_id: id('c'),
        post_id: id('p'),
        trigger_id: 'x',
        type: 'button',
        data_source: '',
        context: contextOf(scope, key),
      },
    })),
  ];
}

function contextOf(scope: 'direct' | 'channel', key: string): unknown {
  const where = { channelId: id('c'), threadId: id('r'), scope };
  const [attachment] = choiceAttachments(['Yes'], where, 'https://konstruct.example.com', key);
  const { actions } = attachment as { actions: readonly { integration: { context: unknown } }[] };
  return actions[0]?.integration.context;
}

const event = (kind: string, data: object, broadcast: object = {}): WireBody => ({
  kind,
  sample: { event: kind, seq: 4, data, broadcast: { channel_id: id('c'), user_id: '', ...broadcast } },
});

/** What comes over the socket. A post and a reaction are JSON within the JSON, see `postsWithin`. */
export const mattermostEvents: readonly WireBody[] = [
  event('user_removed', { channel_id: id('c'), remover_id: id('x') }, { user_id: id('a') }),
  event('channel_deleted', { channel_id: id('c'), delete_at: 1 }),
  event('posted', { channel_type: 'D', post: JSON.stringify(post) }),
];

/** What is within `data`, by the name that it has there. */
export const postsWithin: readonly (WireBody & { readonly field: 'post' | 'reaction' })[] = [
  { kind: 'posted', sample: post, field: 'post' },
  { kind: 'post_edited', sample: post, field: 'post' },
  { kind: 'post_deleted', sample: post, field: 'post' },
  { kind: 'reaction_added', sample: reaction, field: 'reaction' },
  { kind: 'reaction_removed', sample: reaction, field: 'reaction' },
];

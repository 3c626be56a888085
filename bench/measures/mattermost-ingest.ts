import { mattermost } from '../../src/channels/mattermost/index.ts';
import { parseEvent } from '../../src/channels/mattermost/stream/parse-event.ts';
import { systemTime } from '../../src/system-time.ts';
import { silentLog } from '../../test/support/silent-log.ts';

export interface MattermostIngestFigures {
  readonly bodyBytes: number;
  readonly perSecond: number;
}

const id = (letter: string) => letter.repeat(26);
const text = `@ada any idea? ${'word '.repeat(60)}`;

/** Outgoing webhooks a second of CPU that are checked and read: a mention in a channel, some 650 bytes. */
export async function measureMattermostIngest(rounds = 50_000): Promise<MattermostIngestFigures> {
  const channel = mattermost.open({ apiUrl: '', ...systemTime, log: silentLog });
  const credentials = { serverUrl: 'https://chat.acme.example', botToken: id('b'), webhookToken: id('t') };
  const secret = channel.connectionSecret('c1', credentials) ?? '';
  const fields = {
    token: id('t'),
    team_id: id('e'),
    team_domain: 'acme',
    channel_id: id('c'),
    channel_name: 'support',
    timestamp: 1_700_000_000_000,
    user_id: id('m'),
    user_name: 'mara',
    post_id: id('p'),
    text,
    trigger_word: '@ada',
    file_ids: '',
  };
  const headers = { 'content-type': 'application/json' };
  const request = { path: '/mattermost', headers, body: Buffer.from(JSON.stringify(fields)) };
  const perSecond = await countPerSecond(async () => {
    await channel.verify(request, secret, 0);
    channel.parse(request);
  }, rounds);
  channel.close();
  return { bodyBytes: request.body.length, perSecond };
}

/** Events of a socket a second of CPU that are read: the same post, as JSON within JSON. */
export async function measureMattermostSocketIngest(rounds = 50_000): Promise<MattermostIngestFigures> {
  const post = {
    id: id('p'),
    create_at: 1_700_000_000_000,
    update_at: 1_700_000_000_000,
    edit_at: 0,
    delete_at: 0,
    is_pinned: false,
    user_id: id('m'),
    channel_id: id('c'),
    root_id: id('r'),
    original_id: '',
    message: text,
    type: '',
    props: { disable_group_highlight: true },
    hashtags: '',
    pending_post_id: `${id('m')}:1700000000000`,
    reply_count: 3,
    last_reply_at: 0,
    participants: null,
    metadata: {},
  };
  const data = {
    channel_display_name: 'Support',
    channel_name: 'support',
    channel_type: 'O',
    post: JSON.stringify(post),
    sender_name: '@mara',
    set_online: true,
    team_id: id('e'),
  };
  const broadcast = { omit_users: null, user_id: '', channel_id: id('c'), team_id: '' };
  const message = JSON.stringify({ event: 'posted', data, broadcast, seq: 4 });
  const setting = { ownUserId: id('a'), nowMs: 0, scopeOf: async () => 'channel' as const, note: () => {} };
  const perSecond = await countPerSecond(async () => {
    await parseEvent(JSON.parse(message), setting);
  }, rounds);
  return { bodyBytes: Buffer.byteLength(message), perSecond };
}

async function countPerSecond(work: () => Promise<void>, rounds: number): Promise<number> {
  for (let round = 0; round < rounds / 4; round += 1) await work();
  const before = process.cpuUsage();
  for (let round = 0; round < rounds; round += 1) await work();
  const { user, system } = process.cpuUsage(before);
  return Math.round((rounds * 1_000_000) / (user + system));
}

if (import.meta.main) {
  console.table({
    webhook: await measureMattermostIngest(),
    socket: await measureMattermostSocketIngest(),
  });
}

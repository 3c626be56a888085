import { generateKeyPairSync, sign } from 'node:crypto';
import { parseDispatch } from '../../src/channels/discord/gateway/parse-dispatch.ts';
import { parseDiscordRequest } from '../../src/channels/discord/parse.ts';
import { createDiscordVerifier } from '../../src/channels/discord/verify.ts';
import { countRequests, type RequestRate } from './count-requests.ts';

/** The rate is that of interactions, signature and all. */
export interface DiscordIngestFigures extends RequestRate {
  readonly bodyBytes: number;
  /** Messages over the gateway, whose connection vouches for them: reading JSON and parsing. */
  readonly messagesPerSecond: number;
}

const user = {
  id: '80351110224678912',
  username: 'mara',
  global_name: 'Mara',
  discriminator: '0',
  avatar: null,
};
const member = {
  nick: null,
  roles: ['165511591545143296'],
  joined_at: '2021-01-01T00:00:00+00:00',
  flags: 0,
};
const place = {
  channelId: '290926798999357250',
  threadId: '290926798999357251',
  scope: 'channel',
  beginsThreads: false,
} as const;

/** What is checked and read in a second: a command of 40 words, and messages as long. */
export async function measureDiscordIngest(rounds = 20_000): Promise<DiscordIngestFigures> {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const key = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex');
  const words = 'word '.repeat(40).trim();
  const body = JSON.stringify({
    id: '1100000000000000001',
    application_id: '1100000000000000000',
    type: 2,
    token: 'a'.repeat(160),
    version: 1,
    guild_id: '290926798999357249',
    channel_id: place.channelId,
    channel: { id: place.channelId, type: 0, name: 'general', parent_id: null },
    member: { ...member, user },
    app_permissions: '309237763136',
    locale: 'en-GB',
    data: { id: '1', name: 'ask', type: 1, options: [{ name: 'question', type: 3, value: words }] },
  });
  const timestamp = '1700000000';
  const request = {
    path: '/discord/interactions',
    headers: {
      'x-signature-timestamp': timestamp,
      'x-signature-ed25519': sign(null, Buffer.from(timestamp + body), privateKey).toString('hex'),
    },
    body: Buffer.from(body),
  };
  const verify = createDiscordVerifier();
  const interactions = await countRequests(async () => {
    await verify(request, key, Number(timestamp) * 1_000);
    parseDiscordRequest(request);
  }, rounds);
  const text = JSON.stringify({
    op: 0,
    t: 'MESSAGE_CREATE',
    s: 42,
    d: {
      id: '1100000000000000001',
      channel_id: place.threadId,
      guild_id: '290926798999357249',
      type: 0,
      author: user,
      member,
      content: `<@1100000000000000000> ${words}`,
      timestamp: '2026-11-29T00:00:00.000000+00:00',
      edited_timestamp: null,
      mentions: [{ ...user, id: '1100000000000000000', bot: true, member }],
      mention_roles: [],
      mention_everyone: false,
      attachments: [],
      embeds: [],
      tts: false,
      pinned: false,
    },
  });
  const own = { userId: '1100000000000000000', roleIds: new Set<string>() };
  const messagesPerSecond = rate(rounds, () => {
    const { t, d } = JSON.parse(text) as { t: string; d: Record<string, unknown> };
    parseDispatch(t, d, { place, own, nowMs: 0 });
  });
  return { bodyBytes: body.length, ...interactions, messagesPerSecond };
}

function rate(rounds: number, work: () => void): number {
  for (let round = 0; round < rounds / 4; round += 1) work();
  const before = process.cpuUsage();
  for (let round = 0; round < rounds; round += 1) work();
  const { user: userMs, system } = process.cpuUsage(before);
  return Math.round((rounds * 1_000_000) / (userMs + system));
}

if (import.meta.main) console.table(await measureDiscordIngest());

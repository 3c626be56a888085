import { pressKey } from '../../src/channels/mattermost/choices.ts';
import { mattermost } from '../../src/channels/mattermost/index.ts';
import { addPost } from '../support/mattermost/mattermost-posts.ts';
import type { Post } from '../support/mattermost/mattermost-world.ts';
import { webhookFields } from '../support/mattermost/outgoing-webhooks.ts';
import { pingsOf } from '../support/mattermost/pings-of.ts';
import { startMattermostServer } from '../support/mattermost/start-mattermost-server.ts';
import { mattermostBodies } from './bodies/mattermost-bodies.ts';
import { type ChannelHarness, impatient, type Operation, type Trouble } from './channel-harness.ts';

const ACME_TOKEN = 'acmebottoken0standin000000';
const GLOBEX_TOKEN = 'globexbottoken0standin0000';
const calls = { post: 'POST /posts', edit: 'PUT /posts/*/patch' } as const;

/** Two companies on one server; it cannot be told from two servers, as each call names its server and its token. */
export async function startMattermostHarness(): Promise<ChannelHarness> {
  const server = await startMattermostServer();
  const ada = server.addUser({ username: 'ada', is_bot: true, token: ACME_TOKEN });
  const gus = server.addUser({ username: 'gus', is_bot: true, token: GLOBEX_TOKEN });
  const mara = server.addUser({ username: 'mara' });
  const own = server.addChannel('O', [ada, mara], server.addTeam('acme', [ada, mara]));
  const other = server.addChannel('O', [gus], server.addTeam('globex', [gus]));
  const webhook = server.addWebhook({
    channelId: null,
    triggerWords: ['hello'],
    contentType: 'application/json',
    url: 'http://127.0.0.1:9/',
  });
  const channel = mattermost.open({ ...impatient(''), publicUrl: 'https://konstruct.example.com' });
  const place = server.url.replace('http://', '');
  const access = {
    connectionId: 'c1',
    externalId: `${place}/ada`,
    credentials: { serverUrl: server.url, botToken: ACME_TOKEN, webhookToken: webhook.token },
  };
  const badToken = `${ACME_TOKEN.slice(0, -3)}bad`;
  const said = new Map<number, Post>();
  return {
    definition: mattermost,
    channel,
    access,
    target: { channelId: own.id, threadId: null },
    otherAccess: {
      connectionId: 'c2',
      externalId: `${place}/gus`,
      credentials: { serverUrl: server.url, botToken: GLOBEX_TOKEN },
    },
    otherTarget: { channelId: other.id, threadId: null },
    // The proof is part of the body.
    bodies: mattermostBodies(webhook.token, pressKey(access.credentials, access.connectionId)),
    signed: ({ contentType, body }) => ({
      path: '/mattermost',
      headers: { 'content-type': contentType },
      body,
    }),
    secret: channel.connectionSecret(access.connectionId, access.credentials) ?? '',
    nowMs: Date.now(),
    signsBody: false,
    proof: [],
    changeProof(request, random) {
      const body = request.body.toString('utf8');
      const start = body.indexOf(webhook.token);
      const at = start + Math.floor(random() * webhook.token.length);
      const letter = String.fromCharCode(48 + ((body.charCodeAt(at) - 47 + Math.floor(random() * 42)) % 43));
      const changed = [
        body.slice(0, at) + (letter === body[at] ? '_' : letter) + body.slice(at + 1),
        body.slice(0, at) + body.slice(at + 1),
        `${body.slice(0, at)}${letter}${body.slice(at)}`,
        body.replace(webhook.token, ''),
        body.replace(`"${webhook.token}"`, '[]'),
        body.replace('"token"', '"tokem"'),
      ];
      return { ...request, body: Buffer.from(changed[Math.floor(random() * changed.length)] as string) };
    },
    request({ id, text }) {
      const post =
        said.get(id) ??
        addPost(server.world, {
          user_id: mara.id,
          channel_id: own.id,
          root_id: '',
          message: text,
          type: '',
          props: {},
          file_ids: [],
          pending_post_id: '',
        });
      said.set(id, post);
      return {
        path: '/mattermost',
        headers: { 'content-type': 'application/json' },
        body: Buffer.from(JSON.stringify(webhookFields(server.world, webhook, post, own, 'hello'))),
      };
    },
    refused: {
      access: {
        connectionId: 'other',
        externalId: `${place}/ada`,
        credentials: { serverUrl: server.url, botToken: badToken },
      },
      secret: badToken,
    },
    pings: ({ text }) => pingsOf(text),
    pingAttempts: [
      '@channel',
      '@here',
      '@all',
      '@ALL.',
      '@channel-wide',
      '\\@here',
      '&#64;all',
      '&#x40;channel',
      '&commat;here',
      '@&#99;hannel',
      '**@all**',
      '> @here',
      '`@channel',
      '~~~ @all',
      '@mara',
      '@Mara.',
      'x.@mara',
      '[@mara](https://a.example)',
      'https://a.example/@mara',
      '`@mara',
      '\\@mara',
      '~~~ `\n@mara',
    ],
    hurt(operation: Operation, trouble: Trouble) {
      server.faults.push({ call: calls[operation], kind: trouble, remaining: 1, retryAfterSeconds: 3_600 });
    },
    standing: () =>
      new Map(
        [...server.world.posts.values()]
          .filter((post) => post.channel_id === own.id && post.delete_at === 0)
          .map(({ id, message }) => [id, message]),
      ),
    async close() {
      channel.close();
      await server.close();
    },
  };
}

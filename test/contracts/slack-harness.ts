import { slack } from '../../src/channels/slack/index.ts';
import { acme, globex, startTestSimulator } from '../support/simulator/start-test-simulator.ts';
import { signedSlackRequest, slackFixture } from '../support/slack-request.ts';
import { slackBodies } from './bodies/slack-bodies.ts';
import { type ChannelHarness, impatient, type Operation, type Trouble } from './channel-harness.ts';

const SECRET = 'contract-signing-secret';
const PINGS =
  /<@[UW][A-Z0-9]+|<!(?:channel|here|everyone|subteam)|(?<![\w@.])@(?:channel|here|everyone)(?!\w)/gi;
const methods = { post: 'chat.postMessage', edit: 'chat.update' } as const;

export async function startSlackHarness(): Promise<ChannelHarness> {
  const { simulator, server, stop } = await startTestSimulator();
  const channel = slack.open(impatient(server.apiUrl));
  const nowMs = Date.now();
  const envelope = JSON.parse(slackFixture('message-private-channel')) as { event: object };
  return {
    definition: slack,
    channel,
    access: { connectionId: 'c1', externalId: acme.workspaceId, credentials: { botToken: acme.token } },
    target: { channelId: acme.general, threadId: null },
    otherAccess: {
      connectionId: 'c2',
      externalId: globex.workspaceId,
      credentials: { botToken: globex.token },
    },
    otherTarget: { channelId: globex.general, threadId: null },
    bodies: slackBodies,
    signed({ contentType, body }, path = '/slack/events') {
      const request = signedSlackRequest(body, SECRET, nowMs);
      return { ...request, path, headers: { ...request.headers, 'content-type': contentType } };
    },
    secret: SECRET,
    nowMs,
    signsBody: true,
    proof: ['x-slack-signature', 'x-slack-request-timestamp'],
    request: ({ id, text, eventNumber }) =>
      signedSlackRequest(
        JSON.stringify({
          ...envelope,
          event_id: `Ev${eventNumber}`,
          event: { ...envelope.event, ts: `1700000000.${String(id).padStart(6, '0')}`, text },
        }),
        SECRET,
        nowMs,
      ),
    refused: {
      access: {
        connectionId: 'other',
        externalId: acme.workspaceId,
        credentials: { botToken: `${acme.token.slice(0, -3)}bad` },
      },
      secret: `${acme.token.slice(0, -3)}bad`,
    },
    // What is in a closed fence is code for Slack, and stays to be copied.
    pings: ({ text }) =>
      text.replaceAll(/^ {0,3}(`{3,})[^`\n]*\n[\s\S]*?^ {0,3}\1`*[ \t]*$/gm, '').match(PINGS) ?? [],
    pingAttempts: ['<!channel>', '<!here|x>', '<@U0PERSON01>', '@channel', '@everyone', '<!subteam^S1>'],
    hurt(operation: Operation, trouble: Trouble) {
      const method = methods[operation];
      const once = { method, remaining: 1 };
      switch (trouble) {
        case 'limit':
          return void simulator.faults.add({ kind: 'api_rate_limited', retryAfterSeconds: 3_600, ...once });
        case 'error':
          return void simulator.faults.add({ kind: 'api_http_error', status: 502, ...once });
        case 'cut_before':
          return void simulator.faults.add({ kind: 'api_cut_before', ...once });
        case 'cut_after':
          return void simulator.faults.add({ kind: 'api_cut_after', ...once });
        case 'silent_after':
          return void simulator.faults.add({ kind: 'api_hang', workDone: true, ...once });
        default:
          return trouble satisfies never;
      }
    },
    standing: () =>
      new Map(
        simulator
          .messages(acme.workspaceId, acme.general)
          .map(({ messageId, markdown, text }) => [messageId, markdown ?? text]),
      ),
    async close() {
      channel.close();
      await stop();
    },
  };
}

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ReceivedEvent } from '../../test/support/simulator/start-receiver.ts';
import type { TestSimulator } from '../../test/support/simulator/start-test-simulator.ts';
import { acme, globex, startTestSimulator } from '../../test/support/simulator/start-test-simulator.ts';

let test: TestSimulator;

beforeEach(async () => {
  test = await startTestSimulator();
});
afterEach(() => test.stop());

const inSupport = { workspaceId: acme.workspaceId, channelId: acme.support, userId: acme.mara };
const types = (events: readonly ReceivedEvent[]) => events.map(({ body }) => body.event.type);

async function say(text: string, options: Readonly<Record<string, string>> = {}) {
  const sent = await test.simulator.say({ ...inSupport, text, ...options });
  expect(await sent.acked).toBe(true);
  return sent;
}

describe('events of the simulator', () => {
  it('signs every request over its raw bytes and sends Slack’s headers', async () => {
    await say('Grüße & <b>');
    const [first] = test.receiver.received;
    expect(first?.signatureValid).toBe(true);
    expect(first?.headers).toMatchObject({
      'content-type': 'application/json',
      'user-agent': expect.stringMatching(/^Slackbot 1\.0/),
    });
    expect(first?.headers).not.toHaveProperty('x-slack-retry-num');
  });

  it('sends a message in a channel with the fields of the real thing', async () => {
    const sent = await say('hello there');
    const body = test.receiver.received[0]?.body;
    expect(body).toMatchObject({
      token: expect.any(String),
      team_id: acme.workspaceId,
      context_team_id: acme.workspaceId,
      context_enterprise_id: null,
      api_app_id: 'A0KONSTRUCT',
      type: 'event_callback',
      event_id: expect.stringMatching(/^Ev[A-Z0-9]{10}$/),
      event_time: expect.any(Number),
      is_ext_shared_channel: false,
      event_context: expect.stringMatching(/^4-/),
      authorizations: [
        {
          enterprise_id: null,
          team_id: acme.workspaceId,
          user_id: acme.agent,
          is_bot: true,
          is_enterprise_install: false,
        },
      ],
      event: {
        type: 'message',
        user: acme.mara,
        text: 'hello there',
        ts: sent.ts,
        event_ts: sent.ts,
        client_msg_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        team: acme.workspaceId,
        channel: acme.support,
        channel_type: 'channel',
        blocks: [
          {
            type: 'rich_text',
            elements: [{ type: 'rich_text_section', elements: [{ type: 'text', text: 'hello there' }] }],
          },
        ],
      },
    });
    expect(sent.ts).toMatch(/^\d{10}\.\d{6}$/);
  });

  it('sends a mention as message and app_mention with the same ts and different event ids', async () => {
    await say(`<@${acme.agent}> can you help?`);
    const [one, two] = test.receiver.received.map(({ body }) => body);
    expect(types(test.receiver.received).sort()).toEqual(['app_mention', 'message']);
    expect(one?.event.ts).toBe(two?.event.ts);
    expect(one?.event_id).not.toBe(two?.event_id);
    const mention = [one, two].find((body) => body?.event.type === 'app_mention');
    expect(mention?.event).not.toHaveProperty('channel_type');
  });

  it('sends the pair in the order and with the gap that is set', async () => {
    test.simulator.faults.update({ pairOrder: 'mention_first', pairGapMs: 20 });
    await say(`<@${acme.agent}> one`);
    test.simulator.faults.update({ pairOrder: 'message_first' });
    await say(`<@${acme.agent}> two`);
    expect(types(test.receiver.received)).toEqual(['app_mention', 'message', 'message', 'app_mention']);
  });

  it('sends a direct message once, as message.im', async () => {
    await say(`<@${acme.agent}> hi`, { channelId: acme.dm });
    expect(types(test.receiver.received)).toEqual(['message']);
    expect(test.receiver.received[0]?.body.event.channel_type).toBe('im');
  });

  it('sends a reply with its thread and the author of the root', async () => {
    const root = await say('root');
    await say('reply', { threadTs: root.ts, userId: acme.priya });
    expect(test.receiver.received[1]?.body.event).toMatchObject({
      thread_ts: root.ts,
      parent_user_id: acme.mara,
    });
  });

  it('sends nothing of a channel that the agent is not in', async () => {
    await say(`<@${acme.agent}> anybody?`, { channelId: acme.random });
    expect(test.receiver.received).toEqual([]);
  });

  it('sends edits, deletions and files as Slack’s subtypes', async () => {
    const sent = await say('frist');
    await test.simulator.edit(sent, 'first');
    await test.simulator.deleteMessage(sent);
    await test.simulator.say({
      ...inSupport,
      text: 'the list',
      files: [{ name: 'a.csv', mediaType: 'text/csv', sizeBytes: 12 }],
    });
    await expect.poll(() => test.receiver.received.length).toBe(4);
    const events = new Map(test.receiver.received.map(({ body }) => [body.event.subtype, body.event]));
    expect(events.get('message_changed')).toMatchObject({
      message: { ts: sent.ts, text: 'first', edited: { user: acme.mara } },
      previous_message: { text: 'frist' },
      hidden: true,
    });
    expect(events.get('message_deleted')).toMatchObject({
      deleted_ts: sent.ts,
      previous_message: { text: 'first' },
    });
    expect(events.get('file_share')).toMatchObject({ files: [{ name: 'a.csv', mimetype: 'text/csv' }] });
  });

  it('leaves a tombstone where the root of a thread was deleted', async () => {
    const root = await say('root');
    await say('reply', { threadTs: root.ts });
    await test.simulator.deleteMessage(root);
    await expect.poll(() => test.receiver.received.length).toBe(3);
    expect(test.receiver.received[2]?.body.event).toMatchObject({
      subtype: 'message_changed',
      message: { subtype: 'tombstone', ts: root.ts },
    });
    expect(test.simulator.messages(acme.workspaceId, acme.support, root.ts)).toHaveLength(2);
  });

  it('sends the agent’s own posts and updates back with its bot id', async () => {
    const client = test.client(acme.token);
    const posted = await client.chat.postMessage({ channel: acme.general, text: `I am <@${acme.agent}>` });
    await client.chat.update({ channel: acme.general, ts: posted.ts ?? '', text: 'changed' });
    await expect.poll(() => test.receiver.received.length).toBe(2);
    const subtypes = new Map(test.receiver.received.map(({ body }) => [body.event.subtype, body.event]));
    expect(subtypes.get(undefined)).toMatchObject({
      bot_id: 'B0ACMEADA01',
      user: acme.agent,
      type: 'message',
    });
    expect(subtypes.get('message_changed')).toMatchObject({ message: { bot_id: 'B0ACMEADA01' } });
  });

  it('gives every message of a workspace another, growing ts', async () => {
    await test.stop();
    test = await startTestSimulator({ clock: () => 1_760_000_000_000 });
    const all: string[] = [];
    for (let index = 0; index < 50; index += 1)
      all.push((await test.simulator.say({ ...inSupport, text: 'x' })).ts);
    expect(new Set(all).size).toBe(50);
    expect(all.toSorted()).toEqual(all);
  });

  it('tells when the app was removed, once, and sends nothing afterwards', async () => {
    test.simulator.setInstallation(acme.workspaceId, 'app_uninstalled');
    await expect.poll(() => types(test.receiver.received)).toEqual(['app_uninstalled']);
    await say(`<@${acme.agent}> still there?`);
    await say(`<@${globex.agent}> and you?`, {
      workspaceId: globex.workspaceId,
      channelId: globex.general,
      userId: globex.yuki,
    });
    expect(new Set(test.receiver.received.slice(1).map(({ body }) => body.team_id))).toEqual(
      new Set([globex.workspaceId]),
    );
  });

  it('shapes authorizations as an organisation-wide install and a Slack Connect channel do', async () => {
    test.simulator.addWorkspace({
      id: 'T0GRID',
      name: 'Grid',
      appId: 'A1',
      botUserId: 'UBOT',
      botId: 'BBOT',
      botToken: 'xoxb-grid',
      agentName: 'Iris',
      enterpriseId: 'E0GRID',
      orgWideInstall: true,
      users: [{ id: 'UFAR', handle: 'far', name: 'Far Away', teamId: 'T0OTHER' }],
      channels: [
        {
          id: 'CSHARED',
          name: 'shared',
          kind: 'public',
          memberIds: ['UFAR', 'UBOT'],
          externallyShared: true,
        },
      ],
      subscriptions: ['app_mention'],
    });
    await say('<@UBOT> hi', { workspaceId: 'T0GRID', channelId: 'CSHARED', userId: 'UFAR' });
    expect(test.receiver.received).toHaveLength(1);
    expect(test.receiver.received[0]?.body).toMatchObject({
      team_id: 'T0OTHER',
      context_team_id: 'T0GRID',
      context_enterprise_id: 'E0GRID',
      is_ext_shared_channel: true,
      authorizations: [{ enterprise_id: 'E0GRID', team_id: null, is_enterprise_install: true }],
      event: { type: 'app_mention', user_team: 'T0OTHER' },
    });
  });

  it('signs with a workspace’s own secret where it has one', async () => {
    const seed = test.simulator.workspaces.get(acme.workspaceId)?.seed;
    if (!seed) throw new Error('no seed');
    test.simulator.addWorkspace({ ...seed, signingSecret: 'acme-own-secret' });
    await say('hi');
    expect(test.receiver.received[0]?.signatureValid).toBe(false);
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSlackChannel } from '../../src/channels/slack/index.ts';
import type { Channel } from '../../src/core/channel.ts';
import type { ControlMessage } from '../../src/simulator/control-api.ts';
import { defaultSeeds } from '../../src/simulator/default-seeds.ts';
import type { SentMessage } from '../../src/simulator/simulator.ts';
import { systemTime } from '../../src/system-time.ts';
import { agentTexts, answerTo, ask, idle, textOf, until } from '../support/conversation.ts';
import { acme, globex } from '../support/people.ts';
import { silentLog } from '../support/silent-log.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';

let installation: Installation;
let channel: Channel;
const never = new AbortController().signal;
const token = defaultSeeds[0]?.botToken ?? '';
const access = { connectionId: 'test', externalId: acme.workspaceId, credentials: { botToken: token } };

beforeAll(async () => {
  installation = await startInstallation({ settings: { ratePerMinute: 10_000 } });
  channel = createSlackChannel({ apiUrl: installation.slackApiUrl, ...systemTime, log: silentLog });
});
afterAll(async () => {
  channel.close();
  await installation.stop();
});

const mention = {
  workspaceId: acme.workspaceId,
  channelId: acme.general,
  userId: acme.mara,
  text: `<@${acme.agent}> hello`,
};

/** A question with buttons in the thread of a message. */
async function offer(sent: SentMessage, choices: readonly string[]): Promise<SentMessage> {
  const target = { channelId: sent.channelId, threadId: sent.ts };
  const marker = { deliveryId: '4711' };
  const { messageId } = await channel.post(
    access,
    { target, markdown: 'Which **one**?', marker, choices },
    never,
  );
  return { ...sent, ts: messageId, threadTs: sent.ts };
}

function messageAt({ workspaceId, channelId, ts, threadTs }: SentMessage): ControlMessage {
  const all = installation.simulator.messages(workspaceId, channelId, threadTs ?? ts);
  const found = all.find(({ messageId }) => messageId === ts);
  if (found === undefined) throw new Error('It is not there.');
  return found;
}

const privately = (userId: string) =>
  installation.simulator
    .messages(acme.workspaceId, acme.general)
    .filter(({ visibleToUserId }) => visibleToUserId === userId)
    .map(({ text }) => text);

describe('a button', () => {
  it('says what stands on it, is answered in its thread, and shows who chose what', async () => {
    const { model, simulator } = installation;
    model.respond(() => 'Hello.');
    const { sent } = await ask(installation, mention);
    const offered = await offer(sent, ['Refund', 'Exchange & <keep>']);
    expect(messageAt(offered).choices).toEqual(['Refund', 'Exchange & <keep>']);
    model.respond(({ messages }) => `You said: ${String(messages.at(-1)?.content)}`);
    const acked = await simulator.press(offered, { userId: acme.tomas, choice: 'Exchange & <keep>' });
    expect(acked).toBe(true);
    await simulator.waitFor((message) => textOf(message).includes('You said: tomas'), 10_000);
    await idle(installation);
    expect(agentTexts(installation, sent).at(-1)).toContain('Exchange & <keep>');
    await until('the buttons are gone', () => messageAt(offered).choices?.length === 0);
    const stored = simulator.workspaces.get(acme.workspaceId)?.channels.get(acme.general)?.messages;
    const blocks = JSON.stringify(stored?.get(offered.ts)?.blocks);
    expect(blocks).toContain(`✓ Exchange &amp; &lt;keep&gt; · <@${acme.tomas}>`);
    expect(blocks).toContain('Which **one**?');
    // It is found by its marker as before.
    expect(messageAt(offered).metadata).toEqual({
      eventType: 'konstruct_delivery',
      payload: { delivery_id: '4711' },
    });
  });

  it('in a direct conversation is answered there', async () => {
    installation.model.respond(() => 'Hello.');
    const { sent } = await ask(installation, { ...mention, channelId: acme.directMara, text: 'hello' });
    const offered = await offer(sent, ['Yes']);
    installation.model.respond(() => 'Good.');
    await installation.simulator.press(offered, { userId: acme.mara, choice: 'Yes' });
    await installation.simulator.waitFor(
      (message) => message.channelId === acme.directMara && textOf(message) === 'Good.',
      10_000,
    );
  });

  it('that an edit takes away is not there any more', async () => {
    const sent = await installation.simulator.say({ ...mention, text: 'no mention' });
    const offered = await offer(sent, ['Yes']);
    const target = { channelId: sent.channelId, threadId: sent.ts };
    const edit = { target, messageId: offered.ts, markdown: 'Never mind.', marker: { deliveryId: '4711' } };
    await channel.edit(access, edit, never);
    expect(messageAt(offered)).toMatchObject({ choices: [], markdown: 'Never mind.' });
    await channel.edit(access, { ...edit, choices: ['Again'] }, never);
    expect(messageAt(offered).choices).toEqual(['Again']);
  });

  it('speaks for its workspace only: the path and secret of another connection do not carry it', async () => {
    const { tenants, simulator, query } = installation;
    const sent = await simulator.say({ ...mention, text: 'no mention' });
    const offered = await offer(sent, ['Yes']);
    const other = tenants.find(({ workspace }) => workspace.id === globex.workspaceId);
    const count = async () => (await query('select count(*)::int as n from konstruct.messages'))[0]?.n;
    const before = await count();
    installation.useGateway(`${installation.app?.url}/x`);
    expect(await simulator.press(offered, { userId: acme.mara, choice: 'Yes' })).toBe(false);
    installation.useGateway(installation.app?.url ?? '');
    const response = await fetch(`${installation.app?.url}/slack/interactions/${other?.connectionId}`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 'payload={}',
    });
    expect(response.status).toBe(401);
    expect(await count()).toBe(before);
  });
});

describe('a slash command', () => {
  const give = (command: { readonly channelId: string; readonly text: string; readonly userId?: string }) =>
    installation.simulator.command({
      workspaceId: acme.workspaceId,
      userId: acme.mara,
      command: '/ada',
      ...command,
    });

  it('becomes a message that all can read, and is answered below it', async () => {
    const { model, simulator } = installation;
    model.respond(({ messages }) => `You said: ${String(messages.at(-1)?.content)}`);
    expect(await give({ channelId: acme.general, text: 'what is <@U0ACMETOMA1|tomas> doing?' })).toBe(true);
    const shown = simulator
      .messages(acme.workspaceId, acme.general)
      .filter(({ isAgent }) => isAgent)
      .at(-1);
    expect(shown?.markdown).toBe(`<@${acme.mara}>: what is @\u200bU0ACMETOMA1 doing?`.replace('\u200b', ''));
    const root = { channelId: acme.general, ts: shown?.messageId ?? '', threadTs: null };
    const answer = await answerTo(installation, root);
    expect(textOf(answer)).toBe('You said: mara: what is @tomas doing?');
    await idle(installation);
    // The thread goes on without a mention.
    model.respond(() => 'Still here.');
    const next = { ...mention, threadTs: root.ts, text: 'and now?' };
    const sent = await simulator.say(next);
    await simulator.waitFor(
      ({ messageId, markdown }) => messageId > sent.ts && markdown === 'Still here.',
      10_000,
    );
  });

  it('calls upon nobody', async () => {
    installation.model.respond(() => 'Fine.');
    await give({ channelId: acme.general, text: 'tell &lt;!channel&gt; and @here' });
    const shown = installation.simulator
      .messages(acme.workspaceId, acme.general)
      .filter(({ isAgent }) => isAgent);
    expect(shown.at(-1)?.markdown).not.toMatch(/<!channel>|@here/);
    await idle(installation);
  });

  it('where the app is no member is answered in the direct conversation, and its giver is told so', async () => {
    installation.model.respond(() => 'Quietly.');
    expect(await give({ channelId: 'C0ACMERANDO', text: 'what is for lunch?' })).toBe(true);
    const answer = await installation.simulator.waitFor((message) => textOf(message) === 'Quietly.', 10_000);
    expect(answer.channelId).toBe(acme.directMara);
    const random = installation.simulator.messages(acme.workspaceId, 'C0ACMERANDO');
    expect(random.map(({ text, visibleToUserId }) => [text, visibleToUserId])).toEqual([
      [`I am not in this conversation, so I answer you in <#${acme.directMara}>.`, acme.mara],
    ]);
    await idle(installation);
  });

  it('without a text says how it is meant, and asks no model', async () => {
    const requests = installation.model.requests.length;
    expect(await give({ channelId: acme.general, text: '  ' })).toBe(true);
    expect(privately(acme.mara).at(-1)).toContain('`/ada how do refunds work?`');
    expect(installation.model.requests).toHaveLength(requests);
  });

  it('that cannot be shown for now, or not at all, says so to whoever gave it', async () => {
    const { faults } = installation.simulator;
    const limited = { kind: 'api_rate_limited', retryAfterSeconds: 60, method: 'chat.postMessage' } as const;
    faults.add({ ...limited, workspaceId: acme.workspaceId, remaining: 1 });
    expect(await give({ channelId: acme.general, text: 'busy?' })).toBe(true);
    expect(privately(acme.mara).at(-1)).toContain('too much going on');
  });

  it('of which nobody knows whether it stands there is not acked', async () => {
    const fresh = await startInstallation({ settings: { ratePerMinute: 10_000 } });
    try {
      const fault = { kind: 'api_cut_after', method: 'chat.postMessage', remaining: 1 } as const;
      fresh.simulator.faults.add(fault);
      const command = { workspaceId: acme.workspaceId, channelId: acme.general, userId: acme.mara };
      expect(await fresh.simulator.command({ ...command, command: '/ada', text: 'there?' })).toBe(false);
      expect(fresh.model.requests).toEqual([]);
    } finally {
      await fresh.stop();
    }
  });
});

describe('over a socket', () => {
  it('a command that Slack repeats because its ack was lost is shown and answered once', async () => {
    const appToken = 'xapp-1-shared';
    const fresh = await startInstallation({
      settings: { ratePerMinute: 10_000 },
      app: null,
      simulator: { appToken, eventsUrl: 'http://127.0.0.1:1/nowhere', retryDelaysMs: [100, 200] },
    });
    try {
      await fresh.startApp({ slack: { signingSecret: null, appToken, apiUrl: fresh.slackApiUrl } });
      await until('there are sockets', () => fresh.simulator.sockets.count(appToken) === 2);
      fresh.model.respond(() => 'Once.');
      fresh.simulator.faults.add({ kind: 'event_ack_lost', remaining: 1 });
      const command = { workspaceId: acme.workspaceId, channelId: acme.general, userId: acme.mara };
      expect(await fresh.simulator.command({ ...command, command: '/ada', text: 'once?' })).toBe(true);
      await fresh.simulator.waitFor((message) => textOf(message) === 'Once.', 10_000);
      await idle(fresh);
      const shown = fresh.simulator.messages(acme.workspaceId, acme.general);
      expect(shown.map(({ markdown }) => markdown)).toEqual([`<@${acme.mara}>: once?`]);
      expect(fresh.model.requests).toHaveLength(1);
    } finally {
      await fresh.stop();
    }
  });
});

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TestSimulator } from '../../test/support/simulator/start-test-simulator.ts';
import { acme, startTestSimulator } from '../../test/support/simulator/start-test-simulator.ts';

let test: TestSimulator;
beforeEach(async () => {
  test = await startTestSimulator();
});
afterEach(() => test.stop());

const inSupport = { workspaceId: acme.workspaceId, channelId: acme.support, userId: acme.mara };

describe('createSimulator', () => {
  it('waits for a message that is still to come, or to be edited', async () => {
    const client = test.client(acme.token);
    const waiting = test.simulator.waitFor(({ text }) => text === 'the answer', 2_000);
    const { ts = '' } = await client.chat.postMessage({ channel: acme.support, text: 'Thinking…' });
    await client.chat.update({ channel: acme.support, ts, text: 'the answer' });
    expect(await waiting).toMatchObject({ messageId: ts, isAgent: true });
    expect(await test.simulator.waitFor(({ messageId }) => messageId === ts, 1)).toMatchObject({
      text: 'the answer',
    });
  });

  it('gives up waiting at the deadline, on abort and when it stops', async () => {
    const never = () => false;
    await expect(test.simulator.waitFor(never, 20)).rejects.toMatchObject({ code: 'timeout' });
    await expect(test.simulator.waitFor(never, 5_000, AbortSignal.timeout(20))).rejects.toMatchObject({
      code: 'stopped',
    });
    const waiting = expect(test.simulator.waitFor(never, 5_000)).rejects.toMatchObject({ code: 'stopped' });
    await test.simulator.stop();
    await waiting;
  });

  it('refuses unknown workspaces, channels and people', async () => {
    const say = (change: object) => test.simulator.say({ ...inSupport, text: 'x', ...change });
    for (const change of [{ workspaceId: 'T' }, { channelId: 'C' }, { userId: 'U' }]) {
      await expect(say(change)).rejects.toMatchObject({ code: 'not_found' });
    }
  });

  it('ends what is under way when it stops', async () => {
    test.receiver.answers.push({ delayMs: 60_000 });
    const sent = await test.simulator.say({ ...inSupport, text: 'x' });
    await expect.poll(() => test.receiver.received.length).toBe(1);
    await test.simulator.stop();
    expect(await sent.acked).toBe(false);
  });

  it('lets another app’s bot speak, as a bot', async () => {
    const seed = test.simulator.workspaces.get(acme.workspaceId)?.seed;
    if (!seed) throw new Error('no seed');
    const robot = {
      id: 'UROBOT',
      handle: 'deploys',
      name: 'Deploys',
      bot: { botId: 'BROBOT', appId: 'AROBOT' },
    };
    test.simulator.addWorkspace({ ...seed, users: [...seed.users, robot] });
    const text = `<@${acme.agent}> build is red`;
    await (await test.simulator.say({ ...inSupport, userId: robot.id, text })).acked;
    expect(test.receiver.received).toHaveLength(2);
    for (const { body } of test.receiver.received) {
      expect(body.event).toMatchObject({ bot_id: 'BROBOT', app_id: 'AROBOT' });
      expect(body.event).not.toHaveProperty('client_msg_id');
    }
  });

  it('invites the agent to a channel without losing what was said there', async () => {
    const seed = test.simulator.workspaces.get(acme.workspaceId)?.seed;
    if (!seed) throw new Error('no seed');
    const place = { ...inSupport, channelId: acme.random };
    await test.simulator.say({ ...place, text: 'before' });
    const channels = seed.channels.map((channel) => ({
      ...channel,
      memberIds: [...channel.memberIds, acme.agent],
    }));
    test.simulator.addWorkspace({ ...seed, channels });
    await (await test.simulator.say({ ...place, text: 'after' })).acked;
    expect(test.receiver.received.map(({ body }) => body.event.text)).toEqual(['after']);
    expect(test.simulator.messages(acme.workspaceId, acme.random)).toHaveLength(2);
  });

  it('fires any event', async () => {
    const event = { type: 'assistant_thread_started', assistant_thread: { user_id: acme.mara } };
    expect(await test.simulator.fire(acme.workspaceId, event, acme.dm)).toBe(true);
    expect(test.receiver.received[0]?.body.event).toEqual(event);
  });
});

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TestSimulator } from '../../test/support/simulator/start-test-simulator.ts';
import { acme, globex, startTestSimulator } from '../../test/support/simulator/start-test-simulator.ts';
import type { ControlMessage, MessageResponse, MessagesResponse, PressResponse } from './control-api.ts';

let test: TestSimulator;
beforeEach(async () => {
  test = await startTestSimulator();
});
afterEach(() => test.stop());

const channelPath = `control/workspaces/${acme.workspaceId}/channels/${acme.support}`;

async function call<T>(method: string, path: string, body?: unknown) {
  const response = await fetch(`${test.server.url}/${path}`, {
    method,
    ...(body !== undefined && {
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    }),
  });
  const text = await response.text();
  return { status: response.status, body: (text === '' ? null : JSON.parse(text)) as T };
}

const blocks = [
  { type: 'markdown', text: 'Which **day**?' },
  {
    type: 'actions',
    block_id: 'days',
    elements: ['Monday', 'Tuesday'].map((text, index) => ({
      type: 'button',
      action_id: `day_${index}`,
      text: { type: 'plain_text', text },
      value: text.toLowerCase(),
      ...(index === 1 && { style: 'primary' as const }),
    })),
  },
];

/** A question with buttons, in a thread. */
async function ask(): Promise<{ readonly root: string; readonly question: ControlMessage }> {
  const client = test.client(acme.token);
  const { ts: root = '' } = await client.chat.postMessage({ channel: acme.support, text: 'root' });
  const { ts = '' } = await client.chat.postMessage({
    channel: acme.support,
    thread_ts: root,
    text: 'Which day?',
    blocks,
  });
  return { root, question: await messageOf(root, ts) };
}

async function messageOf(threadId: string, messageId: string): Promise<ControlMessage> {
  const { body } = await call<MessagesResponse>('GET', `${channelPath}/messages?threadId=${threadId}`);
  return body.messages.find((message) => message.messageId === messageId) as ControlMessage;
}

const press = (messageId: string, change: object = {}) =>
  call<PressResponse>('POST', `${channelPath}/messages/${messageId}/presses`, {
    userId: acme.mara,
    blockId: 'days',
    actionId: 'day_1',
    ...change,
  });
const lastInteraction = () => test.receiver.received.findLast(({ path }) => path === '/slack/interactions');

describe('a button', () => {
  it('is shown, and pressing it sends the app what Slack sends, signed', async () => {
    const { root, question } = await ask();
    expect(question.buttons).toEqual([
      { blockId: 'days', actionId: 'day_0', text: 'Monday', style: null },
      { blockId: 'days', actionId: 'day_1', text: 'Tuesday', style: 'primary' },
    ]);
    expect(await press(question.messageId)).toEqual({ status: 200, body: { acked: true } });
    const got = lastInteraction();
    expect(got?.signatureValid).toBe(true);
    expect(got?.headers['content-type']).toBe('application/x-www-form-urlencoded');
    expect(got?.body).toMatchObject({
      type: 'block_actions',
      api_app_id: expect.stringMatching(/^A/),
      team: { id: acme.workspaceId },
      user: { id: acme.mara, username: 'mara' },
      channel: { id: acme.support },
      container: {
        type: 'message',
        message_ts: question.messageId,
        channel_id: acme.support,
        thread_ts: root,
        is_ephemeral: false,
      },
      trigger_id: expect.any(String),
      response_url: expect.stringContaining(`${test.server.url}/response/`),
      message: { ts: question.messageId, thread_ts: root, blocks },
      actions: [{ type: 'button', block_id: 'days', action_id: 'day_1', value: 'tuesday', style: 'primary' }],
    });
  });

  it('says so when the app does not take it, and is not repeated: somebody is looking', async () => {
    const { question } = await ask();
    test.receiver.answers.push({ status: 500 });
    const before = test.receiver.received.length;
    expect((await press(question.messageId)).body).toEqual({ acked: false });
    expect(test.receiver.received.length).toBe(before + 1);
  });

  it('can be pressed by people of the channel, while it is there', async () => {
    const { root, question } = await ask();
    expect((await press(question.messageId, { userId: acme.agent })).status).toBe(400);
    expect((await press(question.messageId, { userId: globex.yuki })).status).toBe(400);
    expect((await press(question.messageId, { actionId: 'day_7' })).status).toBe(404);
    const client = test.client(acme.token);
    const note = { type: 'context', elements: [{ type: 'mrkdwn', text: `✓ Tuesday · <@${acme.mara}>` }] };
    await client.chat.update({
      channel: acme.support,
      ts: question.messageId,
      text: 'Which day?',
      blocks: [blocks[0], note] as never,
    });
    expect((await press(question.messageId)).status).toBe(404);
    expect(await messageOf(root, question.messageId)).toMatchObject({
      markdown: 'Which **day**?',
      buttons: [],
      notes: [`✓ Tuesday · <@${acme.mara}>`],
    });
  });

  it('below what only one person sees brings the app the place, and no message', async () => {
    await test.client(acme.token).chat.postEphemeral({
      channel: acme.support,
      user: acme.mara,
      text: 'Which day?',
      blocks,
    });
    const { body } = await call<MessagesResponse>('GET', `${channelPath}/messages`);
    const { messageId = '' } = body.messages.at(-1) ?? {};
    await press(messageId);
    expect(lastInteraction()?.body).toMatchObject({ container: { is_ephemeral: true } });
    expect(lastInteraction()?.body).not.toHaveProperty('message');
  });
});

describe('the address that comes with a press', () => {
  const answer = async (said: object): Promise<number> => {
    const address = String(lastInteraction()?.body.response_url);
    const headers = { 'content-type': 'application/json' };
    return (await fetch(address, { method: 'POST', headers, body: JSON.stringify(said) })).status;
  };

  it('replaces the message, says something in its thread to one person, and takes it away', async () => {
    const { root, question } = await ask();
    await press(question.messageId);
    expect(await answer({ replace_original: true, text: 'Tuesday it is.' })).toBe(200);
    expect(await messageOf(root, question.messageId)).toMatchObject({ text: 'Tuesday it is.', buttons: [] });
    expect(await answer({ text: 'Noted.', thread_ts: root })).toBe(200);
    const { messages } = (await call<MessagesResponse>('GET', `${channelPath}/messages?threadId=${root}`))
      .body;
    expect(messages.at(-1)).toMatchObject({ text: 'Noted.', visibleToUserId: acme.mara });
    // Nobody else is told that there is something.
    expect(messages[0]).toMatchObject({ replyCount: 1 });
    expect(await answer({ delete_original: true })).toBe(200);
    expect(await messageOf(root, question.messageId)).toBeUndefined();
  });
});

it('nobody can react to what only one person sees', async () => {
  await test.client(acme.token).chat.postEphemeral({ channel: acme.support, user: acme.mara, text: 'psst' });
  const { body } = await call<MessagesResponse>('GET', `${channelPath}/messages`);
  const path = `${channelPath}/messages/${body.messages.at(-1)?.messageId}`;
  const reaction = { userId: acme.mara, name: '+1', present: true };
  expect((await call<MessageResponse>('POST', `${path}/reactions`, reaction)).status).toBe(400);
  expect((await call('DELETE', path)).status).toBe(204);
  expect(test.receiver.received).toEqual([]);
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../support/conversation.ts';
import type { Channel, Post } from '../support/mattermost/mattermost-world.ts';
import {
  type MattermostInstallation,
  startMattermostInstallation,
} from '../support/mattermost/start-mattermost-installation.ts';
import { callTools } from '../support/tool-calls.ts';

let installation: MattermostInstallation;
beforeAll(async () => {
  installation = await startMattermostInstallation();
});
afterAll(() => installation.stop());

async function asked(channel: Channel, text: string): Promise<Post> {
  const { server, mara, answerTo, idle } = installation;
  const sent = await server.say(channel, { from: mara, text });
  const answer = await answerTo(sent);
  await idle();
  return answer;
}

describe('a button', () => {
  const days = ['Monday', 'Tuesday'];

  it('is pressed: its words are said in the conversation, once, and the buttons go', async () => {
    const { server, model, newChannel, tomas } = installation;
    const channel = newChannel();
    model.respondNext(callTools(['offer_choices', { choices: days }]), 'Which day?');
    const question = await asked(channel, '@ada when?');
    expect(question.message).toBe('Which day?');
    model.respond(() => 'Noted.');
    const pressed = await Promise.all([
      server.press(question, tomas, 'Tuesday'),
      server.press(question, tomas, 'Tuesday'),
    ]);
    expect(pressed).toEqual([200, 200]);
    await until('it is answered', () => installation.texts(channel).includes('Noted.'));
    await installation.idle();
    expect(installation.lastPrompt()?.at(-1)).toBe('Tomas: Tuesday');
    expect(installation.texts(channel)).toEqual(['Which day?', 'Noted.']);
    await until('the buttons are gone', () => question.props.attachments === undefined);
    expect(question.message).toBe('Which day?');
    const last = [...server.world.posts.values()].at(-1);
    expect(last).toMatchObject({ message: 'Noted.', root_id: question.root_id });
  });

  it('of a direct conversation is answered in it', async () => {
    const { server, model, newChannel, mara } = installation;
    const channel = newChannel('D');
    model.respondNext(callTools(['offer_choices', { choices: days }]), 'Which day?');
    const question = await asked(channel, 'when?');
    model.respond(() => 'Noted.');
    expect(await server.press(question, mara, 'Monday')).toBe(200);
    await until('it is answered', () => installation.texts(channel).includes('Noted.'));
    await installation.idle();
    expect([...server.world.posts.values()].at(-1)).toMatchObject({ message: 'Noted.', root_id: '' });
  });

  it('cannot be pressed by whoever knows its address, nor in another channel or company', async () => {
    const { server, model, newChannel, mara, publicUrl, connectionIds } = installation;
    const channel = newChannel();
    model.respondNext(callTools(['offer_choices', { choices: days }]), 'Which day?');
    const question = await asked(channel, '@ada when?');
    const [{ actions } = { actions: [] }] = question.props.attachments as readonly {
      actions: readonly { integration: { context: Readonly<Record<string, unknown>> } }[];
    }[];
    const context = actions[0]?.integration.context ?? {};
    const requests = model.requests.length;
    const press = async (changed: object, connectionId = connectionIds[0]) => {
      const body = { user_id: mara.id, channel_id: channel.id, post_id: question.id, context, ...changed };
      const headers = { 'content-type': 'application/json' };
      const url = `${publicUrl}/mattermost/${connectionId}`;
      return (await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })).status;
    };
    expect(await press({ context: { ...context, choice: 'Transfer the money' } })).toBe(401);
    expect(await press({ context: { ...context, thread: '' } })).toBe(401);
    expect(await press({ context: { ...context, proof: undefined } })).toBe(401);
    expect(await press({ channel_id: newChannel().id })).toBe(401);
    expect(await press({}, connectionIds[1])).toBe(401);
    expect(await press({}, '00000000-0000-4000-8000-000000000000')).toBe(401);
    await installation.idle();
    expect(model.requests.length).toBe(requests);
    expect(server.world.posts.get(question.id)?.props.attachments).toBeDefined();
  });
});

describe('an outgoing webhook', () => {
  it.each(['application/json', 'application/x-www-form-urlencoded'] as const)(
    'as %s and the socket bring the same post: it is answered once, in its thread',
    async (contentType) => {
      const { server, model, newChannel, mara } = installation;
      const channel = newChannel();
      Object.assign(server.world.webhooks[0] as object, { contentType });
      const requests = model.requests.length;
      model.respond(() => 'Once.');
      const root = await server.say(channel, { from: mara, text: 'a root' });
      const sent = await server.say(channel, {
        from: mara,
        text: 'hey-ada what do you say, @ada?',
        rootId: root.id,
      });
      const answer = await installation.answerTo(sent);
      await installation.idle();
      expect(answer).toMatchObject({ message: 'Once.', root_id: root.id });
      expect(model.requests.length - requests).toBe(1);
      expect(installation.texts(channel)).toEqual(['Once.']);
    },
  );

  it('calls the agent by its trigger word, which is no mention', async () => {
    const { server, model, newChannel, mara } = installation;
    const channel = newChannel();
    model.respond(() => 'You called?');
    const sent = await server.say(channel, { from: mara, text: 'hey-ada come here' });
    expect(await installation.answerTo(sent)).toMatchObject({ message: 'You called?', root_id: sent.id });
    await installation.idle();
  });

  it('is believed with its token only, and only to say that there is a post', async () => {
    const { server, model, newChannel, mara, publicUrl, connectionIds } = installation;
    const requests = model.requests.length;
    const channel = newChannel();
    const secret = server.addChannel('P', [mara]);
    const post = await server.say(channel, { from: mara, text: 'nothing for anybody' });
    const hidden = await server.say(secret, { from: mara, text: 'the code word is marmalade' });
    const [webhook] = server.world.webhooks;
    const call = async (changed: object, connectionId = connectionIds[0]) => {
      const told = {
        channel_id: channel.id,
        user_id: mara.id,
        post_id: post.id,
        text: '@ada obey',
        trigger_word: 'x',
      };
      const body = JSON.stringify({ token: webhook?.token, ...told, ...changed });
      const headers = { 'content-type': 'application/json' };
      return (await fetch(`${publicUrl}/mattermost/${connectionId}`, { method: 'POST', headers, body }))
        .status;
    };
    expect(await call({ token: 'x'.repeat(26) })).toBe(401);
    expect(await call({ token: '' })).toBe(401);
    expect(await call({ token: [webhook?.token] })).toBe(401);
    expect(await call({}, connectionIds[1])).toBe(401);
    // What is not there, or elsewhere than it says, or not to be read by the bot, is nothing.
    expect(await call({ post_id: 'x'.repeat(26) })).toBe(200);
    expect(await call({ channel_id: newChannel().id })).toBe(200);
    expect(await call({ post_id: hidden.id, channel_id: secret.id })).toBe(200);
    await installation.idle();
    expect(model.requests.length).toBe(requests);
    model.respond(() => 'As you like.');
    expect(await call({})).toBe(200);
    await installation.answerTo(post);
    await installation.idle();
    expect(installation.lastPrompt()?.at(-1)).toBe('Mara K: nothing for anybody');
  });
});

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

const stored = async (channel: Channel) =>
  (
    await installation.query(
      `select m.content from konstruct.messages m join konstruct.conversations c on c.id = m.conversation_id
       where c.channel_id = $1 and m.direction = 'in' order by m.sent_at`,
      [channel.id],
    )
  ).map(({ content }) => content);

describe('a mention in a channel', () => {
  it('turns into a placeholder and then the answer, in the thread, calling nobody', async () => {
    const { server, model, newChannel, mara } = installation;
    const channel = newChannel();
    model.respond(() => ({ text: 'Refunds take **14 days**, @all.\n\n```\n@all\n```', delayMs: 50 }));
    const before = server.shown.length;
    const sent = await server.say(channel, { from: mara, text: '@Ada, can you check the refund policy?' });
    const answer = await installation.answerTo(sent);
    await installation.idle();
    expect(answer).toMatchObject({
      root_id: sent.id,
      message: 'Refunds take **14 days**, @\u200ball.\n\n```\n@all\n```',
    });
    expect(server.shown.slice(before).map(({ message }) => message)).toEqual([
      sent.message,
      'Thinking…',
      answer.message,
    ]);
    expect(installation.lastPrompt()?.at(-1)).toBe('Mara K: can you check the refund policy?');
    expect(JSON.stringify(model.requests.at(-1)?.body)).toMatch(/Mattermost/);
  });

  it('goes on with the conversation of its thread, without a mention while it is engaged', async () => {
    const { model, newChannel, query } = installation;
    const channel = newChannel('P');
    model.respond(() => 'Paris.');
    const first = await asked(channel, '@ada what is the capital of France?');
    model.respond(() => 'Big.');
    await installation.server.say(channel, {
      from: installation.tomas,
      text: 'and how big is it?',
      rootId: first.root_id,
    });
    await until('it is answered', () => installation.texts(channel).includes('Big.'));
    await installation.idle();
    expect(installation.lastPrompt()).toEqual([
      'Mara K: what is the capital of France?',
      'Paris.',
      'Tomas: and how big is it?',
    ]);
    const rows = await query('select thread_id from konstruct.conversations where channel_id = $1', [
      channel.id,
    ]);
    expect(rows).toEqual([{ thread_id: first.root_id }]);
  });

  it('is what it takes: what is not for the agent, and what no person says, is not stored', async () => {
    const { server, model, newChannel, mara, tomas, ada } = installation;
    const channel = newChannel();
    const requests = model.requests.length;
    const bot = server.addUser({ username: 'other-bot', is_bot: true });
    channel.members.add(bot.id);
    await server.say(channel, { from: mara, text: 'Anybody for lunch?' });
    await server.say(channel, { from: mara, text: 'Look at `@ada` and @adam and @channel' });
    await server.say(channel, { from: bot, text: '@ada hello' });
    await server.say(channel, { from: tomas, text: '@ada hello', props: { from_webhook: 'true' } });
    await server.say(channel, { from: tomas, text: '@ada joined', type: 'system_join_channel' });
    await server.say(channel, { from: ada, text: '@ada myself' });
    model.respond(() => 'Here.');
    await asked(channel, '@ada are you there?');
    expect(model.requests.length - requests).toBe(1);
    expect(await stored(channel)).toEqual(['are you there?']);
  });

  it('is told from that of somebody whose name begins alike', async () => {
    const { model, newChannel } = installation;
    const channel = newChannel();
    model.respond(() => 'Noted.');
    await asked(channel, '@ada please ask @ada.lovelace.');
    expect(installation.lastPrompt()?.at(-1)).toBe('Mara K: please ask @ada.lovelace.');
  });
});

describe('a direct conversation', () => {
  it('is one conversation, answered without a mention and not in threads', async () => {
    const { model, newChannel, query } = installation;
    const channel = newChannel('D');
    model.respond(({ messages }) => `Heard ${messages.length}`);
    expect(await asked(channel, 'hello')).toMatchObject({ message: 'Heard 1', root_id: '' });
    const second = await asked(channel, 'hello again');
    expect(second.root_id).toBe('');
    expect(installation.texts(channel)).toEqual(['Heard 1', 'Heard 3']);
    const rows = await query('select thread_id, scope from konstruct.conversations where channel_id = $1', [
      channel.id,
    ]);
    expect(rows).toEqual([{ thread_id: '', scope: 'direct' }]);
  });

  it('has threads of its own where somebody begins one', async () => {
    const { model, newChannel, server, mara } = installation;
    const channel = newChannel('D');
    model.respond(() => 'First.');
    const root = await server.say(channel, { from: mara, text: 'one' });
    await installation.answerTo(root);
    await installation.idle();
    model.respond(() => 'In the thread.');
    await server.say(channel, { from: mara, text: 'about that', rootId: root.id });
    await until('it is answered', () => installation.texts(channel).includes('In the thread.'));
    await installation.idle();
    const answer = [...server.world.posts.values()].find(({ message }) => message === 'In the thread.');
    expect(answer?.root_id).toBe(root.id);
  });

  it('of several is for the agent when it is mentioned', async () => {
    const { model, newChannel, query, server, tomas } = installation;
    const channel = newChannel('G');
    model.respond(() => 'Yes.');
    await server.say(channel, { from: tomas, text: 'among ourselves' });
    await asked(channel, '@ada and you?');
    expect(await stored(channel)).toEqual(['and you?']);
    const rows = await query('select scope from konstruct.conversations where channel_id = $1', [channel.id]);
    expect(rows).toEqual([{ scope: 'group' }]);
  });
});

describe('a post that was changed', () => {
  it('says what it says now, while it waits', async () => {
    const { server, model, newChannel, mara } = installation;
    const channel = newChannel('D');
    model.respond(() => ({ text: 'First.', delayMs: 400 }));
    const requests = model.requests.length;
    await server.say(channel, { from: mara, text: 'one' });
    await until('the model works', () => model.requests.length > requests);
    const second = await server.say(channel, { from: mara, text: 'tow' });
    server.edit(second, 'two');
    server.pin(second);
    model.respond(() => 'Second.');
    await installation.idle();
    await until('both are answered', () => installation.texts(channel).length === 2);
    expect(JSON.stringify(model.requests.at(-1)?.messages)).toContain('two');
    expect(JSON.stringify(model.requests.at(-1)?.messages)).not.toContain('tow');
  });

  it('and one that was taken away are not answered any more', async () => {
    const { server, model, newChannel, mara } = installation;
    const channel = newChannel('D');
    model.respond(() => ({ text: 'First.', delayMs: 400 }));
    const requests = model.requests.length;
    await server.say(channel, { from: mara, text: 'one' });
    await until('the model works', () => model.requests.length > requests);
    const second = await server.say(channel, { from: mara, text: 'never mind' });
    await until('it is stored', async () => (await stored(channel)).includes('never mind'));
    server.remove(second);
    await installation.idle();
    await until('the first is answered', () => installation.texts(channel).includes('First.'));
    expect(model.requests.length - requests).toBe(1);
  });
});

describe('a reaction', () => {
  it('with a stop sign ends the turn', async () => {
    const { server, model, newChannel, mara, query } = installation;
    const channel = newChannel();
    model.respond(() => ({ text: 'Too late.', delayMs: 5_000 }));
    const sent = await server.say(channel, { from: mara, text: '@ada a long story, please' });
    await until('the placeholder is on record', async () => {
      const rows = await query(
        `select 1 from konstruct.deliveries where channel_id = $1 and external_id is not null`,
        [channel.id],
      );
      return rows.length === 1;
    });
    server.react(sent, mara, 'octagonal_sign');
    await installation.idle();
    expect(installation.texts(channel)).not.toContain('Too late.');
    expect(installation.texts(channel)).not.toContain('Thinking…');
  });

  it('with a thumb is an opinion of the answer, and of nobody’s but a person’s', async () => {
    const { server, model, newChannel, mara, query } = installation;
    const channel = newChannel();
    const bot = server.addUser({ username: 'voting-bot', is_bot: true });
    channel.members.add(bot.id);
    model.respond(() => 'Good answer.');
    const answer = await asked(channel, '@ada say something good');
    server.react(answer, bot, '-1');
    server.react(answer, mara, '+1_medium_skin_tone');
    const verdicts = () =>
      query(
        `select f.verdict, f.person_id from konstruct.feedback f join konstruct.deliveries d on d.turn_id = f.turn_id
         where d.external_id = $1 and d.kind = 'answer' and f.verdict is not null`,
        [answer.id],
      );
    await until('it is kept', async () => (await verdicts()).length > 0);
    expect(await verdicts()).toEqual([{ verdict: 'up', person_id: mara.id }]);
    server.react(answer, mara, '+1_medium_skin_tone', false);
    await until('it is taken back', async () => (await verdicts()).length === 0);
  });
});

describe('files', () => {
  it('that people attach are read, and what the agent makes is attached to the thread', async () => {
    const { server, model, newChannel, mara } = installation;
    const channel = newChannel();
    const fileId = server.addFile(channel, mara, 'table.csv', 'text/csv', Buffer.from('a,b\n1,2\n'));
    model.respondNext(
      callTools(['attach_file', { name: 'sum.csv', content: 'sum\n3\n' }]),
      'The sum is attached.',
    );
    const sent = await server.say(channel, { from: mara, text: '@ada add these', fileIds: [fileId] });
    await installation.answerTo(sent);
    await until('the file is there', () =>
      [...server.world.posts.values()].some(
        ({ file_ids, root_id }) => file_ids.length > 0 && root_id === sent.id,
      ),
    );
    await installation.idle();
    expect(JSON.stringify(model.requests.at(-1)?.messages)).toContain('table.csv (text/csv); its content:');
    const posted = [...server.world.posts.values()].at(-1);
    const file = server.world.files.get(posted?.file_ids[0] ?? '');
    expect([file?.name, file?.content.toString()]).toEqual(['sum.csv', 'sum\n3\n']);
  });
});

describe('a send of unknown outcome', () => {
  it('is looked for by its marker: one placeholder, one answer', async () => {
    const { server, model, newChannel, mara } = installation;
    for (const type of ['O', 'D'] as const) {
      const channel = newChannel(type);
      model.respond(() => 'Only once.');
      server.faults.push({ call: 'POST /posts', kind: 'cut_after', remaining: 1 });
      const sent = await server.say(channel, { from: mara, text: '@ada hello' });
      await installation.answerTo(sent);
      await installation.idle();
      expect(installation.texts(channel), type).toEqual(['Only once.']);
    }
  });

  it('of the answer, whose placeholder somebody took away, is one answer too', async () => {
    const { server, model, newChannel, mara } = installation;
    const channel = newChannel();
    model.respond(() => ({ text: 'Written anew.', delayMs: 300 }));
    const sent = await server.say(channel, { from: mara, text: '@ada hello' });
    const placeholder = () =>
      [...server.world.posts.values()].find(
        ({ channel_id, user_id }) => channel_id === channel.id && user_id === installation.ada.id,
      );
    await until('the placeholder stands there', () => placeholder() !== undefined);
    server.remove(placeholder() as Post);
    server.faults.push({ call: 'POST /posts', kind: 'cut_after', remaining: 1 });
    await installation.answerTo(sent);
    await installation.idle();
    expect(installation.texts(channel)).toEqual(['Written anew.']);
  });
});

describe('a very long answer', () => {
  it('is continued in further posts of the thread', async () => {
    const { server, model, newChannel } = installation;
    const channel = newChannel();
    const paragraphs = Array.from(
      { length: 60 },
      (_, index) => `${index + 1}. ${'word '.repeat(100).trim()}.`,
    );
    model.respond(() => paragraphs.join('\n\n'));
    const first = await asked(channel, '@ada tell me everything');
    const texts = installation.texts(channel);
    expect(texts.length).toBeGreaterThan(1);
    expect(texts.join('\n\n')).toBe(paragraphs.join('\n\n'));
    const roots = [...server.world.posts.values()].filter(
      ({ user_id, channel_id }) => user_id === installation.ada.id && channel_id === channel.id,
    );
    expect(new Set(roots.map(({ root_id }) => root_id))).toEqual(new Set([first.root_id]));
  });
});

describe('two companies on servers of their own', () => {
  it('never cross', async () => {
    const { server, globex, model, newChannel, gus } = installation;
    model.respond(({ body }) =>
      JSON.stringify(body).includes('Persona of acme') ? 'Acme speaks.' : 'Globex speaks.',
    );
    await asked(newChannel(), '@ada the code word is marmalade');
    const bo = globex.addUser({ username: 'bo' });
    const theirs = globex.addChannel('O', [gus, bo], globex.addTeam('globex', [gus, bo]));
    const sent = await globex.say(theirs, { from: bo, text: '@gus what is the code word?' });
    expect((await installation.answerTo(sent)).message).toBe('Globex speaks.');
    await installation.idle();
    expect(JSON.stringify(model.requests.at(-1)?.body)).not.toMatch(/marmalade|Persona of acme/);
    expect([...globex.world.posts.values()].map(({ message }) => message)).toEqual([
      '@gus what is the code word?',
      'Globex speaks.',
    ]);
    expect([...server.world.posts.values()].some(({ message }) => message === 'Globex speaks.')).toBe(false);
  });
});

describe('a channel that the agent is removed from', () => {
  it('is followed no more', async () => {
    const { server, model, newChannel, ada, log } = installation;
    const channel = newChannel();
    model.respond(() => 'Hello.');
    await asked(channel, '@ada hi');
    server.removeFromChannel(channel, ada);
    await until('it is known', () =>
      log.lines.some(({ event, fields }) => event === 'channel.departed' && fields.channelId === channel.id),
    );
    const rows = await installation.query(
      'select engaged_until from konstruct.conversations where channel_id = $1',
      [channel.id],
    );
    expect(rows).toEqual([{ engaged_until: null }]);
  });
});

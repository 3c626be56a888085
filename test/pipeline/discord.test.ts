import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../support/conversation.ts';
import { type Channel, PERMISSIONS, TYPES } from '../support/discord/discord-world.ts';
import {
  type DiscordInstallation,
  PLACEHOLDER,
  startDiscordInstallation,
  textOf,
} from '../support/discord/start-discord-installation.ts';

let installation: DiscordInstallation;
beforeAll(async () => {
  installation = await startDiscordInstallation();
});
afterAll(() => installation.stop());

const newChannel = (type: number = TYPES.text): Channel =>
  installation.discord.addChannel(installation.acme, type);
const ada = () => `<@${installation.ada.user.id}>`;
const lastQuestion = () => installation.model.requests.at(-1)?.messages.at(-1)?.content;
const conversationsIn = (channel: Channel) =>
  installation.query('select thread_id from konstruct.conversations where channel_id = $1', [channel.id]);

describe('a mention in a channel', () => {
  it('begins a thread with the message, where the placeholder turns into the answer', async () => {
    const { discord, model, mara } = installation;
    const channel = newChannel();
    model.respond(() => ({ text: 'Refunds take **14 days**.', delayMs: 100 }));
    const sent = discord.say(channel, { from: mara, text: `${ada()} can you check the refund policy?` });
    await until('the placeholder stands in the thread', () =>
      discord.world.channels.has(sent.id)
        ? installation.texts(discord.thread(sent)).includes(PLACEHOLDER)
        : false,
    );
    const answer = await installation.answerTo(sent);
    await installation.idle();
    expect(textOf(answer)).toBe('Refunds take **14 days**.');
    expect(installation.texts(discord.thread(sent))).toHaveLength(1);
    expect(installation.texts(channel)).toEqual([]);
    expect(discord.thread(sent).name).toBe('can you check the refund policy?');
    expect(lastQuestion()).toBe('Mara: can you check the refund policy?');
    expect(JSON.stringify(model.requests.at(-1)?.body)).toMatch(/Discord/);
  });

  it('is understood by the bot’s own role and in its old form; nobody is called upon by the answer', async () => {
    const { discord, model, mara, acme } = installation;
    const channel = newChannel();
    for (const mention of [`<@&${acme.roles[0]?.id}>`, `<@!${installation.ada.user.id}>`]) {
      model.respond(() => `Hello <@${mara.id}>, @everyone and <@&${acme.roles[0]?.id}>!`);
      const sent = discord.say(channel, { from: mara, text: `${mention} hello` });
      expect(textOf(await installation.answerTo(sent))).toMatch(/^Hello <@\u200b\d+>, @\u200beveryone and/);
      await installation.idle();
      expect(lastQuestion()).toBe('Mara: hello');
    }
    expect(discord.world.pings).toEqual([]);
  });

  it('is what it takes: what nobody addressed to the bot, and what bots and webhooks say, is neither stored nor answered', async () => {
    const { discord, model, mara, gus } = installation;
    const channel = newChannel();
    const requests = model.requests.length;
    const [before] = await installation.query('select count(*)::int as n from konstruct.messages');
    discord.say(channel, { from: mara, text: 'Anybody for lunch?' });
    discord.say(channel, { from: gus.user, text: `${ada()} hello` });
    discord.say(channel, {
      from: mara,
      text: `${ada()} hello`,
      fields: { webhook_id: discord.world.nextId() },
    });
    discord.say(channel, { from: mara, text: '@everyone look', fields: { mention_everyone: true } });
    model.respond(() => 'Last.');
    await installation.answerTo(discord.say(channel, { from: mara, text: `${ada()} last` }));
    await installation.idle();
    expect(model.requests.length - requests).toBe(1);
    const [after] = await installation.query('select count(*)::int as n from konstruct.messages');
    expect(Number(after?.n) - Number(before?.n)).toBe(2);
  });

  it('in a reply to somebody else shows the agent that message', async () => {
    const { discord, model, mara, tomas } = installation;
    const channel = newChannel();
    model.respond(() => 'Off and on.');
    const problem = discord.say(channel, { from: tomas, text: 'The printer says PC LOAD LETTER.' });
    const sent = discord.say(channel, { from: mara, text: `${ada()} any idea?`, replyTo: problem });
    await installation.answerTo(sent);
    await installation.idle();
    expect(lastQuestion()).toBe('Mara: > Tomas: The printer says PC LOAD LETTER.\n  \n  any idea?');
  });

  it('with a long answer gets it in several messages, with code kept whole', async () => {
    const { discord, model, mara } = installation;
    const code = Array.from(
      { length: 120 },
      (_, index) => `console.log("line_${index}"); // *not* bold`,
    ).join('\n');
    model.respond(() => `Here:\n\n\`\`\`js\n${code}\n\`\`\`\n\nDone.`);
    const sent = discord.say(newChannel(), { from: mara, text: `${ada()} some code` });
    await installation.answerTo(sent);
    await installation.idle();
    const texts = installation.texts(discord.thread(sent));
    expect(texts.length).toBeGreaterThan(1);
    const lines = texts.join('\n').match(/^console.*$/gm) ?? [];
    expect(lines).toHaveLength(120);
    for (const text of texts) expect((text.match(/```/g) ?? []).length % 2).toBe(0);
  });
});

describe('a thread', () => {
  it('goes on without mentions while the agent is engaged, as one conversation', async () => {
    const { discord, model, mara, tomas } = installation;
    const channel = newChannel();
    model.respond(() => 'Paris.');
    const first = discord.say(channel, { from: mara, text: `${ada()} what is the capital of France?` });
    await installation.answerTo(first);
    await installation.idle();
    const thread = discord.thread(first);
    model.respond(() => 'Big.');
    discord.say(thread, { from: tomas, text: 'And how big is it?' });
    expect(textOf(await installation.answerIn(thread, 2))).toBe('Big.');
    await installation.idle();
    expect(model.requests.at(-1)?.messages.map(({ content }) => content)).toEqual([
      'Mara: what is the capital of France?',
      'Paris.',
      'Tomas: And how big is it?',
    ]);
    expect(await conversationsIn(channel)).toEqual([{ thread_id: first.id }]);

    await installation.query(
      `update konstruct.conversations set engaged_until = now() - interval '1 s' where channel_id = $1`,
      [channel.id],
    );
    const requests = model.requests.length;
    discord.say(thread, { from: tomas, text: 'among ourselves' });
    model.respond(() => 'Always.');
    discord.say(thread, { from: tomas, text: `${ada()} still there?` });
    await installation.answerIn(thread, 3);
    await installation.idle();
    expect(model.requests.length - requests).toBe(1);
  });

  it('among people is read when the agent is called into it', async () => {
    const { discord, model, mara, tomas } = installation;
    const channel = newChannel();
    const first = discord.say(channel, { from: mara, text: 'The invoice of ACME is wrong.' });
    const thread = discord.beginThread(channel, first, 'Invoice');
    discord.say(thread, { from: tomas, text: 'By how much?' });
    model.respond(() => 'Let me see.');
    discord.say(thread, { from: mara, text: `${ada()} can you help?` });
    await installation.answerIn(thread);
    await installation.idle();
    const read = JSON.stringify(model.requests.at(-1)?.messages);
    expect(read).toMatch(/The invoice of ACME is wrong\..*By how much\?.*can you help\?/);
  });

  it('of a forum is answered in the post', async () => {
    const { discord, model, mara, acme } = installation;
    const forum = newChannel(TYPES.forum);
    const post = discord.addChannel(acme, TYPES.thread, forum);
    model.respond(() => 'Welcome.');
    discord.say(post, { from: mara, text: `${ada()} hello` });
    expect(textOf(await installation.answerIn(post))).toBe('Welcome.');
    await installation.idle();
    expect(await conversationsIn(forum)).toEqual([{ thread_id: post.id }]);
  });

  it('that cannot begin is a chain of replies: in a channel without the permission, and in the chat of a voice channel', async () => {
    const { discord, model, mara, tomas } = installation;
    const forbidden = newChannel();
    forbidden.denied.set(installation.ada.user.id, PERMISSIONS.startThreads);
    for (const channel of [forbidden, newChannel(TYPES.voice)]) {
      model.respond(() => 'Paris.');
      const first = discord.say(channel, { from: mara, text: `${ada()} capital of France?` });
      const answer = await installation.answerIn(channel);
      await installation.idle();
      expect(answer.message_reference?.message_id).toBe(first.id);
      model.respond(() => 'Big.');
      const second = discord.say(channel, { from: tomas, text: 'how big?', replyTo: answer, rings: false });
      const next = await installation.answerIn(channel, 2);
      await installation.idle();
      expect(next.message_reference?.message_id).toBe(second.id);
      expect(model.requests.at(-1)?.messages.map(({ content }) => content)).toEqual([
        'Mara: capital of France?',
        'Paris.',
        'Tomas: how big?',
      ]);
      expect(installation.texts(channel)).toEqual(['Paris.', 'Big.']);
      expect(await conversationsIn(channel)).toHaveLength(1);
    }
  });
});

describe('a direct conversation', () => {
  it('is one, answered without a mention and without a thread', async () => {
    const { discord, model, mara, direct } = installation;
    model.respond(({ messages }) => `Heard ${messages.length}`);
    discord.say(direct, { from: mara, text: 'Hello' });
    await installation.answerIn(direct);
    await installation.idle();
    discord.say(direct, { from: mara, text: 'My name is Mara.' });
    await installation.answerIn(direct, 2);
    await installation.idle();
    expect(installation.texts(direct)).toEqual(['Heard 1', 'Heard 3']);
    expect(
      await installation.query('select thread_id from konstruct.conversations where channel_id = $1', [
        `dm-${direct.id}`,
      ]),
    ).toEqual([{ thread_id: '' }]);
  });
});

describe('a wish', () => {
  it.each(['reply', 'reaction'] as const)('to stop ends the turn, as a %s', async (way) => {
    const { discord, model, mara } = installation;
    const channel = newChannel();
    model.respond(() => ({ text: 'Too late.', delayMs: 5_000 }));
    const requests = model.requests.length;
    const sent = discord.say(channel, { from: mara, text: `${ada()} a long story, please` });
    await until('the model works', () => model.requests.length > requests);
    await until('the placeholder is on record', async () => {
      const rows = await installation.query(
        `select 1 from konstruct.deliveries where channel_id = $1 and kind = 'placeholder' and external_id is not null`,
        [channel.id],
      );
      return rows.length === 1;
    });
    const thread = discord.thread(sent);
    if (way === 'reply') discord.say(thread, { from: mara, text: 'Stop!' });
    else discord.react(channel, sent, mara, '🛑');
    await until('the placeholder is gone', () => !installation.texts(thread).includes(PLACEHOLDER));
    await installation.idle();
    expect(installation.texts(thread)).not.toContain('Too late.');
  });

  it('of a bot is none', async () => {
    const { discord, model, mara, gus } = installation;
    const channel = newChannel();
    const letGo = Promise.withResolvers<void>();
    model.respond(async () => {
      await letGo.promise;
      return 'In time.';
    });
    const requests = model.requests.length;
    const sent = discord.say(channel, { from: mara, text: `${ada()} go on` });
    await until('the model works', () => model.requests.length > requests);
    discord.react(channel, sent, gus.user, '🛑');
    await until('the reaction has come', () =>
      installation.log.lines.some(({ fields }) => fields.reason === 'bot_reaction'),
    );
    letGo.resolve();
    expect(textOf(await installation.answerTo(sent))).toBe('In time.');
    await installation.idle();
  });
});

describe('an edit and a deletion', () => {
  it('change what a message says that is waiting, and take it away', async () => {
    const { discord, model, mara } = installation;
    const channel = newChannel();
    model.respond(() => ({ text: 'First.', delayMs: 600 }));
    const requests = model.requests.length;
    const first = discord.say(channel, { from: mara, text: `${ada()} one` });
    await until('the model works', () => model.requests.length > requests);
    await until('the thread has begun', () => discord.world.channels.has(first.id));
    const thread = discord.thread(first);
    const second = discord.say(thread, { from: mara, text: 'tow' });
    const third = discord.say(thread, { from: mara, text: 'never mind' });
    discord.edit(thread, second, 'two');
    discord.remove(thread, third);
    model.respond(() => 'Second.');
    await installation.answerIn(thread, 2);
    await installation.idle();
    const read = JSON.stringify(model.requests.at(-1)?.messages);
    expect(read).toContain('two');
    expect(read).not.toMatch(/tow|never mind/);
  });
});

describe('an event that comes again', () => {
  it('is answered once', async () => {
    const { discord, model, mara, ada: app } = installation;
    const channel = newChannel();
    model.respond(() => 'Once.');
    const requests = model.requests.length;
    const sent = discord.say(channel, { from: mara, text: `${ada()} again and again` });
    const { id: guild_id } = installation.acme;
    for (let time = 0; time < 3; time += 1)
      discord.gateway.dispatchTo(app, 'MESSAGE_CREATE', { ...sent, guild_id } as never);
    await installation.answerTo(sent);
    await installation.idle();
    expect(model.requests.length - requests).toBe(1);
    expect(installation.texts(discord.thread(sent))).toEqual(['Once.']);
  });
});

describe('two bots of two companies', () => {
  it('never cross', async () => {
    const { discord, model, mara, gus, globex } = installation;
    const channel = newChannel();
    const theirs = discord.addChannel(globex);
    model.respond(({ body }) =>
      JSON.stringify(body).includes('Persona of acme') ? 'Acme speaks.' : 'Globex speaks.',
    );
    await installation.answerTo(
      discord.say(channel, { from: mara, text: `${ada()} the code word is marmalade` }),
    );
    const sent = discord.say(theirs, { from: mara, text: `<@${gus.user.id}> what is the code word?` });
    await until('its thread has begun', () => discord.world.channels.has(sent.id));
    expect(textOf(await installation.answerIn(discord.thread(sent), 1, gus))).toBe('Globex speaks.');
    await installation.idle();
    expect(JSON.stringify(model.requests.at(-1)?.body)).not.toMatch(/marmalade|Persona of acme/);
    for (const { appId, path } of discord.calls) {
      if (path.includes(channel.id)) expect(appId).toBe(installation.ada.id);
      if (path.includes(theirs.id)) expect(appId).toBe(gus.id);
    }
  });
});

describe('files', () => {
  it('that people send are read by the agent, by an address that is asked for anew', async () => {
    const { discord, model, mara } = installation;
    const content = Buffer.from('column one;column two');
    model.respond(() => 'Two columns.');
    const sent = discord.say(newChannel(), {
      from: mara,
      text: `${ada()} what is in it?`,
      files: [{ name: 'table.csv', mediaType: 'text/csv', content }],
    });
    await installation.answerTo(sent);
    await installation.idle();
    expect(JSON.stringify(model.requests.at(-1)?.messages)).toMatch(/table\.csv.*column one;column two/);
    const [stored] = await installation.query(
      'select attachments from konstruct.messages where external_id = $1',
      [sent.id],
    );
    expect(JSON.stringify(stored)).not.toMatch(/https?:/);
  });
});

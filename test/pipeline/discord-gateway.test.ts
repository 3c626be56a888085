import { afterEach, describe, expect, it, vi } from 'vitest';
import { until } from '../support/conversation.ts';
import type { Channel } from '../support/discord/discord-world.ts';
import {
  type DiscordInstallation,
  type DiscordInstallationOptions,
  PLACEHOLDER,
  startDiscordInstallation,
  textOf,
} from '../support/discord/start-discord-installation.ts';
import { startTcpProxy, throughProxy } from '../support/tcp-proxy.ts';

let installation: DiscordInstallation;
afterEach(() => installation.stop());

async function start(options: DiscordInstallationOptions = {}): Promise<void> {
  installation = await startDiscordInstallation(options);
}

const mention = () => `<@${installation.ada.user.id}>`;
const logged = (name: string) => installation.log.lines.filter(({ event }) => event === name);

/** Somebody asks in a channel; resolves when the answer stands in its thread. */
async function ask(channel: Channel, text: string, answer: string): Promise<Channel> {
  const { discord, model, mara } = installation;
  model.respond(() => answer);
  const sent = discord.say(channel, { from: mara, text: `${mention()} ${text}` });
  expect(textOf(await installation.answerTo(sent))).toBe(answer);
  await installation.idle();
  return discord.thread(sent);
}

it('a machine that has slept, and its steady clock with it, stops when it is told to', async () => {
  const now = performance.now.bind(performance);
  const steady = vi.spyOn(performance, 'now').mockImplementation(() => now() - 60_000);
  try {
    await start();
    const { discord, model, mara, acme } = installation;
    const channel = discord.addChannel(acme);
    model.respond(() => ({ text: 'Too late.', delayMs: 3_000 }));
    const sent = discord.say(channel, { from: mara, text: `${mention()} a long story, please` });
    await until('the placeholder stands there', () =>
      discord.world.channels.has(sent.id)
        ? installation.texts(discord.thread(sent)).includes(PLACEHOLDER)
        : false,
    );
    discord.react(channel, sent, mara, '🛑');
    await installation.idle();
    expect(installation.texts(discord.thread(sent))).toEqual(['Stopped.']);
  } finally {
    steady.mockRestore();
  }
});

describe('a connection that breaks', () => {
  it.each([
    ['without a word', 'terminate'],
    ['by Discord’s wish', 'reconnect'],
    ['with an error of Discord’s', 4000],
  ] as const)('%s is gone on with: what was said meanwhile is answered once', async (_name, how) => {
    await start();
    const { discord, model, mara, ada, acme } = installation;
    const channel = discord.addChannel(acme);
    const thread = await ask(channel, 'first', 'One.');
    const { identifies } = discord.gateway;
    discord.gateway.shut(true);
    discord.gateway.cut(ada, how);
    await until('it is offline', () => !discord.gateway.online().includes(ada.id));
    model.respond(() => 'Two.');
    discord.say(thread, { from: mara, text: 'and meanwhile?' });
    discord.gateway.shut(false);
    expect(textOf(await installation.answerIn(thread, 2))).toBe('Two.');
    await installation.idle();
    expect(installation.texts(thread)).toEqual(['One.', 'Two.']);
    expect(discord.gateway.identifies).toBe(identifies);
    expect(discord.gateway.resumes).toBeGreaterThan(0);
  });

  it('because nobody answers its heart beats is given up and gone on with', async () => {
    await start({ heartbeatMs: 60 });
    const { discord, ada, acme } = installation;
    const channel = discord.addChannel(acme);
    await ask(channel, 'first', 'One.');
    discord.gateway.mute(ada, true);
    await until('it is noticed', () =>
      logged('discord.connection_ended').some(({ fields }) => fields.reason === 'zombie'),
    );
    discord.gateway.mute(ada, false);
    await ask(channel, 'second', 'Two.');
    expect(discord.gateway.resumes).toBeGreaterThan(0);
  });

  it('and whose session Discord has forgotten begins anew, and reads what was said meanwhile', async () => {
    await start();
    const { discord, model, mara, ada, acme, direct } = installation;
    const channel = discord.addChannel(acme);
    const thread = await ask(channel, 'first', 'One.');
    discord.gateway.shut(true);
    discord.gateway.forget(ada);
    await until('it is offline', () => !discord.gateway.online().includes(ada.id));
    model.respond(({ messages }) => `Re: ${String(messages.at(-1)?.content).replace('Mara: ', '')}`);
    discord.say(thread, { from: mara, text: 'in the thread' });
    discord.say(channel, { from: mara, text: 'for nobody' });
    const sent = discord.say(channel, { from: mara, text: `${mention()} in the channel` });
    discord.gateway.shut(false);
    await installation.answerIn(thread, 2);
    await installation.answerTo(sent);
    await installation.idle();
    expect(installation.texts(thread)).toEqual(['One.', 'Re: in the thread']);
    expect(installation.texts(discord.thread(sent))).toEqual(['Re: in the channel']);
    expect(installation.texts(direct)).toEqual([]);
    expect(discord.gateway.resumes).toBe(0);
  });
});

describe('a database that is away', () => {
  it('keeps nothing from being answered: what was said meanwhile is read when it is back', async () => {
    await start({ app: null });
    const { discord, model, mara, acme, databaseUrl } = installation;
    const { hostname, port } = new URL(databaseUrl);
    const proxy = await startTcpProxy({ host: hostname, port: Number(port) });
    try {
      const app = await installation.startApp({ databaseUrl: throughProxy(databaseUrl, proxy) });
      const channel = discord.addChannel(acme);
      const thread = await ask(channel, 'first', 'One.');
      await proxy.down();
      model.respond(() => 'Two.');
      discord.say(thread, { from: mara, text: 'and now?' });
      const sent = discord.say(channel, { from: mara, text: `${mention()} second` });
      await until('nobody listens', () => !discord.gateway.online().includes(installation.ada.id));
      await proxy.up();
      await installation.answerTo(sent);
      await installation.answerIn(thread, 2);
      await installation.idle();
      expect(installation.texts(thread)).toEqual(['One.', 'Two.']);
      expect(installation.texts(discord.thread(sent))).toEqual(['Two.']);
      await app.stop();
    } finally {
      await proxy.close();
    }
  });
});

describe('a process that ends', () => {
  it('is followed by one that answers what was said in between: in channels, threads, posts and directly', async () => {
    await start({ app: null });
    const first = await installation.startApp();
    const { discord, model, mara, tomas, acme, direct } = installation;
    const channel = discord.addChannel(acme);
    const quiet = discord.addChannel(acme);
    discord.say(quiet, { from: tomas, text: 'Nothing for anybody.' });
    const thread = await ask(channel, 'first', 'One.');
    model.respond(() => 'Hello.');
    discord.say(direct, { from: mara, text: 'Hi' });
    await installation.answerIn(direct);
    await installation.idle();
    await first.stop();
    model.respond(({ messages }) => `Re: ${String(messages.at(-1)?.content).replace(/^\w+: /, '')}`);
    discord.say(thread, { from: tomas, text: 'in the thread' });
    discord.say(direct, { from: mara, text: 'directly' });
    const sent = discord.say(quiet, { from: tomas, text: `${mention()} in a channel` });
    await installation.startApp();
    await installation.answerIn(thread, 2);
    await installation.answerIn(direct, 2);
    await installation.answerTo(sent);
    await installation.idle();
    expect(installation.texts(thread)).toEqual(['One.', 'Re: in the thread']);
    expect(installation.texts(direct)).toEqual(['Hello.', 'Re: directly']);
    expect(installation.texts(discord.thread(sent))).toEqual(['Re: in a channel']);
  });

  it('hands over to another that waits: one listens at a time', async () => {
    await start({ app: null });
    const first = await installation.startApp();
    await installation.startApp();
    const { discord, acme } = installation;
    expect(discord.gateway.identifies).toBe(2); // one for each company
    await first.stop();
    await installation.online();
    await ask(discord.addChannel(acme), 'who is there?', 'The second.');
    expect(discord.gateway.identifies).toBe(4);
  });

  it('does not read what stood there before the bot was connected', async () => {
    await start({ app: null });
    const { discord, model, mara, acme } = installation;
    const channel = discord.addChannel(acme);
    discord.say(channel, { from: mara, text: `${mention()} long ago` });
    await installation.startApp();
    await ask(channel, 'now', 'Now.');
    expect(model.requests).toHaveLength(1);
  });
});

describe('what Discord refuses', () => {
  it('a token: the connection is disabled, and the other company’s goes on', async () => {
    await start();
    const { discord, ada, gus, globex, mara, model, query, connectionIds } = installation;
    ada.token = 'another';
    discord.gateway.forget(ada);
    await until('it is disabled', async () => {
      const rows = await query('select status from konstruct.connections where id = $1', [connectionIds[0]]);
      return rows[0]?.status === 'disabled';
    });
    await until('it is said', () => logged('connection.disabled').length === 1);
    expect(JSON.stringify(installation.log.lines)).not.toContain(gus.token);
    model.respond(() => 'Still here.');
    const sent = discord.say(discord.addChannel(globex), { from: mara, text: `<@${gus.user.id}> hello` });
    await until('its thread has begun', () => discord.world.channels.has(sent.id));
    await installation.answerIn(discord.thread(sent), 1, gus);
    await installation.idle();
  });

  it('to let the bot read: it answers mentions and direct messages, and says what to switch on', async () => {
    await start({ canReadMessages: false });
    const { discord, model, mara, acme, direct } = installation;
    const channel = discord.addChannel(acme);
    expect(logged('discord.mentions_only')[0]?.fields.remedy).toMatch(/Message Content Intent/);
    const thread = await ask(channel, 'first', 'One.');
    const requests = model.requests.length;
    discord.say(thread, { from: mara, text: 'unseen' });
    model.respond(() => 'Two.');
    discord.say(thread, { from: mara, text: `${mention()} seen` });
    await installation.answerIn(thread, 2);
    discord.say(direct, { from: mara, text: 'directly' });
    await installation.answerIn(direct);
    await installation.idle();
    expect(model.requests.length - requests).toBe(2);
  });

  it('an intent that was allowed before: the bot goes on with mentions', async () => {
    await start();
    const { discord, ada, acme } = installation;
    ada.isReadingApproved = false;
    discord.gateway.forget(ada);
    await until('it was shut out', () =>
      logged('discord.refused').some(({ fields }) => fields.code === 4014),
    );
    expect(logged('discord.refused')[0]?.fields.remedy).toMatch(/Message Content Intent/);
    await installation.online();
    await ask(discord.addChannel(acme), 'still there?', 'Still here.');
  });

  it('more sessions: none is begun before Discord lets it', async () => {
    await start({ app: null });
    const { discord, ada } = installation;
    ada.sessionsLeft = 0;
    void installation.startApp().catch(() => {});
    await until('it waits', () => logged('discord.session_lost').length > 0);
    expect(logged('discord.session_lost')[0]?.fields).toMatchObject({
      platformError: 'session_start_limit',
      waitMs: 3_600_000,
    });
    expect(discord.gateway.online()).not.toContain(ada.id);
  });
});

describe('a send of unknown outcome', () => {
  it('of the placeholder is looked for by its mark: one placeholder, one answer', async () => {
    await start();
    const { discord, model, mara, acme } = installation;
    discord.faults.push({ name: 'create message', kind: 'cut_after', remaining: 1 });
    model.respond(() => ({ text: 'Once.', delayMs: 200 }));
    const sent = discord.say(discord.addChannel(acme), { from: mara, text: `${mention()} hello` });
    await installation.answerTo(sent);
    await installation.idle();
    expect(installation.texts(discord.thread(sent))).toEqual(['Once.']);
  });

  it('of a further part of an answer is one message', async () => {
    await start();
    const { discord, model, mara, acme } = installation;
    const paragraphs = Array.from(
      { length: 6 },
      (_, index) => `${index + 1}. ${'word '.repeat(100).trim()}.`,
    );
    model.respond(() => ({ text: paragraphs.join('\n\n'), delayMs: 300 }));
    const sent = discord.say(discord.addChannel(acme), {
      from: mara,
      text: `${mention()} everything, please`,
    });
    await until('the placeholder stands', () => {
      return (
        discord.world.channels.has(sent.id) && installation.texts(discord.thread(sent)).includes(PLACEHOLDER)
      );
    });
    discord.faults.push({ name: 'create message', kind: 'cut_after', remaining: 1 });
    await installation.answerTo(sent);
    await installation.idle();
    expect(installation.texts(discord.thread(sent)).join('\n\n')).toBe(paragraphs.join('\n\n'));
  });
});

describe('a limit', () => {
  it('of Discord’s is kept, and the answer comes', async () => {
    await start();
    const { discord, model, mara, acme } = installation;
    const channel = discord.addChannel(acme);
    discord.limit = { name: 'create message', calls: 2, windowMs: 300 };
    const paragraphs = Array.from(
      { length: 20 },
      (_, index) => `${index + 1}. ${'word '.repeat(100).trim()}.`,
    );
    model.respond(() => paragraphs.join('\n\n'));
    const sent = discord.say(channel, { from: mara, text: `${mention()} everything, please` });
    await installation.answerTo(sent);
    await installation.idle();
    expect(installation.texts(discord.thread(sent)).join('\n\n')).toBe(paragraphs.join('\n\n'));
  });

  it('of the company’s is said once, as a reply and without a thread', async () => {
    await start({ settings: { ratePerMinute: 1 } });
    const { discord, mara, acme } = installation;
    const channel = discord.addChannel(acme);
    await ask(channel, 'first', 'One.');
    const second = discord.say(channel, { from: mara, text: `${mention()} second` });
    discord.say(channel, { from: mara, text: `${mention()} third` });
    const notice = await installation.answerIn(channel);
    await installation.idle();
    expect(textOf(notice)).toMatch(/\d+ second/);
    expect(notice.message_reference?.message_id).toBe(second.id);
    expect(installation.texts(channel)).toHaveLength(1);
    expect(discord.world.channels.has(second.id)).toBe(false);
    expect(discord.world.pings).toEqual([]);
  });
});

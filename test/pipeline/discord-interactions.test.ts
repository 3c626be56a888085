import { afterEach, describe, expect, it } from 'vitest';
import type { App as KonstructApp } from '../../src/app.ts';
import { until } from '../support/conversation.ts';
import { type Channel, type Message, PERMISSIONS, TYPES } from '../support/discord/discord-world.ts';
import {
  type DiscordInstallation,
  startDiscordInstallation,
  textOf,
} from '../support/discord/start-discord-installation.ts';

let installation: DiscordInstallation;
afterEach(() => installation.stop());

const row = [{ type: 1, components: [{ type: 2, style: 2, label: 'Blue', custom_id: 'choice-0' }] }];

/** Buttons and commands come over the gateway, or to the endpoint that is entered at Discord. */
async function start(way: 'gateway' | 'endpoint'): Promise<KonstructApp> {
  installation = await startDiscordInstallation({ app: null, hasPublicKey: way === 'endpoint' });
  const app = await installation.startApp();
  if (way === 'endpoint') {
    const url = `${app.url}/discord/interactions/${installation.connectionIds[0]}`;
    installation.ada.interactionsEndpointUrl = url;
  }
  return app;
}

/** A question of the agent's, with the buttons that an agent with that tool sends. */
async function askedIn(channel: Channel): Promise<{ readonly thread: Channel; readonly question: Message }> {
  const { discord, model, mara, ada } = installation;
  model.respond(() => 'Which colour?');
  const sent = discord.say(channel, { from: mara, text: `<@${ada.user.id}> I want a shirt` });
  const question = await installation.answerTo(sent);
  await installation.idle();
  question.components = row as Message['components'] & {};
  return { thread: discord.thread(sent), question };
}

describe.each(['gateway', 'endpoint'] as const)('over the %s', (way) => {
  const taken = way === 'gateway' ? null : 200;

  it('a button is pressed once: its words are said in the conversation, and the buttons go', async () => {
    await start(way);
    const { discord, model, tomas, ada, acme } = installation;
    const { thread, question } = await askedIn(discord.addChannel(acme));
    model.respond(() => 'Blue it is.');
    expect(await discord.press(ada, thread, question, tomas, 'Blue')).toBe(taken);
    await installation.answerIn(thread, 2);
    await installation.idle();
    expect(model.requests.at(-1)?.messages.map(({ content }) => content)).toEqual([
      'Mara: I want a shirt',
      'Which colour?',
      'Tomas: Blue',
    ]);
    await until('the buttons are gone', () => question.components?.length === 0);
    const answers = () => [...discord.world.interactions.values()].map(({ answered }) => answered);
    await until('Discord waits no more', () => !answers().includes(null));
    expect(answers()).toEqual([6]);
    expect(textOf(question)).toBe('Which colour?');
  });

  it('/ask shows what is asked, and begins a thread with the answer', async () => {
    await start(way);
    const { discord, model, tomas, ada, acme } = installation;
    const channel = discord.addChannel(acme);
    model.respond(() => 'Within 14 days.');
    expect(await discord.command(ada, channel, tomas, 'How do *refunds* work?')).toBe(
      way === 'gateway' ? null : 202,
    );
    await until('the question stands there', () => channel.messages.size > 0);
    const [shown] = channel.messages.values();
    expect(shown?.content).toBe('> How do *refunds* work?');
    expect(textOf(await installation.answerTo(shown as Message))).toBe('Within 14 days.');
    await installation.idle();
    expect(model.requests.at(-1)?.messages.at(-1)?.content).toBe('Tomas: How do *refunds* work?');
    model.respond(() => 'Yes.');
    discord.say(discord.thread(shown as Message), { from: tomas, text: 'really?' });
    expect(textOf(await installation.answerIn(discord.thread(shown as Message), 2))).toBe('Yes.');
    await installation.idle();
  });

  it('/ask where the bot may not write is refused to whoever gave it, and to nobody else', async () => {
    await start(way);
    const { discord, model, tomas, ada, acme } = installation;
    const channel = discord.addChannel(acme);
    channel.denied.set(ada.user.id, PERMISSIONS.send);
    await discord.command(ada, channel, tomas, 'Anything?');
    await until('they are told', () => discord.world.whispers.length === 1);
    expect(discord.world.whispers[0]).toMatch(/may not write here/);
    expect(channel.messages.size).toBe(0);
    expect(model.requests).toEqual([]);
  });

  it('/ask in a direct conversation is part of it', async () => {
    await start(way);
    const { discord, model, mara, ada, direct } = installation;
    model.respond(() => 'Here.');
    await discord.command(ada, direct, mara, 'Where are you?');
    await until('it is answered', () => installation.texts(direct).includes('Here.'));
    await installation.idle();
    expect(await installation.query('select channel_id, thread_id from konstruct.conversations')).toEqual([
      { channel_id: `dm-${direct.id}`, thread_id: '' },
    ]);
  });
});

describe('the endpoint', () => {
  it('answers Discord’s check, and nobody who is not Discord', async () => {
    const app = await start('endpoint');
    const { discord, ada, gus, connectionIds } = installation;
    const post = async (by: typeof ada, connectionId: string, body: object, mangle = false) => {
      const { headers, body: text } = discord.signed(by, body as never);
      const url = `${app.url}/discord/interactions/${connectionId}`;
      const response = await fetch(url, { method: 'POST', headers, body: mangle ? `${text} ` : text });
      return [response.status, await response.text()];
    };
    const ping = { id: '1100000000000000000', application_id: ada.id, type: 1, token: 't', version: 1 };
    expect(await post(ada, connectionIds[0], ping)).toEqual([200, '{"type":1}']);
    expect((await post(ada, connectionIds[0], ping, true))[0]).toBe(401);
    // Another company's app, a connection without a key, and one that nobody knows.
    expect((await post(gus, connectionIds[0], ping))[0]).toBe(401);
    expect((await post(gus, connectionIds[1], ping))[0]).toBe(401);
    expect((await post(ada, '00000000-0000-4000-8000-000000000000', ping))[0]).toBe(401);
    const shared = await fetch(`${app.url}/discord/interactions`, { method: 'POST', body: '{}' });
    expect(shared.status).toBe(404);
  });

  it('takes a press of another app, signed with this one’s key, for nobody’s', async () => {
    const app = await start('endpoint');
    const { discord, ada, gus, mara, direct, model, connectionIds } = installation;
    const { headers, body } = discord.signed(ada, {
      id: discord.world.nextId(),
      application_id: gus.id,
      type: 2,
      token: 'token',
      version: 1,
      context: 1,
      channel: { id: direct.id, type: TYPES.direct },
      user: mara,
      data: { id: '1', name: 'ask', type: 1, options: [{ name: 'question', type: 3, value: 'hm?' }] },
    });
    await fetch(`${app.url}/discord/interactions/${connectionIds[0]}`, { method: 'POST', headers, body });
    expect(installation.log.lines.some(({ event }) => event === 'event.unknown_installation')).toBe(true);
    expect(model.requests).toEqual([]);
  });
});

describe('what comes twice', () => {
  it('a press is one message, and a command that was shown already is shown once', async () => {
    await start('gateway');
    const { discord, model, tomas, ada, acme } = installation;
    const channel = discord.addChannel(acme);
    model.respond(() => 'Once.');
    // Discord repeats what was not stored: here the connection breaks when it has been.
    await discord.command(ada, channel, tomas, 'Again?');
    await until('the question stands there', () => channel.messages.size > 0);
    const [shown] = channel.messages.values();
    await installation.answerTo(shown as Message);
    await installation.idle();
    const [open] = discord.world.interactions.entries();
    const again = {
      id: open?.[1].id,
      application_id: ada.id,
      type: 2,
      token: open?.[0],
      version: 1,
      channel: { id: channel.id, type: 0, guild_id: acme.id },
      channel_id: channel.id,
      guild_id: acme.id,
      member: { user: tomas, roles: [] },
      app_permissions: '309237763136',
      data: { id: '1', name: 'ask', type: 1, options: [{ name: 'question', type: 3, value: 'Again?' }] },
    };
    discord.gateway.dispatchTo(ada, 'INTERACTION_CREATE', again as never);
    await until('it was asked for', () => discord.calls.some(({ name }) => name === 'get answer'));
    await installation.idle();
    expect(channel.messages.size).toBe(1);
    expect(model.requests).toHaveLength(1);
  });
});

it('registers /ask once, and leaves one that is there as it is', async () => {
  const app = await start('gateway');
  const { ada, gus, discord } = installation;
  await until('both have it', () => ada.commands.length === 1 && gus.commands.length === 1);
  expect(ada.commands[0]).toMatchObject({ name: 'ask', contexts: [0, 1], integration_types: [0] });
  const [before] = ada.commands;
  await app.stop();
  const asked = () => discord.calls.filter(({ name }) => name === 'get commands').length;
  const askedBefore = asked();
  await installation.startApp();
  await until('it was looked at again', () => asked() === askedBefore + 2);
  expect(ada.commands).toEqual([before]);
});

import { afterEach, describe, expect, it } from 'vitest';
import { until } from '../support/conversation.ts';
import {
  type DiscordInstallation,
  PLACEHOLDER,
  startDiscordInstallation,
} from '../support/discord/start-discord-installation.ts';
import { expireLeases } from '../support/expire-leases.ts';
import { type ServeProcess, startServeProcess } from '../support/start-serve-process.ts';

let installation: DiscordInstallation;
const processes: ServeProcess[] = [];
afterEach(async () => {
  await Promise.all(processes.splice(0).map((serve) => serve.end('SIGKILL')));
  await installation.stop();
});

async function serve(): Promise<ServeProcess> {
  const started = await startServeProcess(
    { ...installation, slackApiUrl: 'http://127.0.0.1:9/api/' },
    'all',
    { DISCORD_API_URL: installation.discord.apiUrl },
  );
  processes.push(started);
  return started;
}

const mention = () => `<@${installation.ada.user.id}>`;
const answered = () =>
  until(
    'it is answered',
    async () => {
      const turns = await installation.query('select status from konstruct.turns');
      return turns.length > 0 && turns.every(({ status }) => status === 'answered');
    },
    40_000,
  );

describe('a process that is killed', () => {
  it('in the middle of a turn leaves one placeholder, which another turns into the one answer', {
    timeout: 60_000,
  }, async () => {
    installation = await startDiscordInstallation({ app: null });
    const { discord, model, mara, acme } = installation;
    const first = await serve();
    await installation.online();
    model.respond(() => ({ text: 'Once.', delayMs: 60_000 }));
    const sent = discord.say(discord.addChannel(acme), { from: mara, text: `${mention()} hello` });
    await until('the placeholder is on record', async () => {
      const known = await installation.query(
        'select 1 from konstruct.deliveries where external_id is not null',
      );
      return known.length === 1;
    });
    await first.end('SIGKILL');
    await expireLeases(installation, first);
    model.respond(() => 'Once.');
    await serve();
    await answered();
    expect(installation.texts(discord.thread(sent))).toEqual(['Once.']);
  });

  it('between sending and knowing that it was sent leaves what another finds by its mark', {
    timeout: 60_000,
  }, async () => {
    installation = await startDiscordInstallation({ app: null });
    const { discord, model, mara, acme } = installation;
    const first = await serve();
    await installation.online();
    discord.faults.push({ name: 'create message', kind: 'silent_after', remaining: 1 });
    model.respond(() => 'Once.');
    const sent = discord.say(discord.addChannel(acme), { from: mara, text: `${mention()} hello` });
    await until(
      'the placeholder stands, and nobody knows',
      () =>
        discord.world.channels.has(sent.id) && installation.texts(discord.thread(sent)).includes(PLACEHOLDER),
    );
    await first.end('SIGKILL');
    await expireLeases(installation, first);
    await serve();
    await answered();
    expect(installation.texts(discord.thread(sent))).toEqual(['Once.']);
  });

  it('while it listened is followed by the one that waits, which reads what was said until then', {
    timeout: 60_000,
  }, async () => {
    installation = await startDiscordInstallation({ app: null });
    const { discord, model, mara, direct, ada } = installation;
    model.respond(() => 'Heard.');
    const [first, second] = [await serve(), await serve()];
    await installation.online();
    discord.say(direct, { from: mara, text: 'one' });
    await installation.answerIn(direct);
    const listens = ({ lines }: ServeProcess) =>
      lines.some(
        ({ event, connectionId }) =>
          event === 'discord.session_ready' && connectionId === installation.connectionIds[0],
      );
    await until('one of them listens', () => listens(first) || listens(second));
    expect(listens(first) && listens(second)).toBe(false);
    await (listens(first) ? first : second).end('SIGKILL');
    // Its session lives on at Discord for a while, and nobody will ever go on with it.
    discord.gateway.forget(ada);
    discord.say(direct, { from: mara, text: 'two' });
    await until(
      'both are answered',
      () => installation.texts(direct).filter((text) => text === 'Heard.').length === 2,
      40_000,
    );
    expect(installation.texts(direct)).toEqual(['Heard.', 'Heard.']);
  });
});

describe('an event that PostgreSQL does not take', () => {
  it('is repeated by Discord until it does, and answered once', async () => {
    installation = await startDiscordInstallation();
    const { discord, model, mara, direct, log } = installation;
    model.respond(() => 'Stored first.');
    await installation.query('alter table konstruct.messages add constraint closed check (false) not valid');
    discord.say(direct, { from: mara, text: 'hold on to this' });
    await until('the gateway has tried twice', () => {
      return log.lines.filter(({ event }) => event === 'discord.session_lost').length >= 2;
    });
    expect(discord.gateway.resumes).toBeGreaterThan(0);
    await installation.query('alter table konstruct.messages drop constraint closed');
    await until('it is answered', () => installation.texts(direct).includes('Stored first.'), 20_000);
    await installation.idle();
    expect(installation.texts(direct)).toEqual(['Stored first.']);
    expect(discord.gateway.identifies).toBe(2); // one for each company
  });
});

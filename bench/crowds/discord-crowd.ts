import { startDiscordServer } from '../../test/support/discord/start-discord-server.ts';
import { at, type Crowd, range } from './crowd.ts';

/** Bots of apps of their own, each of which keeps a gateway connection open, and a person who writes to it directly. */
export async function startDiscordCrowd(companies: number): Promise<Crowd> {
  const discord = await startDiscordServer();
  const bots = range(companies).map((company) => {
    const app = discord.addApp({ name: 'Ada' });
    discord.addServer(`Company ${company}`, [app]);
    const person = discord.addUser('Mara');
    return { app, person, place: discord.addDirect(app, person) };
  });
  return {
    channel: 'discord',
    companies: bots.map(({ app }) => ({ externalId: app.id, credentials: { botToken: app.token } })),
    platform: { signingSecret: null, apiUrl: discord.apiUrl },
    async lead() {},
    isReached: (company) => discord.gateway.online().includes(at(bots, company).app.id),
    async say(company, text) {
      const { place, person } = at(bots, company);
      discord.say(place, { from: person, text });
    },
    shown(company, text) {
      const { place, app } = at(bots, company);
      return [...place.messages.values()].filter(
        ({ author, content }) => author.id === app.user.id && content.includes(text),
      ).length;
    },
    close: () => discord.close(),
  };
}

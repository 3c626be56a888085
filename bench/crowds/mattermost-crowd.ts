import { startMattermostServer } from '../../test/support/mattermost/start-mattermost-server.ts';
import { at, type Crowd, range } from './crowd.ts';

/** Bots on one server, each of which keeps a socket open, and a person who writes to it directly. */
export async function startMattermostCrowd(companies: number): Promise<Crowd> {
  const server = await startMattermostServer();
  const bots = range(companies).map((company) => {
    const token = `bottoken0crowd${String(company).padStart(12, '0')}`;
    const bot = server.addUser({ username: `ada${company}`, is_bot: true, token });
    const person = server.addUser({ username: `mara${company}` });
    return { token, bot, person, place: server.addChannel('D', [bot, person]) };
  });
  return {
    channel: 'mattermost',
    companies: bots.map(({ token, bot }) => ({
      externalId: `${server.url.replace('http://', '')}/${bot.username}`,
      credentials: { serverUrl: server.url, botToken: token },
    })),
    platform: { signingSecret: null },
    async lead() {},
    isReached: (company) => server.isHeard(at(bots, company).bot),
    say(company, text) {
      const { place, person } = at(bots, company);
      return server.say(place, { from: person, text });
    },
    shown(company, text) {
      const { place, bot } = at(bots, company);
      return [...server.world.posts.values()].filter(
        (post) => post.channel_id === place.id && post.user_id === bot.id && post.message.includes(text),
      ).length;
    },
    close: () => server.close(),
  };
}

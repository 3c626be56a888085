import { startTelegramServer } from '../../test/support/telegram/start-telegram-server.ts';
import { at, type Crowd, range } from './crowd.ts';

/** Bots whose messages are fetched, which is the dearer way: each of them holds a request open. */
export async function startTelegramCrowd(companies: number): Promise<Crowd> {
  const bots = range(companies).map((company) => ({
    id: 700_001 + company,
    token: `${700_001 + company}:AAH-crowd_stand-in`,
    username: `ada_${company}_bot`,
    chatId: 10_001 + company,
  }));
  const telegram = await startTelegramServer(bots);
  for (const { chatId, token } of bots)
    telegram.addChat({ id: chatId, type: 'private', title: 'Mara', bots: [token] });
  return {
    channel: 'telegram',
    companies: bots.map(({ id, token }) => ({ externalId: String(id), credentials: { botToken: token } })),
    platform: { signingSecret: null, apiUrl: telegram.apiUrl },
    async lead() {},
    isReached: (company) => telegram.bot(at(bots, company).token).endPoll !== null,
    say(company, text) {
      const { chatId } = at(bots, company);
      return telegram.say(chatId, { from: { id: chatId, is_bot: false, first_name: 'Mara' }, text });
    },
    shown(company, text) {
      const { chatId, id } = at(bots, company);
      return [...telegram.chat(chatId).messages.values()].filter(
        (message) => message.from.id === id && message.text?.includes(text),
      ).length;
    },
    close: () => telegram.close(),
  };
}

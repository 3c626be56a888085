import { startGoogleChatServer } from '../../test/support/google-chat/start-google-chat-server.ts';
import { at, type Crowd, range } from './crowd.ts';

/** Chat apps with a project, a key and an address of their own each. */
export async function startGoogleChatCrowd(companies: number): Promise<Crowd> {
  const chat = await startGoogleChatServer();
  const apps = range(companies).map((company) => chat.addApp(String(111_111_111_111 + company), 'Ada'));
  const spaces = apps.map(({ projectNumber }, company) =>
    chat.addSpace(`S${company}`, 'DIRECT_MESSAGE', [projectNumber]),
  );
  const { apiUrl, certsUrl, tokenUrl } = chat;
  return {
    channel: 'google-chat',
    companies: apps.map(({ projectNumber, serviceAccount }) => ({
      externalId: projectNumber,
      credentials: { serviceAccount, audience: projectNumber },
    })),
    platform: { apiUrl, signingSecret: null, values: { certsUrl, tokenUrl } },
    async lead(url, connectionIds) {
      for (const [company, app] of apps.entries())
        app.endpoint = `${url}/google-chat/${at(connectionIds, company)}`;
    },
    isReached: () => true,
    say: (company, text) =>
      chat.say(at(spaces, company).id, {
        from: { name: `users/${company + 1}`, displayName: 'Mara', type: 'HUMAN' },
        text,
      }),
    shown: (company, text) =>
      [...at(spaces, company).messages.values()].filter(
        (message) => message.sender.type === 'BOT' && message.text.includes(text),
      ).length,
    close: () => chat.close(),
  };
}

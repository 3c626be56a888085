import type { ConnectionSettings } from '../../../src/core/tenant.ts';
import { until } from '../conversation.ts';
import { type ChannelInstallation, startChannelInstallation } from '../start-channel-installation.ts';
import type { ChatApp, Message, Space, User } from './google-chat-world.ts';
import { type GoogleChatServer, startGoogleChatServer } from './start-google-chat-server.ts';

/** The projects of three companies' Chat apps. Initech's is a Workspace add-on. */
const ACME = '111111111111';
export const GLOBEX = '222222222222';
const INITECH = '333333333333';
export const mara: User = { name: 'users/31', displayName: 'Mara K', type: 'HUMAN' };
export const tomas: User = { name: 'users/32', displayName: 'Tomas', type: 'HUMAN' };
const INITECHS_ADDRESS = 'https://konstruct.example.com/google-chat/initech';

export interface GoogleChatInstallation extends ChannelInstallation {
  readonly chat: GoogleChatServer;
  readonly url: string;
  readonly apps: { readonly acme: ChatApp; readonly globex: ChatApp; readonly initech: ChatApp };
  /** A space of a test's own: Chat's limits are a space's. */
  newSpace(type: Space['type'], app?: ChatApp): Space;
  /** The app's message that answers and is no placeholder any more. */
  answerTo(space: Space, message: Message): Promise<Message>;
  /** What an app shows in a space now, oldest first. */
  texts(space: Space): string[];
}

/** Acme's app is the installation's (`GOOGLE_CHAT_AUDIENCE`); the others bring their audience. */
export async function startGoogleChatInstallation(
  settings: ConnectionSettings = {},
): Promise<GoogleChatInstallation> {
  const chat = await startGoogleChatServer();
  const [acme, globex, initech] = [
    chat.addApp(ACME, 'Ada'),
    chat.addApp(GLOBEX, 'Gus'),
    chat.addApp(INITECH, 'Iris'),
  ];
  initech.isAddOn = true;
  initech.audience = INITECHS_ADDRESS;
  const { apiUrl, certsUrl, tokenUrl } = chat;
  const installation = await startChannelInstallation({
    channel: 'google-chat',
    companies: [
      { slug: 'acme', externalId: ACME, credentials: { serviceAccount: acme.serviceAccount }, settings },
      {
        slug: 'globex',
        externalId: GLOBEX,
        credentials: { serviceAccount: globex.serviceAccount, audience: GLOBEX },
        settings,
      },
      {
        slug: 'initech',
        externalId: INITECH,
        credentials: { serviceAccount: initech.serviceAccount, audience: INITECHS_ADDRESS },
        settings,
      },
    ],
    platform: { apiUrl, signingSecret: ACME, values: { certsUrl, tokenUrl } },
    closing: [() => chat.close()],
  });
  const { url } = await installation.startApp();
  acme.endpoint = `${url}/google-chat`;
  globex.endpoint = `${url}/google-chat/${installation.connectionIds[1]}`;
  initech.endpoint = `${url}/google-chat/${installation.connectionIds[2]}`;
  let spaces = 0;
  const isApps = ({ sender }: Message): boolean => sender.type === 'BOT';
  return {
    ...installation,
    chat,
    url,
    apps: { acme, globex, initech },
    newSpace(type, app = acme) {
      spaces += 1;
      return chat.addSpace(`S${spaces}`, type, [app.projectNumber]);
    },
    async answerTo(space, message) {
      const place = (id: string): number => [...space.messages.keys()].indexOf(id);
      const find = (): Message | undefined =>
        [...space.messages.values()].find(
          (each) =>
            isApps(each) &&
            each.text !== 'Thinking…' &&
            place(each.id) > place(message.id) &&
            (space.type !== 'SPACE' || each.threadId === message.threadId),
        );
      await until(`message ${message.id} is answered`, () => find() !== undefined);
      return find() as Message;
    },
    texts: (space) => [...space.messages.values()].filter(isApps).map(({ text }) => text),
  };
}

import { randomUUID } from 'node:crypto';
import type { AppOptions } from '../../../src/app-options.ts';
import type { ConnectionSettings } from '../../../src/core/tenant.ts';
import { until } from '../conversation.ts';
import { type ChannelInstallation, startChannelInstallation } from '../start-channel-installation.ts';
import { startTeamsServer, type TeamsServer } from './start-teams-server.ts';
import type { Conversation, Message, Person } from './teams-world.ts';

/** The installation's app, for all companies; and one that Initech brings itself. */
export const sharedApp = { appId: '11111111-1111-4111-8111-111111111111', password: 'shared~password' };
export const ownApp = { appId: '22222222-2222-4222-8222-222222222222', password: 'own~password' };
export const ACME = 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa';
export const GLOBEX = 'bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb';
export const INITECH = 'cccccccc-cccc-4ccc-8ccc-cccccccccccc';
export const mara: Person = { id: '29:1mara-K_x', name: 'Mara K' };
export const tomas: Person = { id: '29:1tomas', name: 'Tomas' };
/** As the companies' people mention it. */
export const ada: Person = { id: `28:${sharedApp.appId}`, name: 'Ada' };

export interface TeamsInstallation extends ChannelInstallation {
  readonly teams: TeamsServer;
  readonly url: string;
  /** Where activities go from now on. */
  leadTo(url: string): void;
  /** A conversation of a test's own: Teams' limits are a conversation's. */
  newConversation(type: Conversation['type'], tenantId?: string, appId?: string): Conversation;
  /** The agent's message that answers and is no placeholder any more. */
  answerTo(conversation: Conversation, message: Message): Promise<Message>;
  /** What the agent shows in a conversation now, oldest first. */
  texts(conversation: Conversation): string[];
}

/** @param options of the process that everything runs in; `null`: there is none yet, see `leadTo` */
export async function startTeamsInstallation(
  settings: ConnectionSettings = {},
  options: Partial<AppOptions> | null = {},
): Promise<TeamsInstallation> {
  const teams = await startTeamsServer();
  const app = teams.addApp({ ...sharedApp, name: 'Ada' });
  const initechs = teams.addApp({ ...ownApp, name: 'Iris', tenantId: INITECH });
  const { appId, password: appPassword } = ownApp;
  const installation = await startChannelInstallation({
    channel: 'teams',
    companies: [
      { slug: 'acme', externalId: ACME, credentials: {}, settings },
      { slug: 'globex', externalId: GLOBEX, credentials: {}, settings },
      {
        slug: 'initech',
        externalId: INITECH,
        credentials: { appId, appPassword, tenantId: INITECH },
        settings,
      },
    ],
    platform: {
      apiUrl: teams.apiUrl,
      signingSecret: sharedApp.appId,
      values: {
        appId: sharedApp.appId,
        appPassword: sharedApp.password,
        loginUrl: teams.loginUrl,
        openIdUrl: teams.openIdUrl,
      },
    },
    closing: [() => teams.close()],
  });
  const leadTo = (url: string): void => {
    app.endpoint = `${url}/teams/messages`;
    initechs.endpoint = `${url}/teams/messages/${installation.connectionIds[2]}`;
  };
  const url = options === null ? '' : (await installation.startApp(options)).url;
  if (url !== '') leadTo(url);
  const isAgents = ({ from }: Message): boolean => from.id.startsWith('28:');
  return {
    ...installation,
    teams,
    url,
    leadTo,
    newConversation(type, tenantId = ACME, botId = sharedApp.appId) {
      const id = type === 'personal' ? `a:${randomUUID()}` : `19:${randomUUID()}@thread.tacv2`;
      return teams.addConversation({ id, type, tenantId, apps: [botId] });
    },
    async answerTo(conversation, message) {
      const find = (): Message | undefined =>
        [...conversation.messages.values()].find(
          (each) =>
            isAgents(each) &&
            each.shown !== 'Thinking…' &&
            Number(each.id) > Number(message.id) &&
            each.rootId === message.rootId,
        );
      await until(`message ${message.id} is answered`, () => find() !== undefined);
      return find() as Message;
    },
    texts: (conversation) => [...conversation.messages.values()].filter(isAgents).map(({ shown }) => shown),
  };
}

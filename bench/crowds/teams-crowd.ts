import { randomUUID } from 'node:crypto';
import { startTeamsServer } from '../../test/support/teams/start-teams-server.ts';
import { at, type Crowd, range } from './crowd.ts';

const appId = '11111111-1111-4111-8111-111111111111';
const password = 'crowd~password';

/** Tenants of Microsoft's with one app, whose people write in personal chats. */
export async function startTeamsCrowd(companies: number): Promise<Crowd> {
  const teams = await startTeamsServer();
  const app = teams.addApp({ appId, password, name: 'Ada' });
  const tenants = range(companies).map(() => randomUUID());
  const conversations = tenants.map((tenantId) =>
    teams.addConversation({ id: `a:${randomUUID()}`, type: 'personal', tenantId, apps: [appId] }),
  );
  const { apiUrl, loginUrl, openIdUrl } = teams;
  return {
    channel: 'teams',
    companies: tenants.map((externalId) => ({ externalId, credentials: {} })),
    platform: {
      apiUrl,
      signingSecret: appId,
      values: { appId, appPassword: password, loginUrl, openIdUrl },
    },
    async lead(url) {
      app.endpoint = `${url}/teams/messages`;
    },
    isReached: () => true,
    say: (company, text) =>
      teams.say(at(conversations, company).id, { from: { id: `29:1${company}`, name: 'Mara' }, text }),
    shown: (company, text) =>
      [...at(conversations, company).messages.values()].filter(
        (message) => message.from.id.startsWith('28:') && message.shown.includes(text),
      ).length,
    close: () => teams.close(),
  };
}

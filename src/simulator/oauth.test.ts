import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Installation, InstallProvider, LogLevel } from '@slack/oauth';
import { expect, it } from 'vitest';
import { acme, startTestSimulator } from '../../test/support/simulator/start-test-simulator.ts';

const app = { clientId: '111.222', clientSecret: 'stand-in-client-secret' };
const scopes = ['chat:write', 'app_mentions:read'];

it('lets Slack’s own installer into a workspace, and gives it a new token when the first has run out', async () => {
  const installations = new Map<string, Installation>();
  const pages = createServer((request, response) => {
    const isCallback = request.url?.startsWith('/callback') === true;
    void (isCallback
      ? installer.handleCallback(request, response)
      : installer.handleInstallPath(request, response));
  });
  pages.listen(0, '127.0.0.1');
  await once(pages, 'listening');
  const url = `http://127.0.0.1:${(pages.address() as AddressInfo).port}`;
  const redirectUri = `${url}/callback`;
  const oauth = { ...app, redirectUrls: [redirectUri], tokenRotation: true };
  const { server, stop } = await startTestSimulator({ oauth });
  const installer = new InstallProvider({
    ...app,
    stateSecret: 'stand-in-state-secret',
    authorizationUrl: new URL('../oauth/v2/authorize', server.apiUrl).href,
    clientOptions: { slackApiUrl: server.apiUrl },
    directInstall: true,
    installUrlOptions: { scopes, redirectUri },
    logLevel: LogLevel.ERROR,
    installationStore: {
      async storeInstallation(installation) {
        installations.set(installation.team?.id ?? '', installation as Installation);
      },
      fetchInstallation: async ({ teamId }) => installations.get(teamId ?? '') as Installation<'v2', boolean>,
    },
  });
  try {
    const visit = (address: string | URL | null, cookie = '') =>
      fetch(address ?? '', { redirect: 'manual', headers: { cookie } });
    const begun = await visit(`${url}/install`);
    const [cookie = ''] = begun.headers.get('set-cookie')?.split(';') ?? [];
    const consent = await visit(begun.headers.get('location'));
    const [, decide = ''] =
      new RegExp(`href="(decide[^"]*team=${acme.workspaceId})"`).exec(await consent.text()) ?? [];
    const decided = await visit(new URL(decide.replaceAll('&amp;', '&'), consent.url));
    const done = await visit(decided.headers.get('location'), cookie);
    expect(done.status).toBe(200);
    const installed = installations.get(acme.workspaceId);
    expect(installed?.bot).toMatchObject({ userId: acme.agent, scopes });

    const bot = installed?.bot as { token: string; expiresAt: number };
    const query = { teamId: acme.workspaceId, enterpriseId: undefined, isEnterpriseInstall: false };
    expect((await installer.authorize(query)).botToken).toBe(bot.token);
    const first = bot.token;
    bot.expiresAt = Math.floor(Date.now() / 1_000) - 1;
    const { botToken } = await installer.authorize(query);
    expect(botToken).toMatch(/^xoxe\.xoxb-/);
    expect(botToken).not.toBe(first);
    expect(installations.get(acme.workspaceId)?.bot?.token).toBe(botToken);
  } finally {
    pages.close();
    await stop();
  }
});

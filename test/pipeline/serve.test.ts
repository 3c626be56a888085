import { afterEach, describe, expect, it } from 'vitest';
import { createCipher } from '../../src/core/cipher.ts';
import { defaultSeeds } from '../../src/simulator/default-seeds.ts';
import { agentTexts, ask, idle } from '../support/conversation.ts';
import { acme } from '../support/people.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';
import { type ServeProcess, startServeProcess } from '../support/start-serve-process.ts';

let installation: Installation;
let serve: ServeProcess | null = null;

afterEach(async () => {
  await serve?.end('SIGKILL');
  serve = null;
  await installation.stop();
});

describe('konstruct serve with SLACK_BOT_TOKEN', () => {
  it('makes the connection of the token’s workspace, and leaves it as it is at the next start', {
    timeout: 40_000,
  }, async () => {
    installation = await startInstallation({
      app: null,
      simulator: { workspaces: defaultSeeds },
      workspaces: [],
    });
    const env = { SLACK_BOT_TOKEN: 'xoxb-simulator-acme' };
    serve = await startServeProcess(installation, 'all', env);
    installation.useGateway(serve.url);
    const mention = {
      workspaceId: acme.workspaceId,
      channelId: acme.general,
      userId: acme.mara,
      text: `<@${acme.agent}> hello`,
    };
    const { sent } = await ask(installation, mention);
    expect(agentTexts(installation, sent)).toEqual(['You said: mara: hello']);
    expect(JSON.stringify(installation.model.requests.at(-1)?.body)).toContain(
      'You are Ada, AI coworker at Acme',
    );
    await idle(installation);

    await installation.query(`update konstruct.agents set persona = 'Dry.'`);
    await installation.query('update konstruct.tenants set slug = $1', ['renamed']);
    const wrong = createCipher([installation.masterKey]);
    const [row] = await installation.query('select tenant_id, id from konstruct.connections');
    const owner = `connection:${row?.tenant_id}:${row?.id}`;
    await installation.query(
      `update konstruct.connections set status = 'disabled', disabled_reason = 'token_revoked', credentials = $1`,
      [wrong.encrypt(JSON.stringify({ botToken: 'xoxb-old', signingSecret: 'kept' }), owner)],
    );
    expect(await serve.end('SIGTERM')).toBe(0);
    serve = await startServeProcess(installation, 'all', env);
    const [connection] = await installation.query('select status, credentials from konstruct.connections');
    expect(connection?.status).toBe('active');
    expect(JSON.parse(wrong.decrypt(connection?.credentials as Buffer, owner))).toEqual({
      botToken: 'xoxb-simulator-acme',
      signingSecret: 'kept',
    });
    expect(await installation.query('select persona from konstruct.agents')).toEqual([{ persona: 'Dry.' }]);
    expect(await installation.query('select slug from konstruct.tenants')).toEqual([{ slug: 'renamed' }]);
  });

  it('refuses to start with a token that Slack does not know, and says so', async () => {
    installation = await startInstallation({ app: null, workspaces: [] });
    await expect(startServeProcess(installation, 'all', { SLACK_BOT_TOKEN: 'xoxb-nobody' })).rejects.toThrow(
      /SLACK_BOT_TOKEN: Slack does not accept it \(invalid_auth\)/,
    );
  });

  it('says its role once, and does not serve the simulator', async () => {
    installation = await startInstallation({ app: null });
    serve = await startServeProcess(installation, 'all');
    expect(serve.startedLine.match(/"role":/g)).toHaveLength(1);
    for (const path of ['/simulator', '/simulator/control/workspaces', '/']) {
      expect((await fetch(serve.url + path)).status, path).toBe(404);
    }
  });
});

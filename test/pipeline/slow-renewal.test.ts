import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { App } from '../../src/app.ts';
import { connectionOwner } from '../../src/core/cipher.ts';
import { until } from '../support/conversation.ts';
import { SIGNING_SECRET } from '../support/signing-secret.ts';
import { signedSlackRequest } from '../support/slack-request.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';

let installation: Installation;
let gateway: App;
/** Another process, whose renewals take as long as Slack likes. */
let other: pg.Client;
beforeAll(async () => {
  installation = await startInstallation({ app: null });
  other = new pg.Client({ connectionString: installation.databaseUrl });
  await other.connect();
  for (const { tenantId, connectionId, workspace } of installation.tenants) {
    const expired = { botToken: workspace.botToken, refreshToken: 'xoxe-1', tokenExpiresAt: '1' };
    const sealed = installation.cipher.encrypt(
      JSON.stringify(expired),
      connectionOwner(tenantId, connectionId),
    );
    await installation.query('update konstruct.connections set credentials = $1 where id = $2', [
      sealed,
      connectionId,
    ]);
    await other.query('select pg_advisory_lock(hashtextextended($1, 0))', [
      `konstruct renew ${connectionId}`,
    ]);
  }
  gateway = await installation.startApp({
    role: 'gateway',
    slack: {
      signingSecret: SIGNING_SECRET,
      apiUrl: installation.slackApiUrl,
      values: { clientId: '123.456', clientSecret: 'client-secret' },
    },
  });
});
afterAll(async () => {
  await other?.end();
  await installation?.stop();
});

it('credentials whose renewal takes long hold up nothing but the calls that need them', async () => {
  expect(installation.tenants.length).toBeGreaterThanOrEqual(2);
  const answers = installation.tenants.map(({ workspace }) => {
    const [user] = workspace.users;
    const [channel] = workspace.channels;
    const body = JSON.stringify({
      type: 'event_callback',
      team_id: workspace.id,
      event_id: `Ev${randomUUID().slice(0, 10)}`,
      authorizations: [{ team_id: workspace.id, user_id: workspace.botUserId, is_bot: true }],
      event: {
        type: 'reaction_added',
        user: user?.id,
        reaction: 'octagonal_sign',
        item: { type: 'message', channel: channel?.id, ts: '1700000000.000100' },
        event_ts: '1700000001.000100',
      },
    });
    const { headers } = signedSlackRequest(body, SIGNING_SECRET, Date.now());
    return fetch(`${gateway.url}/slack/events`, {
      method: 'POST',
      headers: headers as Record<string, string>,
      body,
    });
  });
  await until('all renewals wait', async () => {
    const waiting = await installation.query(
      "select 1 from pg_locks where locktype = 'advisory' and not granted and database = (select oid from pg_database where datname = current_database())",
    );
    return waiting.length >= 2;
  });
  const health = await fetch(`${gateway.url}/health`);
  expect([health.status, await health.json()]).toEqual([200, expect.objectContaining({ status: 'ok' })]);
  for (const answer of await Promise.all(answers)) expect(answer.status).toBe(200);
});

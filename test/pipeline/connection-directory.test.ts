import { afterAll, beforeAll, expect, it } from 'vitest';
import { createConnectionDirectory } from '../../src/router/create-connection-directory.ts';
import { createPipelineDatabase, type PipelineDatabase } from '../support/pipeline-database.ts';

let database: PipelineDatabase;
beforeAll(async () => {
  database = await createPipelineDatabase();
});
afterAll(() => database.drop());

it('does not take one made-up id for several real ones: ids come from requests that nobody has verified', async () => {
  const [tenant] = database.tenants;
  const directory = createConnectionDirectory({ pool: database.pool(1), clock: () => Date.now() });
  const ids = ['E0NOBODY', tenant.workspace.id];
  const appId = 'A1';
  expect(await directory.resolve('slack', { externalIds: [ids.join('\n')], appId })).toBeNull();
  expect(await directory.resolve('slack', { externalIds: ids, appId })).toMatchObject({
    id: tenant.connectionId,
  });
});

it('knows the tenant’s other agents on the channel, and of no other tenant’s', async () => {
  const [tenant, other] = database.tenants;
  await database.query(
    `insert into konstruct.connections (tenant_id, agent_id, channel, external_id, app_id, agent_user_id, credentials, status)
     values ($1, $2, 'slack', $3, 'A2', 'UCOLLEAGUE', '', 'active'), ($1, $2, 'slack', $3, 'A3', 'UGONE', '', 'disabled'),
       ($1, $2, 'telegram', '77', '', 'their_bot', '', 'active')`,
    [tenant.tenantId, tenant.agentId, tenant.workspace.id],
  );
  const directory = createConnectionDirectory({ pool: database.pool(1), clock: () => Date.now() });
  const find = async ({ workspace }: typeof tenant, appId = 'A1') =>
    (await directory.resolve('slack', { externalIds: [workspace.id], appId }))?.colleagueUserIds;
  expect(await find(tenant)).toEqual(['UCOLLEAGUE']);
  expect(await find(tenant, 'A2')).toEqual([tenant.workspace.botUserId]);
  expect(await find(other)).toEqual([]);
});

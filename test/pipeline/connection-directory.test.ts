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

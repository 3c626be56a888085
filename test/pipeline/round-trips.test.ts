import { randomBytes, randomUUID } from 'node:crypto';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSlackChannel } from '../../src/channels/slack/index.ts';
import { createCipher } from '../../src/core/cipher.ts';
import { createDatabasePool } from '../../src/db/pool.ts';
import { createReceiver, type Receiver } from '../../src/gateway/create-receiver.ts';
import { createAdmit } from '../../src/router/admit.ts';
import { createBlockedBuckets } from '../../src/router/create-blocked-buckets.ts';
import { createConnectionDirectory } from '../../src/router/create-connection-directory.ts';
import { createRouter } from '../../src/router/create-router.ts';
import { defaultSeeds } from '../../src/simulator/default-seeds.ts';
import { systemTime } from '../../src/system-time.ts';
import { noJourneys } from '../../src/telemetry/journeys.ts';
import { createMigratedDatabase } from '../support/migrated-database.ts';
import { acme } from '../support/people.ts';
import type { TestDatabase } from '../support/postgres.ts';
import { seedTenants } from '../support/seed-tenants.ts';
import { silentLog } from '../support/silent-log.ts';
import { signedSlackRequest } from '../support/slack-request.ts';

const secret = 'signing-secret';
let database: TestDatabase;
let pool: pg.Pool;
let receive: Receiver;
let queries: string[] = [];

beforeAll(async () => {
  database = await createMigratedDatabase();
  const cipher = createCipher([randomBytes(32)]);
  await seedTenants({ databaseUrl: database.url, cipher, workspaces: defaultSeeds });
  pool = createDatabasePool({ url: database.url, name: 'test', size: 2, log: silentLog });
  const query = pool.query.bind(pool) as (statement: { name: string }) => Promise<unknown>;
  pool.query = ((statement: { name: string }) => {
    queries.push(statement.name);
    return query(statement);
  }) as never;
  const { clock } = systemTime;
  receive = createReceiver({
    channel: createSlackChannel({ apiUrl: 'http://127.0.0.1:9/api/', ...systemTime, log: silentLog }),
    shared: true,
    signingSecret: secret,
    directory: createConnectionDirectory({ pool, clock }),
    route: createRouter({
      admit: createAdmit(pool),
      blocked: createBlockedBuckets(clock),
      disableConnection: async () => false,
      endEngagement: async () => {},
      onAgentUser: () => {},
      onReady: () => {},
      onNotice: () => {},
      log: silentLog,
    }),
    cipher,
    clock,
    wallClock: Date.now,
    journeys: noJourneys,
    log: silentLog,
  });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

let count = 0;
function event(overrides: Record<string, unknown> = {}): Promise<unknown> {
  count += 1;
  const ts = `1760000000.${String(count).padStart(6, '0')}`;
  const body = JSON.stringify({
    type: 'event_callback',
    team_id: acme.workspaceId,
    api_app_id: 'A0KONSTRUCT',
    event_id: `Ev${randomUUID()}`,
    authorizations: [{ team_id: acme.workspaceId, user_id: acme.agent, is_bot: true }],
    event: {
      type: 'app_mention',
      user: acme.mara,
      text: `<@${acme.agent}> hello`,
      ts,
      event_ts: ts,
      channel: acme.general,
      ...overrides,
    },
  });
  return receive(signedSlackRequest(body, secret, Date.now()), null, Date.now());
}

describe('between a verified event and its ack', () => {
  it('there is one round trip to the database, once the installation is known', async () => {
    await event();
    expect(queries).toEqual(['resolve_connection', 'admit_batch']);
    queries = [];
    await event();
    expect(queries).toEqual(['admit_batch']);
  });

  it('many events at a time share their round trips', async () => {
    queries = [];
    await Promise.all(Array.from({ length: 20 }, () => event()));
    expect(queries.length).toBeLessThan(5);
  });

  it('there is none for what is not for the agent', async () => {
    queries = [];
    await event({ type: 'message', text: 'Lunch?' });
    await event({ type: 'message', text: 'I am a bot', bot_id: 'B0OTHER' });
    await event({ type: 'reaction_added' });
    expect(queries).toEqual([]);
  });
});

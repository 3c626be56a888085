import { randomBytes, randomUUID } from 'node:crypto';
import type { Kysely } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createCipher } from '../../src/core/cipher.ts';
import type { ClaimedTurn } from '../../src/core/turn.ts';
import { createDatabase } from '../../src/db/create-database.ts';
import type { Database } from '../../src/db/schema.ts';
import { withTenant } from '../../src/db/with-tenant.ts';
import type { AdmitMessage } from '../../src/router/admit.ts';
import { disableConnection } from '../../src/stores/connection-status.ts';
import { listConnections, replaceCredentials, updateConnection } from '../../src/stores/connections.ts';
import { saveInstallation } from '../../src/stores/installations.ts';
import { until } from '../support/conversation.ts';
import {
  conversationOf,
  createPipelineDatabase,
  messageEvent,
  type PipelineDatabase,
} from '../support/pipeline-database.ts';

let database: PipelineDatabase;
let kysely: Kysely<Database>;
beforeAll(async () => {
  database = await createPipelineDatabase();
});
beforeEach(() => {
  kysely = createDatabase(database.pool());
});
afterEach(async () => {
  await database.endPools();
  await database.query('delete from konstruct.conversations');
  await database.query(`update konstruct.connections set status = 'active'`);
});
afterAll(() => database.drop());

const tenant = () => database.tenants[0];
const mention = (overrides: Partial<AdmitMessage> = {}) => messageEvent(tenant(), overrides);
const connection = () => ({ tenantId: tenant().tenantId, id: tenant().connectionId });
const disable = (credentials?: string) =>
  disableConnection(kysely, { ...connection(), ...(credentials && { credentials }) }, 'revoked');
const asked = (turns: readonly ClaimedTurn[]) =>
  turns.map(({ messages }) => messages.filter(({ ofTurn }) => ofTurn).map(({ externalId }) => externalId));

/** What `konstruct apply` and a token at the start do. */
const enable = (meanwhile: () => Promise<unknown> = async () => {}) =>
  withTenant(kysely, tenant().tenantId, async (transaction) => {
    const stored = (await listConnections(transaction)).find(({ id }) => id === tenant().connectionId);
    if (stored === undefined) throw new Error('The connection is gone.');
    await updateConnection(transaction, { ...stored, status: 'active' });
    await meanwhile();
  });

/** What applying a new token does when the platform refused the one before after the plan had been made. */
const replace = () =>
  withTenant(kysely, tenant().tenantId, (transaction) =>
    replaceCredentials(transaction, createCipher([randomBytes(32)]), connection(), { botToken: 'xoxb-2' }),
  );

/** What installing the app in a browser does. */
const install = () =>
  saveInstallation(kysely, createCipher([randomBytes(32)]), {
    tenantId: tenant().tenantId,
    agentId: tenant().agentId,
    channel: 'slack',
    keep: [],
    app: {
      externalId: tenant().workspace.id,
      appId: '',
      agentUserId: 'U1',
      credentials: { botToken: 'xoxb-2' },
      expiresAtMs: null,
    } as never,
  });

async function readyAt(message: AdmitMessage): Promise<unknown> {
  const [row] = await database.query(
    'select ready_at, lease_owner from konstruct.conversations where thread_id = $1',
    [message.conversationThreadId],
  );
  return row?.ready_at ?? null;
}

describe('what was acked before its connection was disabled', () => {
  it.each([
    ['enabled', () => enable()],
    ['given another token', () => replace()],
    ['installed', install],
  ])('opens no turn until it is %s again, and is answered then', async (_how, comeBack) => {
    const admit = database.gateway();
    const worker = database.worker('w');
    const messages = [mention(), mention(), mention()];
    for (const message of messages) await admit(message);
    expect(await disable()).toEqual({ outcome: 'disabled', waiting: 3 });
    expect(await disable()).toEqual({ outcome: 'off' });
    expect(await worker.claim(10)).toEqual([]);
    expect(await Promise.all(messages.map(readyAt))).toEqual([null, null, null]);
    const woken: unknown[] = [];
    const deafen = await database.listen('konstruct_ready', (notification) => woken.push(notification));
    await comeBack();
    await until('workers are told', () => woken.length > 0);
    await deafen();
    expect(
      asked(await worker.claim(10))
        .flat()
        .sort(),
    ).toEqual(messages.map(({ messageId }) => messageId));
  });

  it('waits its turn behind what is ready on the tenant’s other connections', async () => {
    const admit = database.gateway();
    const worker = database.worker('w');
    const other = randomUUID();
    await database.query(
      `insert into konstruct.connections (tenant_id, id, agent_id, channel, external_id, credentials)
       select tenant_id, $2, agent_id, channel, 'T0OTHER', credentials from konstruct.connections where id = $1`,
      [tenant().connectionId, other],
    );
    const before = mention();
    await admit(before);
    await disable();
    expect(await worker.claim(10)).toEqual([]);
    const elsewhere = mention({ connectionId: other });
    await admit(elsewhere);
    await enable();
    expect(asked(await worker.claim(1))).toEqual([[elsewhere.messageId]]);
    expect(asked(await worker.claim(1))).toEqual([[before.messageId]]);
    await database.query('delete from konstruct.connections where id = $1', [other]);
  });

  it('takes no turn from the worker that has it', async () => {
    const admit = database.gateway();
    const worker = database.worker('w');
    const first = mention();
    await admit(first);
    const [turn] = (await worker.claim(1)) as [ClaimedTurn];
    const second = mention({ conversationThreadId: first.conversationThreadId });
    await admit(second);
    await disable();
    await enable();
    expect(await database.worker('v').claim(10)).toEqual([]);
    expect(await worker.renew([turn])).toEqual([true]);
    const { tenantId, conversationId, turnId, fence } = turn;
    const key = { tenantId, conversationId, turnId, fence };
    await worker.finish({ ...key, status: 'dead', errorCode: 'internal', externalIds: [], followMs: null });
    expect(asked(await worker.claim(10))).toEqual([[second.messageId]]);
  });

  it('is not set aside by a claim that does not see yet that somebody enables the connection', async () => {
    const admit = database.gateway();
    const worker = database.worker('w');
    await disable();
    const message = mention(); // through a gateway that did not know yet
    await enable(async () => {
      await admit(message);
      expect(await worker.claim(10)).toEqual([]);
    });
    await until('it is claimed', async () => (await worker.claim(10)).length === 1, 3_000);
  });

  it('is waited for when it is set aside at the moment in which the connection is enabled', async () => {
    const message = mention();
    const id = conversationOf(await database.gateway()(message));
    await disable();
    const claiming = await database.pool(1).connect();
    await claiming.query('begin');
    const { rows } = await claiming.query(`select claim_turns('w', 10, 15000, 60, gen_random_uuid())`);
    expect(rows).toEqual([]);
    const enabling = enable();
    await until('it waits for the claim', async () => {
      const waiting = await database.query(
        `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      );
      return waiting.length > 0;
    });
    await claiming.query('commit');
    claiming.release();
    await enabling;
    expect((await database.worker('w').claim(10)).map(({ conversationId }) => conversationId)).toEqual([id]);
  });
});

describe('what an operator disabled', () => {
  it('stays so with another token', async () => {
    await database.query(
      `update konstruct.connections set status = 'disabled', disabled_reason = null where id = $1`,
      [tenant().connectionId],
    );
    await replace();
    const rows = await database.query('select status from konstruct.connections where id = $1', [
      tenant().connectionId,
    ]);
    expect(rows).toEqual([{ status: 'disabled' }]);
  });
});

describe('credentials that a platform refused', () => {
  it('disable nothing when there are others by now', async () => {
    await database.gateway()(mention());
    const [turn] = (await database.worker('w').claim(1)) as [ClaimedTurn];
    const stored = turn.connection.credentials;
    expect(await disable('AAAA')).toEqual({ outcome: 'replaced' });
    expect(await disable(stored)).toEqual({ outcome: 'disabled', waiting: 0 });
    expect(await disable('AAAA')).toEqual({ outcome: 'off' });
    const stranger = { ...connection(), tenantId: database.tenants[1].tenantId };
    expect(await disableConnection(kysely, stranger, 'forged')).toEqual({ outcome: 'off' });
  });
});

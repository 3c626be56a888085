import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { createCipher } from '../../src/core/cipher.ts';
import type { Clock } from '../../src/core/clock.ts';
import type { Metrics } from '../../src/core/metrics.ts';
import type { ConnectionSettings } from '../../src/core/tenant.ts';
import { type DatabaseListener, listen } from '../../src/db/listen.ts';
import { createDatabasePool } from '../../src/db/pool.ts';
import { createTurnQueue, type TurnQueue } from '../../src/queue/create-turn-queue.ts';
import type { AdmitDeletion, AdmitEdit, AdmitMessage, AdmitOutcome } from '../../src/router/admit.ts';
import { type Admit, createAdmit } from '../../src/router/admit.ts';
import { defaultSeeds } from '../../src/simulator/default-seeds.ts';
import { createMigratedDatabase } from './migrated-database.ts';
import { type SeededTenant, seedTenants } from './seed-tenants.ts';
import { silentLog } from './silent-log.ts';

/** A migrated database with two tenants, and what gateways and workers do to it, without the rest of the pipeline. */
export interface PipelineDatabase {
  readonly url: string;
  readonly name: string;
  readonly tenants: readonly [SeededTenant, SeededTenant];
  /** A pool as a process of the application has it; closed with the database. */
  pool(size?: number): pg.Pool;
  /** What a gateway process does; each has its own pool. */
  gateway(): Admit;
  worker(
    owner: string,
    options?: {
      readonly leaseMs?: number;
      readonly tenantTurns?: number;
      readonly metrics?: Metrics;
      readonly clock?: Clock;
      readonly wallClock?: Clock;
    },
  ): TurnQueue;
  /** Listens on a connection of its own; what it returns ends that. */
  listen(channel: string, heard: (notification?: pg.Notification) => void): Promise<() => Promise<void>>;
  /** Hears of conversations that begin, as a gateway with Redis does. */
  listenForBegun(onBegun: (thread: string | null) => void): Promise<DatabaseListener>;
  /** Asks the database as its superuser. */
  query<Row extends pg.QueryResultRow>(text: string, values?: readonly unknown[]): Promise<readonly Row[]>;
  /** Closes every pool of the application, so that the server has counted all they did. */
  endPools(): Promise<void>;
  drop(): Promise<void>;
}

export async function createPipelineDatabase(
  options: { readonly settings?: ConnectionSettings } = {},
): Promise<PipelineDatabase> {
  const database = await createMigratedDatabase();
  const [first, second] = await seedTenants({
    databaseUrl: database.url,
    cipher: createCipher([randomBytes(32)]),
    workspaces: defaultSeeds,
    ...options,
  });
  if (!first || !second) throw new Error('The default seeds have fewer than two workspaces.');
  const admin = new pg.Pool({ connectionString: database.url, max: 2 });
  admin.on('error', () => {}); // the database is dropped at the end
  let pools: pg.Pool[] = [];
  const endPools = async (): Promise<void> => {
    const ending = pools;
    pools = [];
    await Promise.all(ending.map((pool) => pool.end()));
  };
  const pool = (size = 4): pg.Pool => {
    const made = createDatabasePool({ url: database.url, name: 'test', size, log: silentLog });
    pools.push(made);
    return made;
  };
  return {
    url: database.url,
    name: database.name,
    tenants: [first, second],
    pool,
    gateway: () => createAdmit(pool()),
    worker: (owner, { leaseMs = 15_000, ...options } = {}) =>
      createTurnQueue({ pool: pool(), owner, leaseMs, historyMessages: 60, clock: Date.now, ...options }),
    async listen(channel, heard) {
      const client = new pg.Client({ connectionString: database.url });
      await client.connect();
      client.on('notification', heard);
      await client.query(`listen ${channel}`);
      return () => client.end();
    },
    async listenForBegun(onBegun) {
      const listener = await listen(database.url, { log: silentLog, also: ['konstruct_begun'] });
      listener.on('konstruct_begun', (_fromProcessId, thread) => onBegun(thread));
      return listener;
    },
    query: async (text, values = []) => (await admin.query(text, [...values])).rows,
    endPools,
    async drop() {
      await endPools();
      await admin.end();
      await database.drop();
    },
  };
}

let lastMessage = 0;

/** A mention in a thread of its own, unless told otherwise. Every call names a new message. */
export function messageEvent(
  { tenantId, connectionId }: Pick<SeededTenant, 'tenantId' | 'connectionId'>,
  overrides: Partial<AdmitMessage> = {},
): AdmitMessage {
  lastMessage += 1;
  const messageId = overrides.messageId ?? `1700000000.${String(lastMessage).padStart(6, '0')}`;
  return {
    type: 'message',
    tenantId,
    connectionId,
    eventId: `Ev${crypto.randomUUID()}`,
    bucketKey: 'slack',
    ratePerMinute: 100_000,
    busyMode: 'queue',
    channelId: 'C1',
    conversationThreadId: messageId,
    replyThreadId: messageId,
    noticeThreadId: messageId,
    threadBegan: false,
    scope: 'channel',
    addressed: 'yes',
    messageId,
    senderId: 'U1',
    senderName: null,
    content: 'hello',
    mentions: [],
    attachments: [],
    channelMetadata: {},
    sentAtMs: Date.now(),
    ...overrides,
  };
}

export function editOf(message: AdmitMessage, content: string, sentAtMs: number): AdmitEdit {
  return {
    ...namesOf(message),
    type: 'edit',
    content,
    mentions: [],
    sentAtMs,
    editWindowMinutes: 10,
    mayConcern: 'yes',
    threadId: null,
  };
}

export function deletionOf(
  message: AdmitMessage,
  sentAtMs = Date.now(),
  onDeletion: AdmitDeletion['onDeletion'] = 'keep',
): AdmitDeletion {
  return { ...namesOf(message), type: 'deletion', sentAtMs, onDeletion };
}

function namesOf(message: AdmitMessage) {
  const { tenantId, connectionId, channelId, messageId, bucketKey, ratePerMinute } = message;
  return { tenantId, connectionId, channelId, messageId, bucketKey, ratePerMinute };
}

/** The conversation an event was stored in. */
export function conversationOf(outcome: AdmitOutcome): number {
  if (!('conversationId' in outcome)) throw new Error(`Stored in no conversation: ${outcome.outcome}`);
  return outcome.conversationId;
}

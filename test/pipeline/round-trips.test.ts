import { randomBytes, randomUUID } from 'node:crypto';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSlackChannel } from '../../src/channels/slack/index.ts';
import { createCipher } from '../../src/core/cipher.ts';
import type { ModelPool, ModelResult } from '../../src/core/model.ts';
import type { Tool } from '../../src/core/tool.ts';
import { createDatabasePool } from '../../src/db/pool.ts';
import { createReceiver, type Receiver } from '../../src/gateway/create-receiver.ts';
import { createRunTurn } from '../../src/orchestrator/create-run-turn.ts';
import { createTurnQueue } from '../../src/queue/create-turn-queue.ts';
import { createAdmit, createAdmitWish } from '../../src/router/admit.ts';
import { createFeedbackAdmission } from '../../src/router/admit-feedback.ts';
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
      admitWish: createAdmitWish(pool),
      feedback: createFeedbackAdmission(pool),
      isPerson: async () => true,
      wallClock: systemTime.wallClock,
      recordReceipt: async () => ({ outcome: 'unknown_message' }),
      blocked: createBlockedBuckets(clock),
      disableConnection: async () => ({ outcome: 'off' }) as const,
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

describe('a turn', () => {
  const look: Tool = {
    name: 'look',
    description: 'Looks.',
    title: 'Looking',
    inputSchema: { type: 'object' },
    isRepeatable: true,
    run: async () => 'seen',
  };

  /** Runs one turn over the recorded pool, with a model that wants these rounds of tools before it answers. */
  async function queriesOfTurn(rounds: readonly (readonly Tool[])[]): Promise<readonly string[]> {
    await event();
    const queue = createTurnQueue({
      pool,
      owner: 'w',
      leaseMs: 15_000,
      historyMessages: 60,
      clock: Date.now,
    });
    queries = [];
    const [turn] = await queue.claim(1);
    if (!turn) throw new Error('There is no turn.');
    let asked = 0;
    const generate = async (): Promise<ModelResult> => {
      const calls = rounds[asked] ?? [];
      asked += 1;
      return {
        text: 'Answer.',
        finish: calls.length > 0 ? 'tool_calls' : 'stop',
        toolCalls: calls.map(({ name }, index) => ({ id: `${index}`, name, input: {}, rawInput: '{}' })),
        object: null,
        usage: {
          inputTokens: 1,
          outputTokens: 1,
          cachedInputTokens: 0,
          cacheWriteTokens: 0,
          reasoningTokens: 0,
        },
        provider: 'demo',
        model: 'm',
        attempts: [],
      };
    };
    const tools = new Map(rounds.flat().map((tool) => [tool.name, tool]));
    const abilities = { buttons: null, reactions: false, incomingBytes: null, outgoingBytes: null };
    const released: number[] = [];
    const runTurn = createRunTurn({
      ledger: queue,
      stopTurn: async () => {},
      filesInHand: { release: (turnId) => released.push(turnId) },
      models: { generate } as unknown as ModelPool,
      delivery: {
        placeholder: async () => ({ state: 'shown', messageId: `p${turn.turnId}` }),
        progress: async () => {},
        answer: async () => ({ externalIds: [`p${turn.turnId}`], error: null }),
        earlierPlaceholder: () => ({ state: 'absent' }),
        showsWriting: () => 'none' as const,
        openStream: () => {
          throw new Error('There is no stream.');
        },
        answersElsewhere: async () => false,
        findsAgain: () => true,
        withdraw: async () => null,
        abilities: () => abilities,
        typing: async () => false,
        status: () => null,
        react: async () => {},
        fetchFile: async () => ({ mediaType: '', content: Buffer.alloc(0) }),
        split: (_turn, reply) => [reply],
        readThread: async () => null,
        personName: async () => null,
      },
      preparePrompt: async () => ({ system: '', context: '', messages: [], threadFiles: [] }),
      toolsOf: () => tools,
      abilitiesOf: () => abilities,
      isHeld: queue.isHeld,
      toolDeadlineMs: 1_000,
      answerGraceMs: 1_000,
      maxOutputTokens: 100,
      ...systemTime,
      journeys: noJourneys,
      log: silentLog,
      modelRetryDelaysMs: [],
      deliveryRetryDelaysMs: [],
      apologyRetryMs: 20,
    });
    const never = new AbortController().signal;
    await runTurn(turn, never, never);
    expect(released).toEqual([turn.turnId]); // the memory of its files, once
    return queries;
  }

  it('takes three round trips: its log costs nothing where no tool is used', async () => {
    expect(await queriesOfTurn([])).toEqual(['claim_turns', 'commit_turns', 'finish_turns']);
  });

  it('adds one for what the model wants and one for what comes of it, and what finishes together goes together', async () => {
    const rounds = await queriesOfTurn([[look, look, look]]);
    expect(rounds.filter((name) => name !== 'log_steps')).toEqual([
      'claim_turns',
      'commit_turns',
      'finish_turns',
    ]);
    expect(rounds.length).toBeLessThanOrEqual(5);
  });

  it('writes the start of a call that must not be made twice with what the model wanted', async () => {
    const book = { ...look, name: 'book', isRepeatable: false };
    const inOrder = await queriesOfTurn([[book]]);
    expect(inOrder.slice(0, -2).filter((name) => name === 'log_steps').length).toBeLessThanOrEqual(3);
    expect(inOrder.slice(-2)).toEqual(['commit_turns', 'finish_turns']);
  });
});

import pg from 'pg';
import type { PipelineDatabase } from './pipeline-database.ts';

export interface FillOptions {
  readonly conversations: number;
  readonly messagesPerConversation: number;
}

/**
 * Fills the first tenant with a long past: conversations with answered messages, one turn with one step and two
 * deliveries for every second message. Conversation n was last written to n minutes ago. Then analyses.
 */
export async function fillDatabase(database: PipelineDatabase, options: FillOptions): Promise<void> {
  const [{ tenantId, agentId, connectionId }] = database.tenants;
  const turnsPerConversation = Math.floor(options.messagesPerConversation / 2);
  const statements: readonly (readonly [string, readonly unknown[]])[] = [
    [
      `insert into konstruct.conversations (tenant_id, connection_id, channel_id, thread_id, scope, created_at,
         last_message_at)
       select $1, $2, 'C' || n % 500, 'past-' || n, 'channel', now() - interval '500 days',
         now() - n * interval '1 minute'
       from generate_series(1, $3::int) n`,
      [tenantId, connectionId, options.conversations],
    ],
    [
      `insert into konstruct.turns (tenant_id, conversation_id, agent_id, status, started_at, committed_at, finished_at)
       select c.tenant_id, c.id, $1, 'answered', at, at, at
       from konstruct.conversations c, generate_series(1, $2::int) t,
         lateral (select c.last_message_at - (t - 1) * interval '1 hour' as at)`,
      [agentId, turnsPerConversation],
    ],
    [
      `insert into konstruct.messages (tenant_id, conversation_id, connection_id, channel_id, external_id, event_id,
         direction, sender_id, content, addressed, turn_id, sent_at, received_at)
       select t.tenant_id, t.conversation_id, $1, c.channel_id, d || '-' || t.id, d || 'Ev' || t.id, d, 'U' || t.id % 50,
         repeat('words ', 10), d = 'in', t.id, t.finished_at, t.finished_at
       from konstruct.turns t
       join konstruct.conversations c on c.tenant_id = t.tenant_id and c.id = t.conversation_id,
       unnest(array['in', 'out']) d`,
      [connectionId],
    ],
    [
      `insert into konstruct.steps (tenant_id, turn_id, position, kind, outcome, started_at, duration_ms)
       select tenant_id, id, 0, 'model', 'stop', started_at, 1000 from konstruct.turns`,
      [],
    ],
    [
      `insert into konstruct.deliveries (tenant_id, turn_id, kind, channel_id, status, created_at)
       select tenant_id, id, kind, 'C1', 'sent', started_at
       from konstruct.turns, unnest(array['placeholder', 'answer']) kind`,
      [],
    ],
  ];
  const loader = new pg.Client({ connectionString: database.url });
  await loader.connect();
  try {
    // Foreign keys hold by construction; checking a million of them takes longer than writing the rows.
    await loader.query('set session_replication_role = replica');
    await loader.query('set synchronous_commit = off');
    for (const [text, values] of statements) await loader.query(text, [...values]);
    await loader.query('vacuum analyze');
  } finally {
    await loader.end();
  }
}

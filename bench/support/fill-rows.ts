import pg from 'pg';

/**
 * Fills a migrated database with so many answered conversations of one message each, spread evenly over all connections
 * and over the last 100 days. A million take about a minute.
 */
export async function fillRows(url: string, conversations: number): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    // Foreign keys hold by construction; checking millions of them takes longer than writing the rows.
    await client.query('set session_replication_role = replica');
    await client.query('set synchronous_commit = off');
    await client.query("set maintenance_work_mem = '256MB'");
    await client.query(
      `with k as (
         select tenant_id, id, row_number() over (order by id) - 1 as place, count(*) over () as count
         from konstruct.connections
       )
       insert into konstruct.conversations (tenant_id, connection_id, channel_id, thread_id, scope, created_at,
         last_message_at)
       select k.tenant_id, k.id, 'C' || n % 10, 'old-' || n, 'channel', at, at
       from generate_series(1, $1::bigint) n
       join k on k.place = n % k.count,
       lateral (select now() - n * (interval '100 days' / $1) as at) t`,
      [conversations],
    );
    await client.query(
      `insert into konstruct.turns (tenant_id, conversation_id, agent_id, status, started_at, committed_at, finished_at)
       select c.tenant_id, c.id, k.agent_id, 'answered', c.created_at, c.created_at, c.created_at
       from konstruct.conversations c
       join konstruct.connections k on k.tenant_id = c.tenant_id and k.id = c.connection_id`,
    );
    await client.query(
      `insert into konstruct.messages (tenant_id, conversation_id, connection_id, channel_id, external_id, event_id,
         direction, sender_id, content, addressed, turn_id, sent_at, received_at)
       select t.tenant_id, t.conversation_id, c.connection_id, c.channel_id, 'm-' || t.id, 'EvOLD' || t.id, 'in',
         'U' || t.id % 50, repeat('What was said here. ', 8), true, t.id, t.started_at, t.started_at
       from konstruct.turns t
       join konstruct.conversations c on c.tenant_id = t.tenant_id and c.id = t.conversation_id`,
    );
    await client.query('vacuum analyze');
  } finally {
    await client.end();
  }
}

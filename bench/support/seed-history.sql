-- An installation that has been at work for a while: 20,000 answered conversations, spread over all connections, with
-- as many turns each as the caller has set. On an empty database PostgreSQL plans for empty tables, and what is measured is
-- how soon it notices. Foreign keys hold by construction; checking millions of them takes longer than writing the rows.
set session_replication_role = replica;
set synchronous_commit = off;
insert into konstruct.conversations (tenant_id, connection_id, channel_id, thread_id, scope, engaged_until, last_message_at)
select k.tenant_id, k.id, 'C0OLD' || number % 10, '1700000000.' || lpad(number::text, 6, '0'), 'channel',
  now() - interval '1 day', now() - interval '1 day'
from konstruct.connections k, generate_series(1, 100) number;

insert into konstruct.turns (tenant_id, conversation_id, agent_id, reply_thread_id, status, started_at, committed_at,
  finished_at)
select c.tenant_id, c.id, k.agent_id, c.thread_id, 'answered', c.last_message_at, c.last_message_at, c.last_message_at
from konstruct.conversations c
join konstruct.connections k on k.tenant_id = c.tenant_id and k.id = c.connection_id,
generate_series(1, current_setting('bench.turns')::integer);

insert into konstruct.messages (tenant_id, conversation_id, connection_id, channel_id, external_id, event_id, direction,
  sender_id, content, addressed, reply_thread_id, turn_id, sent_at)
select t.tenant_id, t.conversation_id, c.connection_id, c.channel_id,
  case direction when 'in' then '' else '18' end || c.thread_id || '.' || t.id,
  case direction when 'in' then 'EvOLD' || t.id end, direction, 'U0PERSON0', repeat('What was said here. ', 8),
  direction = 'in', t.reply_thread_id, t.id, t.started_at
from konstruct.turns t
join konstruct.conversations c on c.tenant_id = t.tenant_id and c.id = t.conversation_id
cross join unnest(array['in', 'out']) direction;

insert into konstruct.steps (tenant_id, turn_id, position, kind, outcome, provider, model, started_at, duration_ms)
select t.tenant_id, t.id, 0, 'model', 'stop', 'openai-compatible', 'bench', t.started_at, 200
from konstruct.turns t;

insert into konstruct.deliveries (tenant_id, turn_id, kind, channel_id, thread_id, content, status, attempts,
  external_id, sent_at)
select t.tenant_id, t.id, kind, c.channel_id, c.thread_id, repeat('What was said here. ', 8),
  'sent', 1, '18' || c.thread_id || '.' || t.id, t.started_at
from konstruct.turns t
join konstruct.conversations c on c.tenant_id = t.tenant_id and c.id = t.conversation_id
cross join unnest(array['placeholder', 'answer']) kind;

set session_replication_role = origin;
analyze;

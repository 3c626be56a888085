-- Holds a message of which not everybody knows whose it is, until the end of the transaction: who records its id and who
-- keeps a wish for it would otherwise both look before the other has committed, and the wish would be lost. An advisory lock,
-- because there is no row yet. Several are held in the order of connection, channel and id.
create or replace function konstruct.hold_message(p_connection_id uuid, p_channel_id text, p_external_id text)
  returns void
  language sql security definer
  set search_path = konstruct, pg_temp
as $$
  select pg_advisory_xact_lock(hashtextextended(concat_ws(' ', p_connection_id, p_channel_id, p_external_id), 21))
$$;

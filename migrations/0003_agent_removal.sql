-- An agent that has answered can be removed: what it answered stays, without naming it.
-- (src/stores/agents.ts hands turns that are under way over to the agent that the connection names now.)
alter table konstruct.turns
  alter column agent_id drop not null,
  drop constraint turns_tenant_id_agent_id_fkey,
  add foreign key (tenant_id, agent_id) references konstruct.agents (tenant_id, id) on delete set null (agent_id);

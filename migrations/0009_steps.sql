-- Which tools an agent may use, by name. Null: all that are built in (src/tools/).
alter table konstruct.agents add column tools text[] check (array_position(tools, null) is null);

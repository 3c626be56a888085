-- A backup reads every table as konstruct_pipeline (src/db/backup): row-level security holds for the owner as well, and
-- not every operator's user is a superuser. What is in this table stays encrypted.
grant select on konstruct.model_keys to konstruct_pipeline;

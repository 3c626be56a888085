-- A notice that the platform refused for a moment is tried again, three times in all (claim_notices).
drop index konstruct.deliveries_notices;
create index deliveries_notices on konstruct.deliveries (id) where kind = 'notice' and attempts < 3;

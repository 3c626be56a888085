-- A budget that is smaller than one call is not exhausted: it never allows one.
alter table konstruct.operator_notices
  drop constraint operator_notices_kind_check,
  add constraint operator_notices_kind_check
    check (kind in ('budget_threshold', 'budget_exhausted', 'budget_too_small'));

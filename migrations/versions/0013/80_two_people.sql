-- Decisions of two people: proposed by one, decided once by another. What was proposed stays as it was, what was decided
-- stays decided, and who and when is the session's word. A table has these columns; its policies say who may do which.

create table itm.proposal (
  proposed_at timestamp with time zone default now() not null,
  proposed_by uuid not null,
  proposer_institution_id uuid not null,
  decided_at timestamp with time zone,
  decided_by uuid,
  decider_institution_id uuid,
  decision varchar,
  constraint decided_or_not check (num_nulls(decision, decided_by, decided_at, decider_institution_id) in (0, 4))
);
comment on table itm.proposal is 'The columns of a decision of two. Without rows: other tables are made like it.';
alter table itm.proposal enable row level security;
alter table itm.proposal force row level security;
revoke all on itm.proposal from public;

-- The first argument says who the second person is: another, one of another institution, or one independent of the first.
-- The others are columns that are written later, each once.
create function itm.two_people() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  decided constant text[] := '{decision,decided_at,decided_by,decider_institution_id}';
  stamps constant text[] := '{updated_at,updated_by,row_version}';
  before jsonb;
  after constant jsonb := to_jsonb(new);
begin
  if tg_op = 'INSERT' then
    if current_user = 'itm_app' then
      new.proposed_at := now();
      new.proposed_by := itm.account();
      new.proposer_institution_id := itm.home();
    end if;
    return new;
  end if;
  before := to_jsonb(old);
  if before - decided - stamps - tg_argv[1:] is distinct from after - decided - stamps - tg_argv[1:] then
    raise exception using errcode = 'restrict_violation', message = 'what was proposed stays as it was';
  end if;
  if exists (select from unnest(tg_argv[1:]) name where before -> name <> 'null' and before -> name is distinct from after -> name)
     or (old.decision is not null and (new.decided_at, new.decided_by, new.decider_institution_id)
                                      is distinct from (old.decided_at, old.decided_by, old.decider_institution_id)) then
    raise exception using errcode = 'restrict_violation', message = 'what was decided stays decided';
  end if;
  if old.decision is null and new.decision is not null then
    if current_user = 'itm_app' then
      new.decided_at := now();
      new.decided_by := itm.account();
      new.decider_institution_id := itm.home();
    end if;
    if (new.decided_by <> new.proposed_by
        and (tg_argv[0] <> 'institution' or new.decider_institution_id <> new.proposer_institution_id)
        and (tg_argv[0] <> 'independent' or session_user <> 'itm_app' or itm.is_independent(new.proposed_by, new.decided_by))) is not true then
      raise exception using errcode = 'restrict_violation', message = 'who proposed it does not decide it';
    end if;
  end if;
  return new;
end $$;

create function itm.keep_decision(relation text, second text, later text[] default '{}') returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if second not in ('another', 'institution', 'independent') or second is null then
    raise exception 'the second person is another, of another institution, or independent: %', second;
  end if;
  perform itm.keep_rule(relation, 'a_decision', 'before insert or update', format('itm.two_people(%L%s)', second,
    (select coalesce(string_agg(', ' || quote_literal(name), '' order by n), '') from unnest(later) with ordinality as u (name, n))));
  perform itm.keep_states(relation, 'decision', '{>none,none>approved,none>rejected}');
end $$;

revoke all on function itm.two_people, itm.keep_decision from public;

drop trigger a_decision on public.ledger_decision;
drop function itm.decision_rules();
select itm.keep_decision('ledger_decision', 'institution', '{carried_out_at,outcome}');
select itm.keep_states('ledger_decision', 'outcome', '{>none,none>done,none>failed}');

-- A person at work decides about power, ledgers and a person's end with a second factor of the last minutes: an open session that
-- somebody finds is not enough. The gate asks for five minutes; here is a minute more, for the time that a request takes.

-- Under which session each such act stands: what itm.enter proved, whatever the statement said. Functions alone write and read it.
create table itm.act_session (
  relation text not null,
  record uuid not null,
  session uuid not null,
  account uuid not null,
  factor_at timestamp with time zone not null,
  at timestamp with time zone default now() not null,
  primary key (relation, record, session),
  unique (relation, record, account)
);
comment on table itm.act_session is 'Who proposed, approved, decided or erased: session, account and last second factor, as they were proved.';
comment on column itm.act_session.account is 'The person; kept as long as the record that the act is about.';
revoke all on itm.act_session from public;

-- A person acts in a session that stands at this moment, and nobody has both halves. Keys of programs propose and decide
-- nothing. A command states itself (`itm init`, the demonstration): it was let in by the owner's login.
create function itm.factor_is_fresh() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as
$$
declare
  facts constant text := current_setting('backtrace_functions');
  about constant text := case tg_table_name when 'grant_approval' then 'role_grant' else tg_table_name end;
  object constant uuid := coalesce(to_jsonb(new) ->> 'grant_id', to_jsonb(new) ->> 'id')::uuid;
  factor timestamptz;
begin
  if session_user <> 'itm_app' or starts_with(facts, 'itm_c,') then
    return new;
  end if;
  select s.factor_at into factor from public.account_session s
   where s.id = itm.session() and s.account_id = itm.account() and s.ended_at is null and s.ends_at > now();
  if not found then
    raise exception using errcode = 'insufficient_privilege', message = 'this takes a person''s own session';
  elsif coalesce(extract(epoch from now() - factor), 'infinity') > 360 then
    raise exception using errcode = 'insufficient_privilege', message = 'this takes a second factor of the last minutes';
  elsif exists (select from itm.act_session a where a.relation = about and a.record = object
                   and (a.session = itm.session() or a.account = itm.account())) then
    raise exception using errcode = 'restrict_violation', message = 'the other half is another person''s, in another session';
  end if;
  insert into itm.act_session (relation, record, session, account, factor_at)
  values (about, object, itm.session(), itm.account(), factor);
  return new;
end $$;
revoke all on function itm.factor_is_fresh from public;

create trigger c_fresh_factor before insert on public.grant_approval for each row execute function itm.factor_is_fresh();
create trigger c_fresh_factor before insert on public.ledger_decision for each row execute function itm.factor_is_fresh();
create trigger c_fresh_decision before update on public.ledger_decision for each row
  when (old.decision is distinct from new.decision) execute function itm.factor_is_fresh();
create trigger c_fresh_factor before insert on public.role_grant for each row execute function itm.factor_is_fresh();
create trigger c_fresh_factor before update on public.access_change for each row
  when (old.state = 'waiting' and new.state in ('done', 'refused')) execute function itm.factor_is_fresh();
create trigger c_fresh_factor before update on public.person for each row
  when (old.erased_at is null and new.erased_at is not null) execute function itm.factor_is_fresh();
alter table public.grant_approval enable always trigger c_fresh_factor;
alter table public.ledger_decision enable always trigger c_fresh_factor, enable always trigger c_fresh_decision;
alter table public.role_grant enable always trigger c_fresh_factor;
alter table public.access_change enable always trigger c_fresh_factor;
alter table public.person enable always trigger c_fresh_factor;

-- What the person at work revealed since the sign-in, the newest first: of the present session and of those that it renewed.
create function itm.revealed_here() returns table (kind text, record text)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  with recursive here as (
      select s.id, s.account_id, s.begun_at from public.account_session s where s.id = itm.session()
      union
      select b.id, b.account_id, b.begun_at from public.account_session b
        join here h on b.account_id = h.account_id and b.why = 'renewed' and b.ended_at = h.begun_at
    )
  select e.target_kind, e.target_id from audit.event e
   where e.actor_id = itm.account()::text and e.action = 'record.reveal' and e.outcome = 'success'
     and e.at >= (select min(h.begun_at) from here h)
   group by e.target_kind, e.target_id order by max(e.at) desc
$$;

-- Whose values a record holds: the person's, or the case's. A record that is not there, or not for this person, stands for itself.
create function itm.whose_values(kind text, record uuid) returns uuid
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  kept itm.kept;
  row_values jsonb;
begin
  select k.* into kept from itm.kept k where k.kind = whose_values.kind;
  if kept.relation is null or kept.about is null then
    return record;
  end if;
  execute format('select to_jsonb(r) from public.%I r where r.id = $1', kept.relation) into row_values using record;
  return coalesce(itm.at_end_of(kept.about, row_values),
    (select l.person_id from public.case_person l where l.id = record), record);
end $$;

-- Is this a reveal of more than one person? Values of somebody else were shown since the sign-in, and the last second
-- factor is older than five minutes.
create function itm.reveal_takes_factor(kind text, record uuid) returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  before record;
begin
  if itm.session() is null or coalesce(itm.factor_age(), 'infinity') <= 300 then
    return false;
  end if;
  for before in select r.kind, r.record from itm.revealed_here() r loop
    if itm.whose_values(before.kind, before.record::uuid) is distinct from itm.whose_values(reveal_takes_factor.kind, reveal_takes_factor.record) then
      return true;
    end if;
  end loop;
  return false;
end $$;
revoke all on function itm.revealed_here, itm.whose_values, itm.reveal_takes_factor from public;
grant execute on function itm.revealed_here, itm.whose_values, itm.reveal_takes_factor to itm_app;

-- Who has a factor shows it before another one is added, confirmed or removed, or new recovery codes are made: also SQL after the
-- right password alone, or in an old session. Of the first sign-in the factor is from this very transaction.
create function itm.had_factor(who uuid) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select exists (select from public.second_factor f where f.account_id = who and f.confirmed_at < now() and f.ended_at is null)
$$;
create function itm.own_factor_is_fresh() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as
$$ begin
  if current_user = 'itm_app' and itm.session() is not null and coalesce(itm.factor_age(), 'infinity') > 360
     and itm.had_factor(itm.account()) then
    raise exception using errcode = 'insufficient_privilege', message = 'this takes a second factor of the last minutes';
  end if;
  return new;
end $$;
revoke all on function itm.had_factor, itm.own_factor_is_fresh from public;
grant execute on function itm.had_factor to itm_app;
create trigger c_fresh_factor before insert on public.second_factor for each row execute function itm.own_factor_is_fresh();
create trigger c_fresh_change before update on public.second_factor for each row
  when (old.confirmed_at is distinct from new.confirmed_at or old.ended_at is distinct from new.ended_at) execute function itm.own_factor_is_fresh();
create trigger c_fresh_codes before insert on public.recovery_codes for each row execute function itm.own_factor_is_fresh();
create trigger c_fresh_change before update on public.recovery_codes for each row
  when (not new.digests <@ old.digests) execute function itm.own_factor_is_fresh();
alter table public.second_factor enable always trigger c_fresh_factor, enable always trigger c_fresh_change;
alter table public.recovery_codes enable always trigger c_fresh_codes, enable always trigger c_fresh_change;

set constraints all immediate; -- entries that an upgrade from before has just made are sealed: audit.event gets a trigger here
set constraints all deferred;

-- Half a session (the password is proved, the second factor is missing) is nobody at work. itm.enter gives it no account, no home and no
-- scope, so that no policy and no function knows it, but for those that name itm.at_second_step(): they are what the second step needs.
-- What is added to the database later is shut to it until somebody opens it by that name.
create function itm.at_second_step() returns uuid language plpgsql stable parallel safe as
$$ begin return nullif(pg_catalog.split_part(pg_catalog.current_setting('backtrace_functions'), ',', 12), '')::uuid; end $$;
comment on function itm.at_second_step is 'The account whose password is proved and whose second factor is missing; NULL in every other case.';
revoke all on function itm.at_second_step from public;
grant execute on function itm.at_second_step to itm_app, itm_signer, itm_purger;

-- itm.enter of 0015/30, and the lines with `half`.
create or replace function itm.enter(secret bytea, wanted text, reading text default null) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  p record;
  g record;
  key text;
  half boolean;
begin
  select s.id, s.factor_at, a.id as account, a.institution_id as home, a.username, i.code into p
    from public.account_session s
    join public.account a on a.id = s.account_id and a.active
    join public.institution i on i.id = a.institution_id and i.status = 'active'
   where s.secret_digest = sha256(secret) and s.ends_at > now() and s.seen_at > now() - s.idle
     and (s.ended_at is null and s.epoch = a.epoch or s.ended_at = now());
  if p.id is null then
    select k.key as id, null::timestamp with time zone as factor_at, k.account, k.home, k.username, k.code into p
      from itm.key_of(secret, nullif(current_setting('audit.context', true), '')::jsonb ->> 'address') k where k.refused is null;
    key := (select concat('api_key ', k.id, ' ', k.name) from public.api_key k where k.id = p.id);
  end if;
  half := key is null and p.factor_at is null and itm.factor_needed();
  if p.id is not null and (key is not null and coalesce(wanted, 'login') <> 'login'
       or key is null and (wanted is not distinct from 'login' or not half)) then
    select count(*) filter (where wanted = any (t.scopes)) as n, string_agg(distinct t.role, ',' order by t.role) as roles,
           max(t.reads) filter (where wanted = any (t.scopes)) as reads,
           array_agg(h.unit_id) filter (where t.covers = 'unit' and wanted = any (t.scopes)) as unit,
           array_agg(h.unit_id) filter (where t.covers = 'manage' and wanted = any (t.scopes)) as manage,
           array_agg(h.unit_id) filter (where t.covers in ('unit', 'assigned') and wanted = any (t.scopes)) as work,
           bool_or(t.covers = 'assigned' and wanted = any (t.scopes)) as assigned, bool_or(t.assigns and wanted = any (t.scopes)) as assigns,
           bool_or(t.role = 'auditor_national' and wanted = 'audit') as national,
           bool_or(t.role = 'presidency_supervisor' and wanted = 'oversight') as approves
      into g
      from public.role_grant h join itm.role_table() t on t.role = h.role
     where h.account_id = p.account and h.state = 'active' and (wanted is null or wanted = 'login' or wanted = any (t.scopes));
    if wanted is null or wanted = 'login' or g.n > 0 then
      perform set_config('backtrace_functions', concat('itm_1,', case when not half then
        concat(wanted, ',', replace(p.home::text, '-', ''), ',', replace(p.account::text, '-', '')) else ',,' end, ',',
        replace(p.id::text, '-', ''), ',',
        case when array_position(g.unit, null) > 0 then 'all' when g.unit is not null then itm.reach(p.home, g.unit) end, ',',
        case when array_position(g.manage, null) > 0 then 'all' when g.manage is not null then itm.reach(p.home, g.manage) end, ',',
        case when array_position(g.work, null) > 0 then 'all' when g.work is not null then itm.reach(p.home, g.work) end, ',',
        case when g.assigned then 'a' end, case when g.assigns then 's' end, case when g.national then 'n' end, case when g.approves then 'p' end,
        case when key is not null then 'k' end, ',',
        floor(extract(epoch from p.factor_at)), ',',
        encode(convert_to(jsonb_build_object('ledger', p.home, 'reads',
          case when half then 'none' when reading = 'actor' then 'actor' else (array['none', 'actor', 'ledger', 'all'])[1 + coalesce(g.reads, 0)] end,
          'on_behalf_of', key,
          'actor', jsonb_build_object('user', p.account, 'name', p.username, 'institution', p.code, 'role', g.roles))::text, 'UTF8'), 'hex'),
        case when half then concat(',', replace(p.account::text, '-', '')) end), true);
      return true;
    end if;
  end if;
  perform set_config('backtrace_functions', '', true);
  return false;
end $$;

-- The own factors, to show one; where the account has none, to set one up (itm.own_factor_is_fresh refuses it to all others).
create policy factor_at_second_step on public.second_factor for select to itm_app using (account_id = (select itm.at_second_step()));
create policy first_factor on public.second_factor for insert to itm_app with check (account_id = (select itm.at_second_step()));
create policy first_factor_anew on public.second_factor for update to itm_app
  using (account_id = (select itm.at_second_step())) with check (account_id = (select itm.at_second_step()));
create policy codes_at_second_step on public.recovery_codes for select to itm_app using (account_id = (select itm.at_second_step()));
create policy first_codes on public.recovery_codes for insert to itm_app with check (account_id = (select itm.at_second_step()));
create policy first_codes_anew on public.recovery_codes for update to itm_app
  using (account_id = (select itm.at_second_step())) with check (account_id = (select itm.at_second_step()));
create policy challenge_at_second_step on public.passkey_challenge for all to itm_app
  using (account_id = (select itm.at_second_step())) with check (account_id = (select itm.at_second_step()));
-- This session alone: it is left, and its own row is read.
create policy session_at_second_step on public.account_session for select to itm_app
  using (id = (select itm.session()) and account_id = (select itm.at_second_step()));
create policy session_is_left on public.account_session for update to itm_app
  using (id = (select itm.session()) and account_id = (select itm.at_second_step()))
  with check (account_id = (select itm.at_second_step()));
-- The page that sets up a new factor says that the lost ones were ended.
create policy lost_at_second_step on public.access_change for select to itm_app
  using (account_id = (select itm.at_second_step()) and kind = 'factors');

-- The key under which the secrets of apps are sealed.
create policy key_of_second_step on public.institution_key for select to itm_owner
  using (institution_id = (select a.institution_id from public.account a where a.id = (select itm.at_second_step())));
do $$
declare
  change record;
  body text;
begin
  for change in select * from (values
    ('itm.institution_keys', 'where a.id = itm.account()) end;',
     'where a.id = itm.account()) else (select a.institution_id from public.account a where a.id = itm.at_second_step()) end;'),
    -- Refused tries that were counted become entries when their person comes, which is at the second step.
    ('itm.tallies_over', 'o.account_id = itm.account()', 'o.account_id = coalesce(itm.account(), itm.at_second_step())')) c(name, was, is_now) loop
    body := pg_get_functiondef(change.name::regproc);
    if strpos(body, change.was) = 0 then
      raise exception '% is another one than this migration expects', change.name;
    end if;
    execute replace(body, change.was, change.is_now);
  end loop;
end $$;

-- Of its own it tells the ledger what was refused, that the second step failed, and that it was left. What the database tells by itself
-- comes out of another trigger.
create function itm.second_step_tells() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if pg_trigger_depth() = 1 and (new.outcome = 'denied' or new.target_id = itm.at_second_step()::text
        and (new.action = 'auth.logout' or new.action = 'auth.login' and new.outcome = 'failure')) is not true then
    raise exception using errcode = 'insufficient_privilege', message = 'the second factor comes first';
  end if;
  return new;
end $$;
revoke all on function itm.second_step_tells from public;
create trigger a_second_step before insert on audit.event for each row
  when (new.via = 'append' and itm.at_second_step() is not null) execute function itm.second_step_tells();
alter table audit.event enable always trigger a_second_step;

-- The reason why a session ended: its person says that it was left, here or elsewhere; every other reason belongs to what ended it.
create function itm.own_reason() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if current_user = 'itm_app' and new.why not in ('signed_out', 'elsewhere') then
    raise exception using errcode = 'restrict_violation', message = 'a person ends a session by leaving it';
  end if;
  return new;
end $$;
revoke all on function itm.own_reason from public;
create trigger z_own_reason before update of why on public.account_session for each row execute function itm.own_reason();
alter table public.account_session enable always trigger z_own_reason;
create or replace function itm.end_session(secret bytea, reason text) returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$
  update public.account_session s set why = reason
   where s.secret_digest = sha256(secret) and s.ended_at is null and reason in ('signed_out', 'renewed')
$$;

-- itm.open_session of 0015/84, also for the second step: it is the account's own while its session begins, and no longer.
create or replace function itm.open_session(digest bytea, methods text[], factor_age interval, idle interval, lasts interval, address text, device text,
                                 instead_of uuid default null, at bigint default null, mac bytea default null)
returns uuid language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  facts constant text := current_setting('backtrace_functions');
  parts text[] := string_to_array(facts, ',');
  who constant uuid := coalesce(itm.account(), itm.at_second_step());
  home constant uuid := (select a.institution_id from public.account a where a.id = who);
  before public.account_session;
  opened uuid;
begin
  if who is null or not itm.is_command() and itm.is_claim(concat_ws(' ', 'open', who, encode(digest, 'hex'),
       array_to_string(methods, ','), coalesce(floor(extract(epoch from factor_age))::text, '-'), coalesce(instead_of::text, '-')), at, mac) is not true then
    raise exception using errcode = 'insufficient_privilege', message = 'this is no claim of the web server';
  end if;
  if itm.at_second_step() is not null then
    if instead_of is distinct from itm.session() then
      raise exception using errcode = 'insufficient_privilege', message = 'the second step makes its own session whole';
    end if;
    parts[2:4] := array['door', replace(home::text, '-', ''), replace(who::text, '-', '')];
    perform set_config('backtrace_functions', array_to_string(parts, ','), true);
  end if;
  if instead_of is not null then
    select * into before from public.account_session s
     where s.id = instead_of and s.account_id = who and s.ended_at is null and s.ends_at > now()
       and s.seen_at > now() - s.idle for update;
    if before.id is null then
      raise exception using errcode = 'restrict_violation', message = 'an ended session stays ended';
    end if;
    update public.account_session s set why = 'renewed' where s.id = before.id;
  end if;
  insert into public.account_session (institution_id, account_id, epoch, secret_digest, methods, factor_at, idle, ends_at, address, device)
  values (home, who, 0, digest,
          array(select distinct m from unnest(before.methods || open_session.methods) m order by m),
          coalesce(now() - factor_age, before.factor_at), open_session.idle,
          case when before.id is null or before.factor_at is null and itm.factor_needed() then now() + lasts else before.ends_at end,
          left(open_session.address, 60), left(open_session.device, 60))
  returning id into opened;
  perform set_config('backtrace_functions', facts, true);
  return opened;
end $$;

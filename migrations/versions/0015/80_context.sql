-- Nobody states who is at work any more: what stands in itm.context counts for nothing, whoever wrote it. The functions
-- below read the protected setting alone. It is written by itm.enter (a session's secret), by itm.enter_command (a secret
-- that the owner's login gave to a command), and, while they run, by the functions of the door (82_door.sql).

drop policy account_login on public.account;
drop policy credential_own on public.credential;
drop policy invitation_redeem on public.invitation;
drop policy invitation_use on public.invitation;
drop policy factor_of_passkey on public.second_factor;
drop policy challenge_login on public.passkey_challenge;
create policy challenge_own on public.passkey_challenge for all to itm_app
  using ((select itm.scope()) = 'login' and account_id = (select itm.account()))
  with check ((select itm.scope()) = 'login' and account_id = (select itm.account()));
drop function itm.context(), itm.login_name(), itm.token();

create or replace function itm.scope() returns text language plpgsql stable parallel safe as
$$ begin return nullif(pg_catalog.split_part(pg_catalog.current_setting('backtrace_functions'), ',', 2), ''); end $$;

create or replace function itm.home() returns uuid language plpgsql stable parallel safe as
$$ begin return nullif(pg_catalog.split_part(pg_catalog.current_setting('backtrace_functions'), ',', 3), '')::uuid; end $$;

create or replace function itm.account() returns uuid language plpgsql stable parallel safe as
$$ begin return nullif(pg_catalog.split_part(pg_catalog.current_setting('backtrace_functions'), ',', 4), '')::uuid; end $$;

create or replace function itm.institution() returns uuid language plpgsql stable parallel safe as
$$ begin return case when pg_catalog.split_part(pg_catalog.current_setting('backtrace_functions'), ',', 2) = 'institution'
  then nullif(pg_catalog.split_part(pg_catalog.current_setting('backtrace_functions'), ',', 3), '') end::uuid; end $$;

create or replace function itm.everywhere(level text) returns boolean language plpgsql stable parallel safe as
$$ begin return pg_catalog.split_part(pg_catalog.current_setting('backtrace_functions'), ',',
  case level when 'unit' then 6 when 'manage' then 7 when 'create' then 8 else 99 end) = 'all'; end $$;

create or replace function itm.units(level text) returns uuid[] language plpgsql stable parallel safe as
$$ begin return pg_catalog.string_to_array(nullif(pg_catalog.split_part(pg_catalog.current_setting('backtrace_functions'), ',',
  case level when 'unit' then 6 when 'manage' then 7 when 'create' then 8 else 99 end), 'all'), '_')::uuid[]; end $$;

create or replace function itm.flag(letter text, name text) returns boolean language plpgsql stable parallel safe as
$$ begin return pg_catalog.strpos(pg_catalog.split_part(pg_catalog.current_setting('backtrace_functions'), ',', 9), letter) > 0; end $$;

-- A command at work, to which the owner's login gave what it may.
create function itm.is_command() returns boolean language plpgsql stable parallel safe as
$$ begin return pg_catalog.starts_with(pg_catalog.current_setting('backtrace_functions'), 'itm_c,'); end $$;

-- Nobody is at work from here on.
create function itm.leave() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$ begin perform set_config('backtrace_functions', '', true); end $$;

-- The web server's word is request, route, address and purpose, and nothing else: without a proof there is no ledger, no actor and
-- nothing to read. The other logins are the machine's own (signer, purger, owner) and say for themselves who they are.
create or replace function audit.context() returns jsonb language plpgsql stable as
$$
declare
  said constant jsonb := nullif(pg_catalog.current_setting('audit.context', true), '')::jsonb;
  proved jsonb;
begin
  if pg_catalog.current_setting('backtrace_functions') = '' then
    return case when session_user = 'itm_app' then said - '{ledger,actor,reads,on_behalf_of}'::text[] else said end;
  end if;
  proved := pg_catalog.convert_from(pg_catalog.decode(pg_catalog.split_part(pg_catalog.current_setting('backtrace_functions'), ',', 11), 'hex'), 'UTF8')::jsonb;
  if said ? 'actor' and not coalesce(said -> 'actor', '{}') ? 'name' then
    proved := proved #- '{actor,name}';
  end if;
  return coalesce(said, '{}') || proved;
end $$;

-- What commands may: stated by the owner's login, which may everything anyhow, and opened by a secret of an hour.
create table itm.command_door (
  secret_digest bytea primary key check (octet_length(secret_digest) = 32),
  name varchar not null,
  facts text not null,
  ends_at timestamp with time zone not null
);
revoke all on itm.command_door from public;

-- `at_work`: scope, institution, account, unit, manage and create ("*" or ids), assigned, assigns, national, approves.
-- `told`: ledger, actor and reads, for the ledger. Gives the secret.
create function itm.open_for_command(name text, at_work jsonb, told jsonb, lasts interval default '1 hour') returns bytea
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  secret constant bytea := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
begin
  delete from itm.command_door d where d.ends_at < now();
  insert into itm.command_door (secret_digest, name, facts, ends_at)
  values (sha256(secret), name, concat('itm_c,', at_work ->> 'scope', ',', replace(at_work ->> 'institution', '-', ''), ',', replace(at_work ->> 'account', '-', ''), ',,',
            itm.reach_stated(at_work -> 'unit'), ',', itm.reach_stated(at_work -> 'manage'), ',', itm.reach_stated(at_work -> 'create'), ',',
            case when (at_work ->> 'assigned')::boolean then 'a' end, case when (at_work ->> 'assigns')::boolean then 's' end,
            case when (at_work ->> 'national')::boolean then 'n' end, case when (at_work ->> 'approves')::boolean then 'p' end, ',,',
            encode(convert_to((told - '{request,purpose,address}'::text[])::text, 'UTF8'), 'hex')),
          now() + least(lasts, interval '1 day'));
  return secret;
end $$;

create function itm.reach_stated(units jsonb) returns text
language sql immutable set search_path = pg_catalog, pg_temp
as $$
  select case when units = '"*"' then 'all'
              when jsonb_typeof(units) = 'array' then (select replace(string_agg(u, '_'), '-', '') from jsonb_array_elements_text(units) u) end
$$;

create function itm.enter_command(secret bytea) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform set_config('backtrace_functions', coalesce((select d.facts from itm.command_door d
                       where d.secret_digest = sha256(secret) and d.ends_at > now()), ''), true);
  return current_setting('backtrace_functions') <> '';
end $$;

-- An entry has somebody who made it: a session, a command, or a function of the door.
do $$
declare
  text_before constant text := pg_get_functiondef('audit.append'::regproc);
  mark constant text := 'IF writers IS NULL THEN';
begin
  if strpos(text_before, mark) = 0 then
    raise exception 'audit.append is another one than this migration expects';
  end if;
  execute replace(text_before, mark, $x$IF session_user = 'itm_app' AND current_setting('backtrace_functions') = '' THEN
        RAISE EXCEPTION 'nobody is at work' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF writers IS NULL THEN$x$);
end $$;

-- Readiness: an entry can be written and sealed. It is rolled back, whoever asks.
create function itm.ledger_takes_entries() returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '3s'
as $$
declare
  before constant text := current_setting('backtrace_functions');
begin
  begin
    perform set_config('backtrace_functions', 'itm_d,,,,,,,,,,7b7d', true);
    perform audit.append(action => 'alert.raise', target_kind => 'readiness', to_presidency => true);
    set constraints all immediate;
    raise exception using errcode = 'ITM00';
  exception when sqlstate 'ITM00' then
    null;
  end;
  perform set_config('backtrace_functions', before, true);
  return true;
end $$;

-- The ledger could not be written from then on, and can be now. Told sixty times an hour at most, since nobody has to be at work for it.
create function itm.ledger_is_back(since text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  before constant text := current_setting('backtrace_functions');
begin
  if (select count(*) from audit.event e where e.at > now() - interval '1 hour' and e.action = 'alert.raise' and e.target_kind = 'ledger'
         and e.actor_id is null) >= 60 then
    return;
  end if;
  perform set_config('backtrace_functions', 'itm_d,,,,,,,,,,7b7d', true);
  perform audit.append(action => 'alert.raise', target_kind => 'ledger', to_presidency => true,
                       detail => jsonb_build_object('kind', 'ledger.unavailable', 'since', left(since, 40)));
  perform set_config('backtrace_functions', before, true);
end $$;

-- One institution's wrapped key, to see at a start that the master key is the one of the data. Without that it opens nothing.
create function itm.a_wrapped_key() returns table (institution uuid, wrapped bytea)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$ select k.institution_id, k.wrapped from public.institution_key k order by k.institution_id limit 1 $$;
create policy start_looks on public.institution_key for select to itm_owner using ((select session_user) = 'itm_app');

revoke all on function itm.is_command, itm.leave, itm.open_for_command, itm.reach_stated, itm.enter_command, itm.ledger_takes_entries,
  itm.ledger_is_back, itm.a_wrapped_key from public;
grant execute on function itm.is_command, itm.leave, itm.enter_command, itm.ledger_takes_entries, itm.ledger_is_back, itm.a_wrapped_key to itm_app;

-- What the installation is for is written by a command.
alter table itm.installation enable row level security, force row level security;
create policy everybody on itm.installation for select to itm_app, itm_owner, itm_signer using (true);
create policy commands on itm.installation for insert to itm_app with check ((select itm.is_command()));

-- Who is at work is proved, not stated: the web server gives a session's secret and a scope to itm.enter, which finds account,
-- rights and names and writes them where itm_app reads and cannot write: a superuser's setting, of which the owner alone got SET
-- (`itm database sql`). It ends with the transaction, like every statement of before. What is stated in itm.context counts
-- only where nothing was proved: before a sign-in, and in commands.

-- Facts, with commas between: mark, scope, institution, account, session, unit, manage, create, flags, factor's second, said for the ledger.
create or replace function itm.context() returns jsonb language plpgsql stable parallel safe as
$$ begin return case when pg_catalog.current_setting('backtrace_functions') = '' then nullif(pg_catalog.current_setting('itm.context', true), '')::jsonb end; end $$;

create or replace function itm.scope() returns text language plpgsql stable parallel safe as
$$ begin return case when pg_catalog.current_setting('backtrace_functions') <> ''
  then nullif(pg_catalog.split_part(pg_catalog.current_setting('backtrace_functions'), ',', 2), '')
  else nullif(pg_catalog.current_setting('itm.context', true), '')::jsonb ->> 'scope' end; end $$;

create or replace function itm.home() returns uuid language plpgsql stable parallel safe as
$$ begin return case when pg_catalog.current_setting('backtrace_functions') <> ''
  then nullif(pg_catalog.split_part(pg_catalog.current_setting('backtrace_functions'), ',', 3), '')
  else nullif(pg_catalog.current_setting('itm.context', true), '')::jsonb ->> 'institution' end::uuid; end $$;

create or replace function itm.account() returns uuid language plpgsql stable parallel safe as
$$ begin return case when pg_catalog.current_setting('backtrace_functions') <> ''
  then nullif(pg_catalog.split_part(pg_catalog.current_setting('backtrace_functions'), ',', 4), '')
  else nullif(pg_catalog.current_setting('itm.context', true), '')::jsonb ->> 'account' end::uuid; end $$;

create or replace function itm.institution() returns uuid language plpgsql stable parallel safe as
$$ begin return case when pg_catalog.current_setting('backtrace_functions') <> ''
  then case when pg_catalog.split_part(pg_catalog.current_setting('backtrace_functions'), ',', 2) = 'institution'
            then nullif(pg_catalog.split_part(pg_catalog.current_setting('backtrace_functions'), ',', 3), '') end
  else case when nullif(pg_catalog.current_setting('itm.context', true), '')::jsonb ->> 'scope' = 'institution'
            then pg_catalog.current_setting('itm.context', true)::jsonb ->> 'institution' end end::uuid; end $$;

-- The session that was proved; none before a sign-in and in commands.
create function itm.session() returns uuid language plpgsql stable parallel safe as
$$ begin return nullif(pg_catalog.split_part(pg_catalog.current_setting('backtrace_functions'), ',', 5), '')::uuid; end $$;

-- Seconds since its last second factor; NULL: there was none.
create function itm.factor_age() returns double precision language plpgsql stable parallel safe as
$$ begin return pg_catalog.date_part('epoch', pg_catalog.now())
  - nullif(pg_catalog.split_part(pg_catalog.current_setting('backtrace_functions'), ',', 10), '')::double precision; end $$;

create or replace function itm.everywhere(level text) returns boolean language plpgsql stable parallel safe as
$$ begin return case when pg_catalog.current_setting('backtrace_functions') <> ''
  then pg_catalog.split_part(pg_catalog.current_setting('backtrace_functions'), ',', case level when 'unit' then 6 when 'manage' then 7 when 'create' then 8 else 99 end) = 'all'
  else coalesce(nullif(pg_catalog.current_setting('itm.context', true), '')::jsonb -> level = '"*"'::jsonb, false) end; end $$;

create or replace function itm.units(level text) returns uuid[] language plpgsql stable parallel safe as
$$ begin return case when pg_catalog.current_setting('backtrace_functions') <> ''
  then pg_catalog.string_to_array(nullif(pg_catalog.split_part(pg_catalog.current_setting('backtrace_functions'), ',',
         case level when 'unit' then 6 when 'manage' then 7 when 'create' then 8 else 99 end), 'all'), '_')::uuid[]
  when pg_catalog.jsonb_typeof(nullif(pg_catalog.current_setting('itm.context', true), '')::jsonb -> level) = 'array'
  then array(select value::uuid from pg_catalog.jsonb_array_elements_text(pg_catalog.current_setting('itm.context', true)::jsonb -> level)) end; end $$;

create or replace function itm.flag(letter text, name text) returns boolean language plpgsql stable parallel safe as
$$ begin return case when pg_catalog.current_setting('backtrace_functions') <> ''
  then pg_catalog.strpos(pg_catalog.split_part(pg_catalog.current_setting('backtrace_functions'), ',', 9), letter) > 0
  else coalesce((nullif(pg_catalog.current_setting('itm.context', true), '')::jsonb ->> name)::boolean, false) end; end $$;

create or replace function itm.manages() returns boolean language plpgsql stable parallel safe as
$$ begin return itm.scope() = 'institution' and (itm.everywhere('manage') or itm.units('manage') <> '{}'); end $$;
create or replace function itm.approves() returns boolean language plpgsql stable parallel safe as
$$ begin return itm.scope() = 'oversight' and itm.flag('p', 'approves'); end $$;
create or replace function itm.national() returns boolean language plpgsql stable parallel safe as
$$ begin return itm.flag('n', 'national'); end $$;
create or replace function itm.assigns() returns boolean language plpgsql stable parallel safe as
$$ begin return itm.scope() = 'institution' and itm.flag('s', 'assigns'); end $$;

-- The roles' table (foundation/roles.py), as far as rights follow from it. A test compares the two. Without a pinned search path,
-- so that it becomes part of its caller's plan.
create function itm.role_table() returns table (role text, scopes text[], covers text, reads integer, assigns boolean)
language sql immutable parallel safe
as $$
  values ('focal_point', '{institution}'::text[], 'unit', 2, true),
         ('caseworker', '{institution}', 'assigned', 1, false),
         ('institution_manager', '{institution}', 'manage', 2, true),
         ('auditor_national', '{audit}', null, 3, false),
         ('auditor_institution', '{audit}', null, 2, false),
         ('presidency_operator', '{institution,oversight}', 'unit', 1, true),
         ('presidency_supervisor', '{oversight}', null, 0, false),
         ('system_administrator', '{accounts}', null, 0, false)
$$;

-- Where grants reach: all, if one covers the whole institution; else their units and those below, ids without hyphens joined by _.
create function itm.reach(home uuid, granted uuid[]) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
  return (with recursive below as (
      select u.id from public.unit u where u.id = any (granted) and u.institution_id = home
      union
      select u.id from public.unit u join below b on u.parent_id = b.id and u.institution_id = home
    ) select coalesce(replace(string_agg(b.id::text, '_'), '-', ''), '') from below b);
end $$;

-- Proves who is at work, by the secret of a session that stands, in a scope that one of the person's roles offers, or `login`: the own
-- account alone. False: nobody. A session that this very transaction ended still stands in it, for its own last entry.
-- `reading` narrows what is read of the ledger: `actor` is everybody's own acts. Three short statements whose plans are kept.
create function itm.enter(secret bytea, wanted text, reading text default null) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  p record;
  g record;
begin
  select s.id, s.factor_at, a.id as account, a.institution_id as home, a.username, i.code into p
    from public.account_session s
    join public.account a on a.id = s.account_id and a.active
    join public.institution i on i.id = a.institution_id and i.status = 'active'
   where s.secret_digest = sha256(secret) and s.ends_at > now() and s.seen_at > now() - s.idle
     and (s.ended_at is null and s.epoch = a.epoch or s.ended_at = now());
  if p.id is not null and (wanted is not distinct from 'login' or p.factor_at is not null or not itm.factor_needed()) then
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
      perform set_config('backtrace_functions', concat('itm_1,', wanted, ',', replace(p.home::text, '-', ''), ',', replace(p.account::text, '-', ''), ',',
        replace(p.id::text, '-', ''), ',',
        case when array_position(g.unit, null) > 0 then 'all' when g.unit is not null then itm.reach(p.home, g.unit) end, ',',
        case when array_position(g.manage, null) > 0 then 'all' when g.manage is not null then itm.reach(p.home, g.manage) end, ',',
        case when array_position(g.work, null) > 0 then 'all' when g.work is not null then itm.reach(p.home, g.work) end, ',',
        case when g.assigned then 'a' end, case when g.assigns then 's' end, case when g.national then 'n' end, case when g.approves then 'p' end, ',',
        floor(extract(epoch from p.factor_at)), ',',
        encode(convert_to(jsonb_build_object('ledger', p.home, 'reads',
          case when reading = 'actor' then 'actor' else (array['none', 'actor', 'ledger', 'all'])[1 + coalesce(g.reads, 0)] end,
          'actor', jsonb_build_object('user', p.account, 'name', p.username, 'institution', p.code, 'role', g.roles))::text, 'UTF8'), 'hex')), true);
      return true;
    end if;
  end if;
  perform set_config('backtrace_functions', '', true);
  return false;
end $$;

-- The ledger's actor is the proved one, whatever was said; request, purpose and address are the web server's word. An act that
-- another institution reads too names nobody (itm.as_seen_from_outside), and the proved name goes with it.
create or replace function audit.context() returns jsonb language plpgsql stable as
$$
declare
  said constant jsonb := nullif(pg_catalog.current_setting('audit.context', true), '')::jsonb;
  proved jsonb;
begin
  if pg_catalog.current_setting('backtrace_functions') = '' then
    return said;
  end if;
  proved := pg_catalog.convert_from(pg_catalog.decode(pg_catalog.split_part(pg_catalog.current_setting('backtrace_functions'), ',', 11), 'hex'), 'UTF8')::jsonb;
  if said ? 'actor' and not coalesce(said -> 'actor', '{}') ? 'name' then
    proved := proved #- '{actor,name}';
  end if;
  return coalesce(said, '{}') || proved;
end $$;

revoke all on function itm.session, itm.factor_age, itm.flag, itm.role_table, itm.reach, itm.enter from public;
grant execute on function itm.session, itm.factor_age, itm.flag, itm.enter to itm_app;

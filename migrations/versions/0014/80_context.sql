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

-- The roles' table (foundation/roles.py), as far as rights follow from it. A test compares the two.
create function itm.role_table() returns table (role text, scopes text[], covers text, reads integer, assigns boolean)
language sql immutable parallel safe set search_path = pg_catalog, pg_temp
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

-- Grants as the facts have them: all, or ids without hyphens joined by _.
create function itm.spread(every boolean, units uuid[]) returns text
language sql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$ select case when every then 'all' else coalesce(replace(array_to_string(units, '_'), '-', ''), '') end $$;

-- Proves who is at work, by the secret of a session that stands, in a scope that one of the person's roles offers, or `login`: the own
-- account alone. False: nobody. A session that this very transaction ended still stands in it, for its own last entry.
-- `reading` narrows what is read of the ledger: `actor` is everybody's own acts.
create function itm.enter(secret bytea, wanted text, reading text default null) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  facts text;
begin
  select array_to_string(array['itm_1', wanted, replace(a.institution_id::text, '-', ''), replace(a.id::text, '-', ''), replace(s.id::text, '-', ''),
           itm.spread(g.unit_all, g.unit), itm.spread(g.manage_all, g.manage), itm.spread(g.create_all, g.work),
           concat(case when g.assigned then 'a' end, case when g.assigns then 's' end, case when g.national then 'n' end, case when g.approves then 'p' end),
           floor(extract(epoch from s.factor_at))::text,
           encode(convert_to(jsonb_build_object('ledger', a.institution_id, 'reads',
             case when reading = 'actor' then 'actor' else (array['none', 'actor', 'ledger', 'all'])[1 + coalesce(g.reads, 0)] end,
             'actor', jsonb_build_object('user', a.id, 'name', a.username, 'institution', i.code, 'role', g.roles))::text, 'UTF8'), 'hex')], ',', '')
    into facts
    from public.account_session s
    join public.account a on a.id = s.account_id and a.active
    join public.institution i on i.id = a.institution_id and i.status = 'active'
    cross join lateral (
      select count(*) as n, string_agg(distinct h.role, ',' order by h.role) as roles, max(h.reads) filter (where h.scoped) as reads,
             bool_or(h.scoped and h.covers = 'unit' and h.unit_id is null) as unit_all,
             array(select distinct unnest(h2.below) from unnest(array_agg(h.id) filter (where h.scoped and h.covers = 'unit')) x (id)
                   cross join lateral itm.units_of_grant(x.id) h2 (below)) as unit,
             bool_or(h.scoped and h.covers = 'manage' and h.unit_id is null) as manage_all,
             array(select distinct unnest(h2.below) from unnest(array_agg(h.id) filter (where h.scoped and h.covers = 'manage')) x (id)
                   cross join lateral itm.units_of_grant(x.id) h2 (below)) as manage,
             bool_or(h.scoped and h.covers in ('unit', 'assigned') and h.unit_id is null) as create_all,
             array(select distinct unnest(h2.below) from unnest(array_agg(h.id) filter (where h.scoped and h.covers in ('unit', 'assigned'))) x (id)
                   cross join lateral itm.units_of_grant(x.id) h2 (below)) as work,
             bool_or(h.scoped and h.covers = 'assigned') as assigned, bool_or(h.scoped and h.assigns) as assigns,
             bool_or(h.scoped and h.role = 'auditor_national' and wanted = 'audit') as national,
             bool_or(h.scoped and h.role = 'presidency_supervisor' and wanted = 'oversight') as approves
        from (select g.id, g.unit_id, t.role, t.covers, t.reads, t.assigns, wanted = any (t.scopes) as scoped
                from public.role_grant g join itm.role_table() t on t.role = g.role
               where g.account_id = a.id and g.state = 'active'
                 and (wanted is null or wanted = 'login' or wanted = any (t.scopes))) h
    ) g
   where s.secret_digest = sha256(secret) and s.ends_at > now() and s.seen_at > now() - s.idle
     and (s.ended_at is null and s.epoch = a.epoch or s.ended_at = now())
     and (wanted is null or wanted = 'login' or g.n > 0)
     and (wanted is not distinct from 'login' or s.factor_at is not null or not itm.factor_needed());
  perform set_config('backtrace_functions', coalesce(facts, ''), true);
  return facts is not null;
end $$;

create function itm.units_of_grant(id uuid) returns uuid[]
language sql stable set search_path = pg_catalog, pg_temp
as $$
  with recursive below as (
    select u.id, u.institution_id from public.role_grant g join public.unit u on u.id = g.unit_id and u.institution_id = g.institution_id
     where g.id = units_of_grant.id
    union
    select u.id, u.institution_id from public.unit u join below b on u.parent_id = b.id and u.institution_id = b.institution_id
  ) select array(select b.id from below b)
$$;

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

revoke all on function itm.session, itm.factor_age, itm.flag, itm.role_table, itm.spread, itm.enter, itm.units_of_grant from public;
grant execute on function itm.session, itm.factor_age, itm.flag, itm.enter to itm_app;

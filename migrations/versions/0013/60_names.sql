-- What the house asks for any kind of record goes by the register: whether it is seen, its name, its parts, its reveal.

-- Written anew whenever a table is kept, with a statement for each, since the ledger's policies ask them for every entry.
create function itm.write_lookups() returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $body$
begin
  execute format('create or replace function itm.visible_kept(ids uuid[]) returns uuid[] language plpgsql stable'
                 ' set search_path = pg_catalog, pg_temp as %L',
    'begin return array[]::uuid[]' || coalesce((
      select string_agg(format(' || array(select r.id from public.%I r where r.id = any (ids))', k.relation), '' order by k.relation)
        from itm.kept k where not k.by_hand), '') || '; end');
  execute format('create or replace function itm.sees_kept(kind text, id uuid) returns boolean language plpgsql stable'
                 ' set search_path = pg_catalog, pg_temp as %L',
    'begin return case kind' || coalesce((
      select string_agg(format(' when %L then exists (select from public.%I r where r.id = sees_kept.id)', k.kind, k.relation), ''
                        order by k.relation)
        from itm.kept k where not k.by_hand), ' when '''' then false') || ' end; end');
end $body$;
select itm.write_lookups();
comment on function itm.visible_kept is 'Those of these ids that are kept records which the reader sees. Written by itm.write_lookups.';
comment on function itm.sees_kept is 'Whether the reader sees a kept record; null for another kind. Written by itm.write_lookups.';

create or replace function itm.visible(ids text[]) returns text[]
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  uuids uuid[];
  found text[];
  seen uuid[];
begin
  select coalesce(array_agg(i) filter (where i !~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'), '{}'),
         coalesce(array_agg(i::uuid) filter (where i ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'), '{}')
    into found, uuids from unnest(ids) i;
  -- One kind after the other, the frequent ones first: what is found is not looked for again.
  for kind in 1..10 loop
    exit when uuids = '{}';
    if kind = 1 then seen := array(select c.id from public.case_file c where c.id = any (uuids));
    elsif kind = 2 then seen := array(select p.id from public.person p where p.id = any (uuids));
    elsif kind = 3 then seen := array(select l.id from public.case_person l where l.id = any (uuids));
    elsif kind = 4 then seen := array(select v.id from public.victim_profile v where v.id = any (uuids));
    elsif kind = 5 then seen := array(select a.id from public.account a where a.id = any (uuids));
    elsif kind = 6 then seen := array(select l.id from audit.ledger l where l.id = any (uuids));
    elsif kind = 7 then seen := array(select u.id from public.unit u where u.id = any (uuids));
    elsif kind = 8 then seen := array(select i.id from public.institution i where i.id = any (uuids));
    elsif kind = 9 then seen := array(select g.id from public.role_grant g where g.id = any (uuids));
    else seen := itm.visible_kept(uuids);
    end if;
    if seen <> '{}' then
      found := found || seen::text[];
      uuids := array(select u from unnest(uuids) u where u <> all (seen));
    end if;
  end loop;
  return found;
end $$;

create or replace function itm.sees(kind text, id text) returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare key uuid;
begin
  if id is null or kind in ('entry', 'ledger', 'job', 'alert', 'key') then return true; end if;
  if id !~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then return false; end if;
  key := id::uuid;
  if kind = 'case' then return exists (select from public.case_file c where c.id = key);
  elsif kind = 'person' then return exists (select from public.person p where p.id = key);
  elsif kind = 'case_person' then return exists (select from public.case_person l where l.id = key);
  elsif kind = 'victim_profile' then
    return exists (select from public.victim_profile v where v.id = key)
        or exists (select from public.case_person l where l.id = key);
  elsif kind = 'case_assignment' then
    return exists (select from public.case_assignment a join public.case_file c on c.id = a.case_id where a.id = key);
  elsif kind = 'invitation' then return exists (select from public.invitation i where i.id = key);
  elsif kind = 'credential' then return exists (select from public.credential c where c.account_id = key);
  elsif kind = 'draft' then return exists (select from public.draft d where d.id = key);
  elsif kind = 'institution_key' then return exists (select from public.institution_key k where k.institution_id = key);
  else return coalesce(itm.sees_kept(kind, key), itm.visible(array[id]) <> '{}');
  end if;
end $$;

-- The name of a kept record is that of its person, and of the case or record that it is part of.
create function itm.names_of_kept(ids uuid[]) returns table (id uuid, kind text, name text)
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  kept itm.kept;
  person text;
  whole text;
begin
  ids := itm.visible_kept(ids);
  if ids = '{}' then
    return;
  end if;
  for kept in select k.* from itm.kept k where not k.by_hand and num_nonnulls(k.parent, k.about) > 0 order by k.relation loop
    person := case when kept.about is null then 'null' else format(
      '(select p.pseudonym from public.person p where p.id = itm.at_end_of(%L::text[], to_jsonb(r)))', kept.about) end;
    whole := case when itm.referred(kept.refs, kept.parent) = 'case_file' then format(
      '(select c.reference from public.case_file c where c.id = r.%I)', kept.parent) else 'null' end;
    return query execute format(
      'select r.id, %L::text, concat_ws('' · '', %s, %s) from public.%I r where r.id = any ($1)'
      ' and (itm.scope() is distinct from ''audit'' or itm.national() or r.institution_id = itm.home())',
      kept.kind, person, whole, kept.relation) using ids;
  end loop;
end $$;

-- For auditors, as the owner: within their reach, as the function above says.
create function itm.names_of_kept_for_audit(ids uuid[]) returns table (id uuid, kind text, name text)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$ select * from itm.names_of_kept(ids) where itm.scope() = 'audit' $$;

-- Rows that are part of a record, or about a person.
create function itm.parts_of_kept(wanted text, record uuid) returns setof uuid
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  kept itm.kept;
  way text[];
  place integer;
  target constant text := (select k.relation from itm.kept k where k.kind = wanted);
begin
  for kept in select k.* from itm.kept k where not k.by_hand order by k.relation loop
    way := itm.way_up(kept.relation);
    place := array_position(way, target);
    if target = 'person' and kept.about is not null then
      way := kept.about;
    elsif place is not null then
      way := way[:place - 1];
    else
      continue;
    end if;
    return query execute format('select r.id from public.%I r where %s and (itm.national() or r.institution_id = itm.home())',
                                kept.relation, itm.about_condition(way)) using record;
  end loop;
end $$;

create or replace function itm.parts_for_audit(kind text, record uuid) returns setof uuid
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  with reached as (
    select i.id as institution_id from public.institution i
     where itm.scope() = 'audit' and (itm.national() or i.id = itm.home())),
  links as (
    select l.id from public.case_person l join reached using (institution_id)
     where kind in ('case', 'person') and (l.case_id = record or l.person_id = record)
        or kind = 'case_person' and l.id = record)
  select id from links
  union all
  select v.id from public.victim_profile v join links l on l.id = v.case_person_id
  union all
  select a.id from public.case_assignment a join reached using (institution_id) where kind = 'case' and a.case_id = record
  union all
  select * from itm.parts_of_kept(kind, record) where itm.scope() = 'audit'
$$;

-- The records whose names stand in the name of another: a page that shows such a name shows them as well.
create function itm.names_inside_kept(ids uuid[]) returns table (id uuid, inside uuid)
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  kept itm.kept;
begin
  ids := itm.visible_kept(ids);
  if ids = '{}' then
    return;
  end if;
  for kept in select k.* from itm.kept k where not k.by_hand and num_nonnulls(k.parent, k.about) > 0 order by k.relation loop
    return query execute format(
      'select r.id, i.inside from public.%I r cross join unnest(array[itm.at_end_of(%L::text[], to_jsonb(r)), %s]) i (inside)'
      ' where r.id = any ($1) and i.inside is not null'
      ' and (itm.scope() is distinct from ''audit'' or itm.national() or r.institution_id = itm.home())',
      kept.relation, coalesce(kept.about, '{}'),
      case when itm.referred(kept.refs, kept.parent) = 'case_file' then format('r.%I', kept.parent) else 'null::uuid' end) using ids;
  end loop;
end $$;

create function itm.names_inside_known(ids uuid[]) returns table (id uuid, inside uuid)
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select l.id, i.inside from public.case_person l cross join unnest(array[l.person_id, l.case_id]) i (inside)
   where l.id = any (ids) and (itm.scope() is distinct from 'audit' or itm.national() or l.institution_id = itm.home())
  union all
  select v.id, i.inside from public.victim_profile v join public.case_person l on l.id = v.case_person_id
    cross join unnest(array[l.person_id, l.case_id]) i (inside)
   where v.id = any (ids) and (itm.scope() is distinct from 'audit' or itm.national() or l.institution_id = itm.home())
  union all
  select a.id, a.case_id from public.case_assignment a
   where a.id = any (ids) and (itm.scope() is distinct from 'audit' or itm.national() or a.institution_id = itm.home())
$$;

-- For auditors, as the owner: within their reach, as the two functions above say.
create function itm.names_inside_for_audit(ids uuid[]) returns table (id uuid, inside uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select * from itm.names_inside_known(ids) where itm.scope() = 'audit'
  union all
  select * from itm.names_inside_kept(ids) where itm.scope() = 'audit'
$$;

create function itm.names_inside(ids uuid[]) returns table (id uuid, inside uuid)
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select * from itm.names_inside_known(ids) where itm.scope() is distinct from 'audit'
  union all
  select g.id, g.account_id from public.role_grant g where g.id = any (ids)
  union all
  select n.id, n.account_id from public.invitation n where n.id = any (ids)
  union all
  select * from itm.names_inside_kept(ids) where itm.scope() is distinct from 'audit'
  union all
  select * from itm.names_inside_for_audit(ids)
$$;

revoke all on function itm.names_inside_kept, itm.names_inside_known, itm.names_inside_for_audit, itm.names_inside from public;
grant execute on function itm.names_inside_kept, itm.names_inside_known, itm.names_inside_for_audit, itm.names_inside to itm_app;

revoke all on function itm.write_lookups, itm.visible_kept, itm.sees_kept, itm.names_of_kept, itm.names_of_kept_for_audit, itm.parts_of_kept from public;
grant execute on function itm.visible_kept, itm.sees_kept, itm.names_of_kept, itm.names_of_kept_for_audit to itm_app;

-- May this record be revealed to the person at work, for this purpose? circle, purpose, or yes. Row-level security has
-- decided by then that the record is there at all.
create or replace function itm.reveal_refused(kind text, record uuid, purpose text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  kept itm.kept;
  row_values jsonb;
  owner record;
begin
  if itm.scope() is distinct from 'institution' or itm.reveals_for(purpose) is not true then
    return 'purpose';
  end if;
  if kind = 'case' then
    return case when exists (select from public.case_file c where c.id = record) then null else 'circle' end;
  end if;
  select k.* into kept from itm.kept k where k.kind = reveal_refused.kind;
  if kept.relation is null then
    return 'circle';
  end if;
  execute format('select to_jsonb(r) from public.%I r where r.id = $1', kept.relation) into row_values using record;
  select p.id, p.unit_id, p.sensitivity into owner from public.person p
   where p.id = itm.at_end_of(coalesce(kept.about, '{id}'), row_values);
  if owner.id is null or (owner.sensitivity >= 3 and itm.in_circle(owner.id, owner.unit_id) is not true) then
    return 'circle';
  end if;
  return null;
end $$;

-- A reason in words is about a record that its writer sees.
drop policy note_add on public.access_note;
create policy note_add on public.access_note for insert to itm_app
  with check (institution_id = (select itm.institution()) and account_id = (select itm.account()) and case kind
    when 'person' then exists (select from person p where p.id = access_note.record and p.institution_id = access_note.institution_id)
    when 'case' then exists (select from case_file c where c.id = access_note.record and c.institution_id = access_note.institution_id)
    when 'victim_profile' then exists (select from victim_profile v where v.id = access_note.record and v.institution_id = access_note.institution_id)
    else access_note.record = any (itm.visible_kept(array[access_note.record])) end);

create or replace function itm.names(ids uuid[]) returns table (id uuid, kind text, name text)
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select c.id, 'case', c.reference::text from public.case_file c where c.id = any (ids)
  union all
  select p.id, 'person', p.pseudonym from public.person p where p.id = any (ids)
  union all
  select l.id, 'case_person', p.pseudonym || ' · ' || c.reference
    from public.case_person l join public.person p on p.id = l.person_id join public.case_file c on c.id = l.case_id
   where l.id = any (ids)
  union all
  select v.id, 'victim_profile', p.pseudonym || ' · ' || c.reference
    from public.victim_profile v join public.case_person l on l.id = v.case_person_id
    join public.person p on p.id = l.person_id join public.case_file c on c.id = l.case_id where v.id = any (ids)
  union all
  select a.id, 'case_assignment', c.reference
    from public.case_assignment a join public.case_file c on c.id = a.case_id where a.id = any (ids)
  union all
  select a.id, 'account', a.first_name || ' ' || a.last_name from public.account a where a.id = any (ids)
  union all
  select g.id, 'role_grant', a.first_name || ' ' || a.last_name
    from public.role_grant g join public.account a on a.id = g.account_id where g.id = any (ids)
  union all
  select n.id, 'invitation', a.first_name || ' ' || a.last_name
    from public.invitation n join public.account a on a.id = n.account_id where n.id = any (ids)
  union all
  select u.id, 'unit', u.name from public.unit u where u.id = any (ids)
  union all
  select i.id, 'institution', i.code from public.institution i where i.id = any (ids)
  union all
  select l.id, 'ledger', l.code from audit.ledger l where l.id = any (ids)
  union all
  select o.id, 'case', o.reference from public.oversight_case o where itm.scope() = 'oversight' and o.id = any (ids)
  union all
  select distinct o.id, 'person', o.pseudonym from public.oversight_person o where itm.scope() = 'oversight' and o.id = any (ids)
  union all
  select n.id, 'access_note', n.words from public.access_note n where n.id = any (ids) and n.words is not null
  union all
  select * from itm.names_of_kept(ids) where itm.scope() is distinct from 'audit'
  union all
  select * from itm.names_of_kept_for_audit(ids)
  union all
  select * from itm.names_for_audit(ids) where itm.scope() = 'audit'
$$;

-- What a table of records needs, written by one call in the migration that makes the table. Each part is a function of its
-- own, for tables that need some of them; all but the keys may be called again, so that a later migration can loop over
-- itm.kept. What is written is ordinary: policies, triggers, keys, indexes, grants.

-- To begin with: create table … (like itm.record including all, …).
create table itm.record (
  id uuid default gen_random_uuid() not null,
  institution_id uuid not null,
  unit_id uuid not null,
  deleted_at timestamp with time zone,
  deletion_reason varchar,
  sensitivity smallint default 1 not null,
  created_at timestamp with time zone default now() not null,
  created_by uuid,
  updated_at timestamp with time zone default now() not null,
  updated_by uuid,
  row_version integer default 1 not null,
  primary key (id),
  constraint deletion_has_a_reason check ((deleted_at is null) = (deletion_reason is null)),
  constraint sensitivity_of_four check (sensitivity between 0 and 3)
);
comment on table itm.record is 'The columns that every record has. Without rows: other tables are made like it.';
alter table itm.record enable row level security;
alter table itm.record force row level security;
revoke all on itm.record from public;

create function itm.columns_of(relation text) returns text[]
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select array_agg(a.attname::text order by a.attnum) from pg_attribute a
   where a.attrelid = format('public.%I', relation)::regclass and a.attnum > 0 and not a.attisdropped
$$;

create function itm.columns_of_record() returns text[]
language sql stable set search_path = pg_catalog, pg_temp
as $$ select array_agg(a.attname::text) from pg_attribute a where a.attrelid = 'itm.record'::regclass and a.attnum > 0 $$;

-- A rule's trigger, which fires always: also where a session switches ordinary triggers off.
create function itm.keep_rule(relation text, name text, head text, call text) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  execute format('create or replace trigger %I %s on public.%I for each row %s', name, split_part(head, ' when ', 1), relation,
                 case when head like '% when %' then 'when ' || split_part(head, ' when ', 2) else '' end
                 || ' execute function ' || call);
  execute format('alter table public.%I enable always trigger %I', relation, name);
end $$;

-- Keys that stay inside the institution, and the indexes of its lists.
create function itm.keep_keys(relation text, refs text[], indexed text[], recent text) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  name text;
  target text;
begin
  execute format('alter table public.%I add constraint %I unique (institution_id, id)', relation, relation || '_in_institution');
  execute format('alter table public.%I add constraint %I foreign key (institution_id, unit_id)'
                 ' references public.unit (institution_id, id)', relation, relation || '_unit');
  for name, target in select split_part(r, '>', 1), split_part(r, '>', 2) from unnest(refs) r loop
    execute format('alter table public.%I add constraint %I foreign key (institution_id, %I) references public.%I (institution_id, id)',
                   relation, relation || '_' || regexp_replace(name, '_id$', ''), name, target);
  end loop;
  foreach name in array indexed loop
    execute format('create index %I on public.%I (institution_id, %I)',
                   relation || '_of_' || regexp_replace(name, '_id$', ''), relation, name);
  end loop;
  if recent is not null then
    execute format('create index %I on public.%I (institution_id, %I desc, id desc)', relation || '_recent', relation, recent);
  end if;
end $$;

-- Who works on a row of this table, as a condition on an alias. Of a case as case_file's own policy says; of a part as of
-- the whole; of a person through a case of theirs; else by unit.
create function itm.work_condition(relation text, alias text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  above text := 'above_' || alias;
  kept itm.kept;
begin
  select k.* into kept from itm.kept k where k.relation = work_condition.relation;
  if kept.parent is not null then
    return format('exists (select from public.%1$I %2$s where %2$s.id = %3$s.%4$I and %2$s.institution_id = %3$s.institution_id and %5$s)',
                  itm.referred(kept.refs, kept.parent), above, alias, kept.parent,
                  itm.work_condition(itm.referred(kept.refs, kept.parent), above));
  elsif kept.relation = 'person' then
    return format('((select itm.everywhere(''manage'')) or exists (select from public.case_person %1$s'
                  ' where %1$s.person_id = %2$s.id and %1$s.institution_id = %2$s.institution_id and %1$s.deleted_at is null and %3$s))',
                  above, alias, itm.work_condition('case_person', above));
  end if;
  return format('((select itm.everywhere(''manage'')) or %1$s.unit_id = any ((select itm.units(''manage''))::uuid[])'
                ' or (select itm.everywhere(''create'')) or %1$s.unit_id = any ((select itm.units(''create''))::uuid[])%2$s)',
                alias, case when kept.relation = 'case_file' then
                  format(' or %s.id = any ((select itm.my_cases())::uuid[])', alias) else '' end);
end $$;

-- Row security: a part is seen through its visible parent, and what stands alone by unit; a deleted record by managers.
-- Written by those who work on the topmost parent. OFFSET 0 keeps the planner from reading all parents beforehand.
create function itm.keep_row_security(relation text, refs text[], parent text) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  seen text := '(select itm.everywhere(''manage'')) or unit_id = any ((select itm.units(''manage''))::uuid[])'
    ' or (deleted_at is null and ((select itm.everywhere(''unit'')) or unit_id = any ((select itm.units(''unit''))::uuid[])'
    ' or (created_by = (select itm.account()) and created_at = now())))';
begin
  if parent is not null then
    seen := format('(deleted_at is null or (select itm.manages())) and exists (select from public.%1$I above'
                   ' where above.id = %2$I.%3$I and above.institution_id = %2$I.institution_id offset 0)',
                   itm.referred(refs, parent), relation, parent);
  end if;
  execute format('alter table public.%I enable row level security', relation);
  execute format('alter table public.%I force row level security', relation);
  execute format('drop policy if exists %I on public.%I', relation || '_work', relation);
  execute format('drop policy if exists %I on public.%I', relation || '_views', relation);
  execute format('create policy %I on public.%I for all to itm_app using (institution_id = (select itm.institution()) and (%s))'
                 ' with check (institution_id = (select itm.institution()) and %s)',
                 relation || '_work', relation, seen, itm.work_condition(relation, relation));
  execute format('create policy %I on public.%I for select to itm_owner using ((select itm.scope() in (''oversight'', ''audit'')))',
                 relation || '_views', relation);
end $$;

-- Times, authors, version; deletion by a manager; what never changes once it is there.
create function itm.keep_stamps(relation text, fixed text[], way text[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  perform itm.keep_rule(relation, 'a_stamp', 'before insert or update', 'itm.stamp()');
  perform itm.keep_rule(relation, 'b_deletion', 'before insert or update of deleted_at, deletion_reason',
    format('itm.deletion_by_manager(%s)', case when way <> '{}' then quote_literal(array_to_string(way, '>')) end));
  perform itm.keep_rule(relation, 'b_stays', format('before update when (%s)',
      (select string_agg(format('old.%1$I is not null and old.%1$I is distinct from new.%1$I', f), ' or ') from unnest(fixed) f)),
    format('itm.stays(%L)', array_to_string(fixed, ', ')));
end $$;

-- The steps of a state: {>requested,requested>placed}. Without one that begins with ">", the first step's start is the
-- state to begin with.
create function itm.keep_states(relation text, state text, steps text[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from unnest(steps) s where s like '>%') then
    steps := array_prepend('>' || split_part(steps[1], '>', 1), steps);
  end if;
  if exists (select from unnest(steps) s where s !~ '^[A-Za-z_]*>[A-Za-z_]+(@(from|to|both)(:[a-z_+]+)?)?$') then
    raise exception 'a step is written from>to, of two parties from>to@party: %', steps;
  end if;
  perform itm.keep_rule(relation, 'c_' || state, format('before insert or update of %I', state),
    format('itm.steps(%L, %s)', state, (select string_agg(quote_literal(split_part(s, '@', 1)), ', ' order by n)
                                          from unnest(steps) with ordinality as u (s, n))));
end $$;

-- The owner's functions look up and erase what is there, seen by the person at work or not: in the institution at work, or
-- again after a restore.
create function itm.keep_erasure(relation text) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  execute format('drop policy if exists erased_again on public.%I', relation);
  execute format('drop policy if exists erasure_reads on public.%I', relation);
  execute format('drop policy if exists erasure on public.%I', relation);
  execute format('create policy erasure_reads on public.%I for select to itm_owner using (institution_id = (select itm.institution()))', relation);
  execute format('create policy erasure on public.%I for update to itm_owner'
                 ' using (institution_id = (select itm.institution()) or (select session_user) = ''itm_signer'')'
                 ' with check (institution_id = (select itm.institution()) or (select session_user) = ''itm_signer'')', relation);
end $$;

-- Protected values: in the register, gone with their person, none of a person who is gone, and kept by a legal hold.
create function itm.keep_protected(relation text, about text[], private text[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  insert into itm.protected (relation, column_name, owner, path)
    select keep_protected.relation, name, 'person', about from unnest(private) name on conflict do nothing;
  insert into itm.protected (relation, column_name, owner, path)
    values ('access_note', 'words', 'person', array['record', relation] || about) on conflict do nothing;
  if private <> '{}' then
    perform itm.keep_rule(relation, 'd_erased', format('before insert or update of %s when (num_nonnulls(%s) > 0)',
        (select string_agg(quote_ident(p), ', ') from unnest(private) p),
        (select string_agg(format('new.%I', p), ', ') from unnest(private) p)),
      format('itm.erased_stays(%L)', array_to_string(about, '>')));
    perform itm.keep_held(relation, private);
  end if;
end $$;

-- The columns by which a row has its place.
create function itm.fixed_columns(kept itm.kept) returns text[]
language sql immutable set search_path = pg_catalog, pg_temp
as $$
  select array_agg(distinct name order by name)
    from unnest(array['id', 'institution_id', kept.parent, kept.about[1]]
                || case when kept.common <> '{}' then '{common,party,other_institution_id}'::text[] end) name where name is not null
$$;

-- What a person of this panel may write: of a row with two sides what the side has of its own. A column that is filled once
-- may be empty before.
create function itm.keep_grants(kept itm.kept) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  fixed constant text[] := itm.fixed_columns(kept) || 'unit_id'::text;
begin
  execute format('grant select%s on public.%I to itm_app', case when kept.common = '{}' then ', insert' end, kept.relation);
  execute format('grant update (%s) on public.%I to itm_app',
    (select string_agg(quote_ident(a.attname), ', ' order by a.attnum) from pg_attribute a
      where a.attrelid = format('public.%I', kept.relation)::regclass and a.attnum > 0 and not a.attisdropped
        and (a.attname <> all (fixed) or not a.attnotnull) and a.attname <> all (kept.common)
        and (a.attname in ('deleted_at', 'deletion_reason') or not exists (select from pg_attribute s
          where s.attrelid in ('itm.record'::regclass, 'itm.side'::regclass) and s.attname = a.attname))), kept.relation);
end $$;

create function itm.refuse_undeclared(kept itm.kept) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  columns constant text[] := itm.columns_of(kept.relation);
  table_id constant regclass := format('public.%I', kept.relation)::regclass;
  target text := itm.referred(kept.refs, kept.about[1]);
begin
  if not itm.columns_of_record() <@ columns then
    raise exception '% is not made like itm.record', kept.relation;
  elsif not kept.private || array(select split_part(r, '>', 1) from unnest(kept.refs) r) || array_remove(array[kept.recent], null) <@ columns then
    raise exception 'a column that is named for % is not there', kept.relation;
  elsif kept.common <> '{}' and not '{common,party,other_institution_id,act,shared}'::text[] || kept.common <@ columns then
    raise exception '% is not made like itm.side, or a column in common is not there', kept.relation;
  elsif kept.common && (kept.private || kept.parent || kept.about[1] || itm.columns_of_record() || '{common,party,other_institution_id,act,shared}') then
    raise exception 'a column of % is in common or of one side', kept.relation;
  elsif exists (select from pg_attribute a where a.attrelid = table_id and a.attname = any (kept.common) and a.atthasdef) then
    raise exception 'a column of % in common has a default, which the digest would not know', kept.relation;
  elsif (kept.common <> '{}') <> exists (select from unnest(kept.states) s where s like '%@%') and kept.states <> '{}' then
    raise exception 'the steps of % name their party if it has two, and only then', kept.relation;
  elsif kept.states <> '{}' and 'state' <> all (columns) then
    raise exception '% has states and no column state', kept.relation;
  elsif kept.parent is not null and itm.referred(kept.refs, kept.parent) is null then
    raise exception 'the parent % of % is not among its refs', kept.parent, kept.relation;
  elsif kept.private <> '{}' and kept.about is null then
    raise exception 'the protected values of % are about nobody', kept.relation;
  elsif exists (select from pg_attribute a where a.attrelid = table_id and a.attnum > 0 and not a.attisdropped
                and (a.attname like '%\_enc' or a.atttypid = 'bytea'::regtype) and a.attname <> all (kept.private)) then
    raise exception '% has a sealed column that is not declared private', kept.relation;
  elsif exists (select from pg_attribute a where a.attrelid = table_id and a.attname = any (kept.private)
                and (a.attnotnull or a.atttypid <> 'bytea'::regtype)) then
    raise exception 'a protected column of % is sealed, and empty once its person was erased', kept.relation;
  elsif exists (select from unnest(kept.refs) r where split_part(r, '>', 1) like '%\_id' and split_part(r, '>', 2) = '') then
    raise exception 'refs are written column>table: %', kept.refs;
  end if;
  for i in 2 .. coalesce(cardinality(kept.about), 0) by 2 loop
    if target is distinct from kept.about[i] then
      raise exception 'the way from % to its person is broken at %', kept.relation, kept.about[i];
    end if;
    select itm.referred(k.refs, kept.about[i + 1]) into target from itm.kept k where k.relation = kept.about[i];
  end loop;
  if kept.about is not null and target is distinct from 'person' then
    raise exception 'the way from % does not lead to a person', kept.relation;
  end if;
end $$;

-- Rules about people's own writes. A side is written by the owner's functions too, in the writer's session.
create function itm.writes_of_people(kept itm.kept) returns text
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select case when kept.common = '{}' then 'before insert or update when (current_user = ''itm_app'')'
    else format('before insert or update of %s when (session_user = ''itm_app'')', (
      select string_agg(quote_ident(name), ', ') from unnest(kept.private || kept.about[1]) name)) end
$$;

-- relation: the table's name. refs: {case_id>case_file,…}, other tables of the institution. parent: the column of the record
-- that it is part of. about: the column of its person, or the way there, stay_id>stay>person_id. private: sealed columns.
-- states: {requested>placed,…}, for the column state. recent: the column by which its list is ordered, newest first.
-- common: the columns that both parties of an act hold, of a table that is made like itm.side too (70_two_parties.sql).
create function itm.keep(
  relation text, kind text, refs text[] default '{}', parent text default null, about text default null,
  private text[] default '{}', states text[] default '{}', recent text default null, shape integer default 1,
  common text[] default '{}'
) returns void language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  kept itm.kept;
  way text[];
  fixed text[];
begin
  kept := (relation, kind, refs, parent, string_to_array(about, '>'), private, states, common, recent,
           case when private <> '{}' then 3 when about is not null then 2 else 1 end, false);
  perform itm.refuse_undeclared(kept);
  insert into itm.kept select kept.*;
  way := itm.way_up(relation);
  fixed := itm.fixed_columns(kept);
  perform itm.keep_keys(relation, refs, array_remove(array[parent, nullif(kept.about[1], parent)], null), recent);
  perform itm.keep_row_security(relation, refs, parent);
  perform itm.keep_erasure(relation);
  perform itm.keep_stamps(relation, fixed, way);
  perform itm.keep_rule(relation, 'b_place', 'before insert', format('itm.place(%L%s)', kept.sensitivity,
    case when parent is not null then ', ' || quote_literal(parent || '>' || itm.referred(refs, parent)) else '' end));
  if states <> '{}' then
    perform itm.keep_states(relation, 'state', states);
  end if;
  if kept.about is not null then
    perform itm.keep_protected(relation, kept.about, private);
    perform itm.keep_rule(relation, 'e_circle', itm.writes_of_people(kept), format('itm.circle(%L)', about));
  end if;
  if way[cardinality(way)] = 'case_file' then
    perform itm.keep_rule(relation, 'e_open', 'before insert or update when (current_user = ''itm_app'')', format('itm.open_case(%L)', array_to_string(way, '>')));
  end if;
  perform audit.watch(format('public.%I', relation), kind, shape, 'institution_id', 'id', private,
                      '{created_at,created_by,updated_at,updated_by,row_version}');
  perform itm.keep_grants(kept);
  if common <> '{}' then
    perform itm.keep_sides(kept);
  end if;
  perform itm.write_lookups();
end $$;

-- After a migration added columns to a kept table, more_private among them: what follows from the columns, and a baseline
-- of each row in the next shape.
create function itm.keep_columns(relation text, more_private text[] default '{}') returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  kept itm.kept;
  shape integer := (select max(w.shape) + 1 from audit.watched w where w.relation = format('public.%I', keep_columns.relation));
begin
  update itm.kept k set private = k.private || more_private where k.relation = keep_columns.relation and not k.by_hand
    returning * into strict kept;
  perform itm.refuse_undeclared(kept);
  if kept.about is not null then
    perform itm.keep_protected(relation, kept.about, kept.private);
  end if;
  perform itm.keep_grants(kept);
  perform audit.watch(format('public.%I', relation), kept.kind, shape, 'institution_id', 'id', kept.private,
                      '{created_at,created_by,updated_at,updated_by,row_version}');
  perform audit.baseline(format('public.%I', relation));
end $$;
comment on function itm.keep_columns is 'What follows from a kept table''s columns, written anew after a migration added some.';
comment on function itm.keep is 'Gives a table of records its keys, policies, rules, capture, erasure and grants, and notes it in itm.kept.';

revoke all on function itm.columns_of, itm.columns_of_record, itm.keep_rule, itm.keep_keys, itm.work_condition, itm.keep_row_security, itm.keep_stamps,
  itm.keep_states, itm.keep_erasure, itm.keep_protected, itm.fixed_columns, itm.writes_of_people, itm.keep_grants, itm.refuse_undeclared, itm.keep,
  itm.keep_columns from public;

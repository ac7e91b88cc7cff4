-- A protected value may be about a case as well as about a person: the way `about` of a kept table ends at either. It is
-- sealed under the case's key and goes when the case is shredded, with the narrative.

-- The table at the end of the way `about`: person or case_file. Null for a kind that is about nobody else.
create function itm.owner_of(wanted text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  kept itm.kept;
  target text;
begin
  select k.* into kept from itm.kept k where k.relation = wanted;
  target := itm.referred(kept.refs, kept.about[1]);
  for i in 2 .. coalesce(cardinality(kept.about), 0) by 2 loop
    select itm.referred(k.refs, kept.about[i + 1]) into target from itm.kept k where k.relation = kept.about[i];
  end loop;
  return target;
end $$;
comment on function itm.owner_of is 'The table at the end of a kept table''s way `about`: whose its protected values are.';
grant execute on function itm.owner_of to itm_app, itm_owner;

create or replace function itm.refuse_undeclared(kept itm.kept) returns void
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
  if kept.about is not null and (target in ('person', 'case_file')) is not true then
    raise exception 'the way from % does not lead to a person or a case', kept.relation;
  elsif kept.common <> '{}' and target = 'case_file' then
    raise exception 'a side of % is about a person: an institution''s case is not in the other''s ledger', kept.relation;
  end if;
end $$;

-- A protected value of a case waits for a shredding that is under way, and a shredding for the transaction that writes it.
-- The rule binds every writer, as that about persons does.
create function itm.shredded_stays() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  perform from public.case_file c
    where c.id = itm.at_end_of(string_to_array(tg_argv[0], '>'), to_jsonb(new)) for share;
  if not found then
    raise exception using errcode = 'restrict_violation', message = 'a protected value is about a case that is there';
  end if;
  return new;
end $$;

-- A record about a case begins and changes with somebody who sees the case, while it is open.
create function itm.circle_of_case() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  wanted constant uuid := itm.at_end_of(string_to_array(tg_argv[0], '>'), to_jsonb(new));
  closed boolean;
begin
  if wanted is null then
    return new;
  end if;
  select num_nonnulls(c.closed_on, c.deleted_at) > 0 into closed from public.case_file c where c.id = wanted;
  if not found then
    raise exception using errcode = 'insufficient_privilege', message = 'the case of this record is not there';
  elsif closed then
    raise exception using errcode = 'restrict_violation', constraint = 'closed_case',
      message = 'a closed case is reopened first, a deleted one restored';
  end if;
  return new;
end $$;
revoke all on function itm.owner_of, itm.shredded_stays, itm.circle_of_case from public;

-- Protected values: in the register, gone with their person or case, and kept by a legal hold.
create or replace function itm.keep_protected(relation text, about text[], private text[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  owner constant text := itm.owner_of(relation);
begin
  insert into itm.protected (relation, column_name, owner, path)
    select keep_protected.relation, name, owner, about from unnest(private) name on conflict do nothing;
  insert into itm.protected (relation, column_name, owner, path)
    values ('access_note', 'words', owner, array['record', relation] || about) on conflict do nothing;
  if private <> '{}' then
    perform itm.keep_rule(relation, 'd_erased', format('before insert or update of %s when (num_nonnulls(%s) > 0)',
        (select string_agg(quote_ident(p), ', ') from unnest(private) p),
        (select string_agg(format('new.%I', p), ', ') from unnest(private) p)),
      format(case owner when 'person' then 'itm.erased_stays(%L)' else 'itm.shredded_stays(%L)' end, array_to_string(about, '>')));
    perform itm.keep_held(relation, private);
  end if;
end $$;

-- relation: the table's name. about: the column of its person or case, or the way there, stay_id>stay>person_id. The other
-- arguments are as before.
create or replace function itm.keep(
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
    perform itm.keep_rule(relation, 'e_circle', itm.writes_of_people(kept), 
      format(case itm.owner_of(relation) when 'person' then 'itm.circle(%L)' else 'itm.circle_of_case(%L)' end, about));
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

-- The registers are compared with the triggers, which say whose a table's values are.
drop function itm.ways();
create function itm.ways() returns table (relation text, owner text, path text[], columns text[])
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select c.relname::text, case when f.proname in ('erased_stays', 'circle') then 'person' else 'case_file' end,
         string_to_array(split_part(encode(t.tgargs, 'escape'), '\000', 1), '>'),
         array(select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum = any (t.tgattr)
               and f.proname in ('erased_stays', 'shredded_stays'))
    from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_proc f on f.oid = t.tgfoid
   where f.pronamespace = 'itm'::regnamespace and f.proname in ('erased_stays', 'circle', 'shredded_stays', 'circle_of_case')
$$;
revoke all on function itm.ways from public;

create or replace function itm.registers_otherwise() returns table (relation text, id text)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  with covered as (
    select distinct on (w.relation) replace(w.relation, 'public.', '') as relation, w.kind, w.private
      from only audit.watched w order by w.relation, w.shape desc),
  protected as (
    select w.relation, c.name, w.owner, w.path from itm.ways() w cross join unnest(w.columns) c (name)
    union select 'access_note', 'words', w.owner, array['record', w.relation] || w.path from itm.ways() w
    union select 'access_note', 'words', o.name, '{record}' from (values ('person'), ('case_file')) o (name)
    union select w.relation, c.name, w.relation, '{id}' from covered w cross join unnest(w.private) c (name)
           where w.relation in ('person', 'case_file')),
  kept as (
    select t.relation, w.kind, t.about from covered w join (
      select w.relation, w.path as about from itm.ways() w
      union select c.relname::text, null from pg_trigger t join pg_class c on c.oid = t.tgrelid
             where t.tgfoid = 'itm.place()'::regprocedure and c.relname <> all (select w.relation from itm.ways() w)
      union values ('case_file', null), ('person', null), ('case_person', '{person_id}'::text[])) t on t.relation = w.relation)
  select 'itm.protected', d.relation || '.' || d.name from (
    (select * from protected except select p.relation, p.column_name, p.owner, p.path from only itm.protected p)
    union (select p.relation, p.column_name, p.owner, p.path from only itm.protected p except select * from protected)) d (relation, name)
  union
  select 'itm.kept', d.relation from (
    (select * from kept except select k.relation, k.kind, k.about from only itm.kept k)
    union (select k.relation, k.kind, k.about from only itm.kept k except select * from kept)) d
$$;

-- A case's narrative with its key, everything else that is about the case, what is typed about it, and the reasons in words
-- for looking at it.
create or replace function itm.shred(narrative uuid, institution uuid) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  place record;
  records uuid[];
begin
  for place in select * from itm.protected_places('case_file', false) loop
    execute format('update public.%I r set %s where (%s) and %s', place.relation, place.emptied, place.filled, place.condition)
      using narrative;
  end loop;
  for place in select k.relation, itm.about_condition(k.about) as condition from itm.kept k where itm.owner_of(k.relation) = 'case_file' loop
    execute format('select array(select r.id from public.%I r where %s)', place.relation, place.condition) into records using narrative;
    delete from public.draft d where d.institution_id = shred.institution and substring(d.form from '[^:]*$') = any (records::text[]);
  end loop;
  perform itm.empty_own('case_file', narrative, institution);
end $$;

create or replace function itm.persons_and_cases(of_person uuid, of_case uuid) returns table (person uuid, in_case uuid)
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  place record;
  to_case text[];
begin
  for place in select k.relation, k.about, itm.way_up(k.relation) as way from itm.kept k where itm.owner_of(k.relation) = 'person' loop
    if place.way[cardinality(place.way)] = 'case_file' then
      to_case := trim_array(place.way, 1);
      return query execute format('select itm.at_end_of(%L::text[], to_jsonb(r)), itm.at_end_of(%L::text[], to_jsonb(r)) from public.%I r where %s',
        place.about, to_case, place.relation, itm.about_condition(case when of_case is null then place.about else to_case end))
        using coalesce(of_case, of_person);
    end if;
  end loop;
end $$;

-- Those of these cases of the institution at work in which something is written that could name a person: what is about the
-- case, and the reasons in words for looking at it.
create function itm.cases_that_tell(ids uuid[]) returns uuid[]
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
  place record;
  found uuid[] := '{}';
  more uuid[];
begin
  for place in select * from itm.protected_places('case_file', false) union all select * from itm.protected_places('case_file', true) loop
    execute format('select array(select c.id from public.case_file c where c.id = any ($1) and c.institution_id = itm.institution()'
                   ' and exists (select from public.%I r where (%s) and %s))',
                   place.relation, place.filled, replace(place.condition, '$1', 'c.id')) into more using ids;
    found := found || more;
  end loop;
  return found;
end $$;
comment on function itm.cases_that_tell is 'Those of these cases in which something protected is stored: an erasure asks about each.';
revoke all on function itm.cases_that_tell from public;
grant execute on function itm.cases_that_tell to itm_app;

-- True if a legal hold keeps the sealed values of this row. What is about a case is kept like the case's narrative.
create or replace function itm.values_are_held(relation text, row_values jsonb, lock boolean) returns boolean
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  kept itm.kept;
  institution constant uuid := (row_values ->> 'institution_id')::uuid;
  way text[];
  of_case boolean;
  narrative uuid;
  people uuid[];
  cases uuid[];
begin
  select k.* into kept from itm.kept k where k.relation = values_are_held.relation;
  way := itm.way_up(relation);
  of_case := relation = 'case_file' or itm.owner_of(relation) is not distinct from 'case_file';
  narrative := case when relation = 'case_file' then (row_values ->> 'id')::uuid
    when of_case then itm.at_end_of(kept.about, row_values)
    when way[cardinality(way)] = 'case_file' then itm.at_end_of(trim_array(way, 1), row_values) end;
  people := case
    when relation = 'person' then array[(row_values ->> 'id')::uuid]
    when of_case then array(
      select l.person_id from public.case_person l where l.case_id = narrative and l.institution_id = institution)
    else array[itm.at_end_of(kept.about, row_values)] end;
  cases := array[narrative] || case when not of_case then array(
    select l.case_id from public.case_person l where l.person_id = any (people) and l.institution_id = institution) end;
  if lock then
    perform from public.person p where p.id = any (people) and p.institution_id = institution order by p.id for share;
    perform from public.case_file c where c.id = any (cases) and c.institution_id = institution order by c.id for share;
  end if;
  return exists (select from public.person p where p.id = any (people) and p.institution_id = institution and p.hold_reason is not null)
      or exists (select from public.case_file c where c.id = any (cases) and c.institution_id = institution and c.hold_reason is not null);
end $$;

create or replace function itm.note_rules() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  kept itm.kept;
  row_values jsonb;
  gone boolean;
begin
  select k.* into kept from itm.kept k where k.kind = new.kind and k.private <> '{}';
  if kept.relation is null then
    raise exception using errcode = 'restrict_violation', message = 'nothing of this kind is revealed';
  end if;
  execute format('select to_jsonb(r) from public.%I r where r.id = $1 and r.institution_id = $2', kept.relation)
    into row_values using new.record, new.institution_id;
  if row_values is null then
    raise exception using errcode = 'insufficient_privilege', message = 'the record of this reason is not there';
  elsif kept.relation = 'case_file' or itm.owner_of(kept.relation) = 'case_file' then
    select c.data_key is null into gone from public.case_file c
     where c.id = itm.at_end_of(coalesce(kept.about, '{id}'), row_values) for share;
    if gone then
      raise exception using errcode = 'restrict_violation', constraint = 'nothing_is_shown', message = 'the narrative was shredded';
    end if;
  else
    perform itm.lock_living(itm.at_end_of(coalesce(kept.about, '{id}'), row_values));
  end if;
  return new;
end $$;

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
  if itm.owner_of(kept.relation) = 'case_file' then
    return case when exists (select from public.case_file c where c.id = itm.at_end_of(kept.about, row_values)) then null else 'circle' end;
  end if;
  select p.id, p.unit_id, p.sensitivity into owner from public.person p
   where p.id = itm.at_end_of(coalesce(kept.about, '{id}'), row_values);
  if owner.id is null or (owner.sensitivity >= 3 and itm.in_circle(owner.id, owner.unit_id) is not true) then
    return 'circle';
  end if;
  return null;
end $$;

-- As before, with the person whose name stands in that of a change of access or of an approval.
create or replace function itm.names_inside(ids uuid[]) returns table (id uuid, inside uuid)
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select * from itm.names_inside_known(ids) where itm.scope() is distinct from 'audit'
  union all
  select g.id, g.account_id from public.role_grant g where g.id = any (ids)
  union all
  select n.id, n.account_id from public.invitation n where n.id = any (ids)
  union all
  select c.id, c.account_id from public.access_change c where c.id = any (ids)
  union all
  select v.id, g.account_id from public.grant_approval v join public.role_grant g on g.id = v.grant_id where v.id = any (ids)
  union all
  select * from itm.names_inside_kept(ids) where itm.scope() is distinct from 'audit'
  union all
  select * from itm.names_inside_for_audit(ids)
$$;

-- What an erasure locks, in one order for everybody: the persons by id, of whom others in a case whose narrative is shredded
-- are kept as they are, then the cases by reference. Two erasures that shred one narrative come one after the other.
create function itm.lock_for_erasure(person uuid, shredded uuid[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  institution constant uuid := itm.institution();
  each uuid;
begin
  if itm.sees_person(person) is not true
     or (select itm.managed(p.unit_id) from public.person p where p.id = person and p.institution_id = institution) is not true then
    return;
  end if;
  for each in select p.id from public.person p where p.institution_id = institution and (p.id = person
                or p.id in (select b.person from unnest(shredded) c cross join itm.persons_and_cases(null, c) b)) order by p.id loop
    if each = person then
      perform from public.person p where p.id = each for update;
    else
      perform from public.person p where p.id = each for share;
    end if;
  end loop;
  perform from public.case_file c where c.institution_id = institution
    and c.id in (select b.in_case from itm.persons_and_cases(person, null) b) order by c.reference for no key update;
end $$;
comment on function itm.lock_for_erasure is 'Locks what an erasure by a manager needs, in one order for everybody.';

-- The page of a reveal that ends beside an erasure: it was not among those that the erasure threw away, and is not kept. Its
-- reader sees it once. An erasure keeps new pages waiting until it is committed.
create index person_erased on public.person (institution_id, erased_at) where erased_at is not null;
create function itm.answer_rules() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (select from public.person p where p.institution_id = new.institution_id and p.erased_at > now() - interval '2 minutes') then
    raise exception using errcode = 'restrict_violation', constraint = 'nothing_is_shown', message = 'somebody was erased just now';
  end if;
  return new;
end $$;
select itm.keep_rule('form_answer', 'd_living', 'before insert when (current_user = ''itm_app'')', 'itm.answer_rules()');
revoke all on function itm.lock_for_erasure, itm.answer_rules from public;
grant execute on function itm.lock_for_erasure to itm_app;

create or replace function itm.forget_about(person uuid) returns integer
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  place record;
  institution uuid := (select p.institution_id from public.person p where p.id = person);
  records uuid[] := array[person] || array(
    select unnest(array[l.id, l.case_id]) from public.case_person l where l.person_id = person and l.institution_id = institution);
  more uuid[];
  emptied integer := 0;
  count integer;
begin
  for place in select * from itm.protected_places('person', false) loop
    execute format('update public.%I r set %s where (%s) and %s', place.relation, place.emptied, place.filled, place.condition)
      using person;
    get diagnostics count = row_count;
    emptied := emptied + count;
  end loop;
  for place in select k.relation, itm.about_condition(k.about) as condition from itm.kept k where k.about is not null loop
    execute format('select array(select r.id from public.%I r where %s)', place.relation, place.condition) into more using person;
    records := records || more;
  end loop;
  delete from public.draft d where d.institution_id = institution and substring(d.form from '[^:]*$') = any (records::text[]);
  lock table public.form_answer in share row exclusive mode;
  delete from public.form_answer a where a.institution_id = institution;
  return emptied;
end $$;

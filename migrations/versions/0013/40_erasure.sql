-- Erasing a person goes by the register of protected columns, in one function, which sees rows that the manager does not
-- see. The panel's login has no other way to erase: neither the columns of the erasure nor a reason in words are its own
-- to empty.

-- What an emptied column holds.
create function itm.empty_value(relation text, column_name text) returns text
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select case when a.attnotnull then '''{}''' else 'null' end from pg_attribute a
   where a.attrelid = format('public.%I', relation)::regclass and a.attname = column_name
$$;

-- For each table and way of the register: what empties a row, and what tells a filled one, as text.
create function itm.protected_places(wanted text, own boolean)
returns table (relation text, condition text, emptied text, filled text)
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select p.relation, itm.about_condition(p.path),
         string_agg(format('%I = %s', p.column_name, itm.empty_value(p.relation, p.column_name)), ', ' order by p.column_name),
         string_agg(format('r.%I is distinct from %s', p.column_name, itm.empty_value(p.relation, p.column_name)), ' or '
                    order by p.column_name)
    from itm.protected p where p.owner = wanted and (p.path = '{id}') = own
   group by p.relation, p.path order by p.relation, p.path
$$;

-- Whether nothing protected is left about a person but in the person's own row.
create function itm.is_forgotten(person uuid) returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  place record;
  found boolean;
begin
  for place in select * from itm.protected_places('person', false) loop
    execute format('select exists (select from public.%I r where (%s) and %s)', place.relation, place.filled, place.condition)
      into found using person;
    if found then
      return false;
    end if;
  end loop;
  return true;
end $$;

-- Empties everything protected about a person, the person's own row included; drafts and kept answers go too. The number
-- of rows that were emptied.
create function itm.forget_about(person uuid) returns integer
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
  delete from public.form_answer a where a.institution_id = institution;
  return emptied;
end $$;

-- The rows themselves: the case's narrative with its key, or the person's own values.
create function itm.empty_own(owner text, wanted uuid, institution uuid, more text default '') returns boolean
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  place record;
  emptied boolean;
begin
  for place in select * from itm.protected_places(owner, true) loop
    execute format('update public.%I r set %s%s where r.id = $1 and r.institution_id = $2 returning true', place.relation,
                   place.emptied, more) into emptied using wanted, institution;
  end loop;
  return coalesce(emptied, false);
end $$;

-- A case's narrative with its key, and the reasons in words for looking at it.
create function itm.shred(narrative uuid, institution uuid) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  place record;
begin
  for place in select * from itm.protected_places('case_file', false) loop
    execute format('update public.%I r set %s where (%s) and %s', place.relation, place.emptied, place.filled, place.condition)
      using narrative;
  end loop;
  perform itm.empty_own('case_file', narrative, institution);
end $$;

-- The persons and cases that a record leads to, by each way: those of one person, or of one case.
create function itm.persons_and_cases(of_person uuid, of_case uuid) returns table (person uuid, in_case uuid)
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  place record;
  to_case text[];
begin
  for place in select k.relation, k.about, itm.way_up(k.relation) as way from itm.kept k where k.about is not null loop
    if place.way[cardinality(place.way)] = 'case_file' then
      to_case := trim_array(place.way, 1);
      return query execute format('select itm.at_end_of(%L::text[], to_jsonb(r)), itm.at_end_of(%L::text[], to_jsonb(r)) from public.%I r where %s',
        place.about, to_case, place.relation, itm.about_condition(case when of_case is null then place.about else to_case end))
        using coalesce(of_case, of_person);
    end if;
  end loop;
end $$;

-- Of the person, or of a case that the person is or was in.
create function itm.is_held(person uuid, institution uuid) returns boolean
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select exists (select from public.person p where p.id = person and p.institution_id = institution and p.hold_reason is not null)
      or exists (select from public.case_file c where c.id in (select b.in_case from itm.persons_and_cases(person, null) b)
                   and c.institution_id = is_held.institution and c.hold_reason is not null)
$$;

-- By a manager of the person's unit: the person, everything about the person, and the narratives that are shredded with it.
-- The entry counts the narratives that were reviewed, which the database cannot know.
create function itm.erase_person(person uuid, ground text, shredded uuid[] default '{}', reviewed integer default 0) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  institution constant uuid := itm.institution();
  unit uuid;
  cases uuid[];
  mine uuid[];
  narrative uuid;
begin
  select p.unit_id into unit from public.person p
   where p.id = person and p.institution_id = institution for update;
  if not found or itm.sees_person(person) is not true or itm.managed(unit) is not true then
    raise exception using errcode = 'insufficient_privilege', message = 'only a manager erases a person';
  end if;
  -- A hold on a case, and one on another person of it, wait for these locks or are seen after them.
  cases := array(select b.in_case from itm.persons_and_cases(person, null) b);
  perform from public.case_file c where c.id = any (cases) and c.institution_id = institution order by c.reference for no key update;
  perform from public.person p where p.id in (select b.person from unnest(shredded) c cross join itm.persons_and_cases(null, c) b) and p.institution_id = institution
    order by p.id for share;
  if itm.is_held(person, institution) then
    raise exception using errcode = 'restrict_violation', constraint = 'person_is_held', message = 'a legal hold keeps this person';
  end if;
  if (ground = any (itm.codes('erasure_ground'))) is not true then
    raise exception using errcode = 'invalid_parameter_value', message = 'a person is erased on a listed legal ground';
  elsif audit.context() -> 'actor' ->> 'user' is distinct from itm.account()::text then
    raise exception using errcode = 'insufficient_privilege', message = 'the ledger names somebody else';
  end if;
  mine := array(select c.id from public.case_file c where c.id = any (cases) and c.institution_id = institution
                   and (itm.managed(c.unit_id) or c.id = any (itm.my_cases())) order by c.reference);
  foreach narrative in array shredded loop
    if narrative <> all (mine) then
      raise exception using errcode = 'insufficient_privilege', message = 'only a manager shreds a narrative, of a case of the person';
    elsif exists (select from public.person p where p.id in (select b.person from itm.persons_and_cases(null, narrative) b) and p.hold_reason is not null) then
      raise exception using errcode = 'restrict_violation', constraint = 'narrative_is_held',
        message = 'a legal hold keeps another person of this narrative';
    end if;
    perform itm.shred(narrative, institution);
  end loop;
  perform itm.forget_about(person);
  perform itm.empty_own('person', person, institution, format(', erased_at = now(), erasure_ground = %L', ground));
  perform audit.append('person.erase', target_kind => 'person', target_id => person::text, subjects => mine[:1000]::text[],
    detail => jsonb_build_object('ground', ground, 'shredded', cardinality(shredded), 'reviewed', reviewed));
end $$;
comment on function itm.erase_person is 'Erases a person of the institution at work, and all that itm.protected names about them.';

create or replace function itm.erase_again(institution uuid, person uuid, ground text, cases uuid[]) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp set TimeZone = 'UTC'
set DateStyle = 'ISO, YMD' set IntervalStyle = 'iso_8601' set bytea_output = 'hex' set extra_float_digits = 1
as $$
declare
  narrative uuid;
begin
  if session_user <> 'itm_signer' then
    raise exception using errcode = 'insufficient_privilege', message = 'only itm_signer repeats an erasure';
  end if;
  perform from public.person p where p.id = erase_again.person and p.institution_id = erase_again.institution
    and p.erased_at is null for update;
  if not found then
    return false;
  end if;
  foreach narrative in array cases loop
    perform itm.shred(narrative, institution);
  end loop;
  perform itm.forget_about(person);
  perform itm.empty_own('person', person, institution, format(', erased_at = now(), erasure_ground = %L', ground));
  perform audit.write(erase_again.institution, 'person.erase', 'success', 'append', 'person', erase_again.person::text,
    erase_again.institution, cases::text[], null,
    ',"detail":{"ground":' || audit.js(ground) || ',"shredded":' || cardinality(cases) || ',"replayed":true}');
  return true;
end $$;

-- Who erases, and what a hold keeps, is asked where it is done; here stays what holds for every writer.
create or replace function itm.erasure_rules() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if old.erased_at is not null then
    raise exception using errcode = 'restrict_violation', message = 'an erased person stays as they are';
  end if;
  if new.erased_at is null then
    return new;
  end if;
  new.erased_at := now();
  if not itm.is_forgotten(new.id) then
    raise exception using errcode = 'restrict_violation', message = 'what is kept about the person is erased first';
  end if;
  return new;
end $$;

revoke all on function itm.empty_value, itm.protected_places, itm.is_forgotten, itm.forget_about, itm.empty_own, itm.shred,
  itm.persons_and_cases, itm.is_held, itm.erase_person from public;
grant execute on function itm.erase_person to itm_app;

drop policy ages_read on public.case_file;
drop policy ages_read on public.person;
select itm.keep_erasure(name) from unnest('{case_file,person,victim_profile,access_note}'::text[]) name;

-- Drafts go with the person in itm.forget_about.
drop function itm.forget_drafts(uuid);
revoke update (erased_at, erasure_ground) on public.person from itm_app;
revoke update (words) on public.access_note from itm_app;
drop policy note_destroy on public.access_note;

-- What the panel's login empties is an edit from now on, never an erasure. So a living record keeps its key, a closed case
-- its values, and nothing is left to be asked at the commit.
drop trigger destroyed_by_erasure on public.case_file;
drop trigger destroyed_by_erasure on public.victim_profile;
drop trigger destroyed_by_erasure on public.access_note;
drop function itm.destroyed_by_erasure();

create or replace function itm.case_rules() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if current_user <> 'itm_app' then
    return new;
  end if;
  if itm.confidence(new.confidentiality) is not distinct from itm.confidence(old.confidentiality) then
    if new.lowering_reason is distinct from old.lowering_reason then
      raise exception using errcode = 'restrict_violation', message = 'a reason belongs to a lowering';
    end if;
  elsif itm.confidence(new.confidentiality) > itm.confidence(old.confidentiality) then
    new.lowering_reason := null;
  else
    if itm.managed(old.unit_id) is not true then
      raise exception using errcode = 'insufficient_privilege', message = 'only a manager lowers a case''s confidentiality';
    end if;
    if new.lowering_reason is null then
      raise exception using errcode = 'restrict_violation', message = 'confidentiality is lowered for a reason';
    end if;
  end if;
  if old.data_key is not null and new.data_key is distinct from old.data_key then
    raise exception using errcode = 'restrict_violation', message = 'a living record keeps its key';
  end if;
  if old.closed_on is not null and new.closed_on is not null and (
       (new.opened_on, new.closed_on, new.closure_reason, new.province, new.referral_source, new.exploitation_types,
        new.industry, new.shared, new.unit_id, new.lead_institution_id, new.status, new.data_key, new.narrative_enc,
        new.closure_note_enc) is distinct from
       (old.opened_on, old.closed_on, old.closure_reason, old.province, old.referral_source, old.exploitation_types,
        old.industry, old.shared, old.unit_id, old.lead_institution_id, old.status, old.data_key, old.narrative_enc,
        old.closure_note_enc)) then
    raise exception using errcode = 'restrict_violation', constraint = 'closed_case', message = 'a closed case is reopened first';
  end if;
  return new;
end $$;

create or replace function itm.profile_rules() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  owner record;
begin
  if new.trafficking_status = 'ActualVictimOfTrafficking'
     and (tg_op = 'INSERT' or new.trafficking_status is distinct from old.trafficking_status)
     and not exists (select from public.institution i where i.id = new.institution_id and i.kind = 'presidency') then
    raise exception using errcode = 'restrict_violation', message = 'only the Presidency identifies a victim formally';
  end if;
  if current_user <> 'itm_app' then
    return new;
  end if;
  select p.id, p.unit_id, p.sensitivity, c.closed_on into owner
    from public.case_person l
    join public.person p on p.id = l.person_id and p.institution_id = l.institution_id
    join public.case_file c on c.id = l.case_id and c.institution_id = l.institution_id
   where l.id = new.case_person_id and l.institution_id = new.institution_id;
  if not found then
    raise exception using errcode = 'insufficient_privilege', message = 'the person of this profile is not there';
  end if;
  if owner.closed_on is not null then
    raise exception using errcode = 'restrict_violation', constraint = 'closed_case', message = 'a closed case is reopened first';
  end if;
  if owner.sensitivity >= 3 and itm.in_circle(owner.id, owner.unit_id) is not true then
    raise exception using errcode = 'insufficient_privilege', message = 'only those assigned or managing change this profile';
  end if;
  return new;
end $$;

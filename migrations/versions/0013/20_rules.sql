-- Rules that a table takes by a trigger with arguments, so that the catalogue shows what holds for it.

-- States: the column, then each step that is allowed, from>to. ">to" is a state to begin with; "none" stands for null.
create function itm.steps() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  state text := coalesce(to_jsonb(new) ->> tg_argv[0], 'none');
  before text := '';
begin
  if tg_op = 'UPDATE' then
    before := coalesce(to_jsonb(old) ->> tg_argv[0], 'none');
    if before = state then
      return new;
    end if;
  end if;
  if before || '>' || state <> all (tg_argv[1:]) then
    raise exception using errcode = 'restrict_violation',
      message = format('%s of %s does not go from "%s" to "%s"', tg_argv[0], tg_table_name, before, state);
  end if;
  return new;
end $$;

create function itm.stays() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using errcode = 'restrict_violation', message = format('%s of %s never change', tg_argv[0], tg_table_name);
end $$;

-- Deleted and restored by a manager of the unit that the record is in: of a record with a parent, the unit of the topmost
-- parent now, whatever unit it was entered in. The time is the database's.
create or replace function itm.deletion_by_manager() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  way text[];
  unit uuid;
begin
  if current_user <> 'itm_app' then
    return new;
  end if;
  if tg_op = 'INSERT' then
    if num_nonnulls(new.deleted_at, new.deletion_reason) > 0 then
      raise exception using errcode = 'restrict_violation', message = 'a record is entered before it is deleted';
    end if;
    return new;
  end if;
  if (new.deleted_at, new.deletion_reason) is not distinct from (old.deleted_at, old.deletion_reason) then
    return new;
  end if;
  unit := old.unit_id;
  if tg_nargs > 0 then
    way := string_to_array(tg_argv[0], '>');
    execute format('select t.unit_id from public.%I t where t.id = $1', way[cardinality(way)]) into unit
      using itm.at_end_of(trim_array(way, 1), to_jsonb(old));
  end if;
  if itm.managed(unit) is not true then
    raise exception using errcode = 'insufficient_privilege', message = 'only a manager deletes or restores a record';
  end if;
  if new.deletion_reason is not null and not itm.is_code('deletion_reason', new.deletion_reason) then
    raise exception using errcode = 'check_violation', column = 'deletion_reason', message = 'a record is deleted for a reason of the list';
  end if;
  new.deleted_at := case when new.deleted_at is not null then coalesce(old.deleted_at, now()) end;
  return new;
end $$;

-- How sensitive a record of this kind is, and the unit that it belongs to: its parent's, which is not deleted.
create function itm.place() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  unit uuid;
  gone boolean;
begin
  if tg_argv[0] <> '' then
    new.sensitivity := tg_argv[0]::smallint;
  end if;
  if tg_nargs > 1 then
    execute format('select t.unit_id, t.deleted_at is not null from public.%I t where t.id = $1', split_part(tg_argv[1], '>', 2))
      into unit, gone using (to_jsonb(new) ->> split_part(tg_argv[1], '>', 1))::uuid;
    if gone and current_user = 'itm_app' then
      raise exception using errcode = 'restrict_violation', message = 'a deleted record is restored first';
    end if;
    new.unit_id := coalesce(unit, new.unit_id);
  end if;
  return new;
end $$;

-- The two rules below are asked for the panel's login alone (in the trigger's WHEN) and run as the owner, who looks a row up
-- in the institution at work without asking for each policy of the reader.

-- A record of a closed or a deleted case is locked with it.
create function itm.open_case() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  topmost constant uuid := itm.at_end_of(trim_array(string_to_array(tg_argv[0], '>'), 1), to_jsonb(new));
begin
  if exists (select from public.case_file c where c.id = topmost and num_nonnulls(c.closed_on, c.deleted_at) > 0) then
    raise exception using errcode = 'restrict_violation', constraint = 'closed_case',
      message = 'a closed case is reopened first, a deleted one restored';
  end if;
  return new;
end $$;

-- Refuses if this person was erased. An erasure that is under way is waited for, and one that comes later waits for this
-- transaction and finds what it wrote. So the row is looked for without its state: a state that is asked for is that of before.
create function itm.lock_living(wanted uuid) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  gone boolean;
begin
  select p.erased_at is not null into gone from public.person p where p.id = wanted for key share;
  if gone then
    raise exception using errcode = 'restrict_violation', constraint = 'person_is_erased', message = 'the person was erased';
  end if;
end $$;

-- A record of before about a person neither begins nor returns once the person was erased. As the owner: the person may be
-- one whom the writer does not see.
create function itm.about_the_living() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform itm.lock_living(itm.at_end_of(string_to_array(tg_argv[0], '>'), to_jsonb(new)));
  return new;
end $$;

-- A record about a person begins with somebody who sees the person, and begins or returns before the person is erased. About a person of special sensitivity those in the
-- person's circle write. A record that is about nobody yet holds nothing protected, and is about somebody once for all.
create function itm.circle() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  path constant text[] := string_to_array(tg_argv[0], '>');
  wanted constant uuid := itm.at_end_of(path, to_jsonb(new));
  begins constant boolean := tg_op = 'INSERT' or to_jsonb(old) ->> path[1] is distinct from to_jsonb(new) ->> path[1];
  returns constant boolean := tg_op = 'UPDATE' and to_jsonb(old) ->> 'deleted_at' is not null and to_jsonb(new) ->> 'deleted_at' is null;
  person record;
begin
  if wanted is null then
    return new;
  end if;
  select p.unit_id, p.sensitivity into person from public.person p where p.id = wanted;
  if not found or (begins and itm.sees_person(wanted) is not true) then
    raise exception using errcode = 'insufficient_privilege', message = 'the person of this record is not there';
  end if;
  if begins or returns then
    perform itm.lock_living(wanted);
  end if;
  if person.sensitivity >= 3 and itm.in_circle(wanted, person.unit_id) is not true then
    raise exception using errcode = 'insufficient_privilege', message = 'only those assigned or managing change this record';
  end if;
  return new;
end $$;

-- A protected value is about a person who is not erased. The rule binds every writer, the database's owner too, and runs with
-- the writer's own rights, so that the panel's login sees the person.
create function itm.erased_stays() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  wanted constant uuid := itm.at_end_of(string_to_array(tg_argv[0], '>'), to_jsonb(new));
begin
  if wanted is null then
    raise exception using errcode = 'restrict_violation', message = 'a protected value is about somebody';
  end if;
  perform itm.lock_living(wanted);
  return new;
end $$;

revoke all on function itm.steps, itm.stays, itm.place, itm.open_case, itm.lock_living, itm.about_the_living, itm.circle, itm.erased_stays
  from public;
grant execute on function itm.lock_living to itm_app, itm_owner;

-- Who is a child follows from the age band, and how sensitive a record is follows from that, from its confidentiality,
-- or from its kind. The age itself follows from a sealed date: the panel works it out, when there is something to follow.

create function itm.child_of(band text) returns boolean
language sql immutable strict parallel safe set search_path = pg_catalog, pg_temp
as $$ select substring(band from '^[0-9]+')::integer < 18 $$;

create function itm.derived() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  case tg_table_name
    when 'case_file' then new.sensitivity := coalesce(itm.confidence(new.confidentiality) - 1, new.sensitivity);
    when 'victim_profile' then new.sensitivity := 3;
    else
      if new.age_band !~ '^(UNK|[0-9]{1,3}(-[0-9]{1,3}|[+]))$' then
        raise exception using errcode = 'check_violation', message = 'this is no age band';
      end if;
      new.is_child := itm.child_of(new.age_band);
      new.sensitivity := case when new.is_child then 3 else 2 end;
  end case;
  return new;
end $$;

-- As the policies of person and case_file, for functions that see more than the person at work.
create function itm.sees_person(wanted uuid) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select from public.person p where p.id = wanted and p.institution_id = itm.institution() and (
      itm.everywhere('manage')
      or (p.deleted_at is null and (
        (p.created_by = itm.account() and p.created_at = now())
        or exists (
          select from public.case_person l join public.case_file c on c.id = l.case_id and c.institution_id = l.institution_id
           where l.person_id = p.id and l.institution_id = p.institution_id and l.deleted_at is null and (
             c.unit_id = any (itm.units('manage'))
             or (c.deleted_at is null and (
               (c.confidentiality in ('OPEN', 'INTERNAL') and (itm.everywhere('unit') or c.unit_id = any (itm.units('unit'))))
               or (c.confidentiality = 'OPEN' and itm.units('unit') <> '{}')
               or c.id = any (itm.my_cases())
               or (c.created_by = itm.account() and c.created_at = now()))))))))
  )
$$;

-- Whether something that a person's age follows from was changed in this transaction: a link, or the case of one.
create function itm.days_changed(wanted uuid) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select from public.case_person l join public.case_file c on c.id = l.case_id and c.institution_id = l.institution_id
     where l.person_id = wanted and l.institution_id = itm.institution() and now() in (l.updated_at, c.updated_at))
$$;

create or replace function itm.age_days(wanted uuid) returns table (link uuid, opened_on date)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select l.id, c.opened_on from public.case_person l
    join public.case_file c on c.id = l.case_id and c.institution_id = l.institution_id
   where l.person_id = wanted and l.institution_id = itm.institution() and l.deleted_at is null and itm.sees_person(wanted);
end;

-- For a person whom the person at work sees, after a change that the age follows from; where the person or the link is
-- of special sensitivity for those in the circle alone, but that anybody who may change the person finds a child out.
create or replace function itm.write_age(link uuid, band text, child boolean) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  place record;
begin
  select l.is_child, p.id, p.unit_id, p.sensitivity, p.erased_at, p.updated_at into place
    from public.case_person l join public.person p on p.id = l.person_id and p.institution_id = l.institution_id
   where l.id = write_age.link and l.institution_id = itm.institution();
  if not found or place.erased_at is not null or itm.sees_person(place.id) is not true then
    return false;
  end if;
  if not (place.is_child is not true and (place.sensitivity < 3 or itm.child_of(write_age.band) is true))
     and itm.in_circle(place.id, place.unit_id) is not true then
    raise exception using errcode = 'insufficient_privilege', message = 'only those assigned or managing change this person';
  end if;
  if (itm.everywhere('manage') or place.updated_at = now() or itm.days_changed(place.id)) is not true then
    return false;
  end if;
  update public.case_person l set age_band = write_age.band
   where l.id = write_age.link and l.institution_id = itm.institution()
     and (l.age_band::text, l.is_child) is distinct from (write_age.band, itm.child_of(write_age.band));
  return found;
end $$;

revoke all on function itm.child_of, itm.derived, itm.sees_person, itm.days_changed from public;
grant execute on function itm.child_of, itm.derived, itm.sees_person, itm.days_changed to itm_app, itm_owner;

do $$
declare name text;
begin
  foreach name in array array['case_file', 'person', 'case_person', 'victim_profile']
  loop
    execute format('create trigger c_derived before insert or update on public.%I for each row execute function itm.derived()', name);
    execute format('alter table public.%I enable always trigger c_derived', name);
  end loop;
end $$;

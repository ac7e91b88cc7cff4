-- Ages follow the birth date and the case's day. The birth date is sealed, so the panel works the
-- ages out; the database says for which days, writes what follows for the person, and finds what was left behind.

create policy ages_read on public.case_person for select to itm_owner using (institution_id = (select itm.institution()));
create policy ages_read on public.case_file for select to itm_owner using (institution_id = (select itm.institution()));
create policy ages_read on public.person for select to itm_owner using (institution_id = (select itm.institution()));
create policy ages_write on public.case_person for update to itm_owner
  using (institution_id = (select itm.institution())) with check (institution_id = (select itm.institution()));

-- The live places of a person, with the day of each case; also those that the actor does not see.
create function itm.age_days(wanted uuid) returns table (link uuid, opened_on date)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select l.id, c.opened_on from public.case_person l
    join public.case_file c on c.id = l.case_id and c.institution_id = l.institution_id
   where l.person_id = wanted and l.institution_id = itm.institution() and l.deleted_at is null;
end;

create function itm.write_age(link uuid, band text, child boolean) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  update public.case_person l
     set age_band = write_age.band, is_child = write_age.child, sensitivity = case when write_age.child then 3 else 2 end
   where l.id = write_age.link and l.institution_id = itm.institution()
     and (l.age_band::text, l.is_child) is distinct from (write_age.band, write_age.child);
  return found;
end $$;
revoke all on function itm.age_days, itm.write_age from public;
grant execute on function itm.age_days, itm.write_age to itm_app;

-- The overseers read the age in the case that they look at.
create or replace view oversight_person with (security_barrier) as
  select p.id, p.institution_id, l.case_id, l.role, p.pseudonym, p.gender, l.age_band, l.is_child, p.citizenships
    from person p
    join case_person l on l.person_id = p.id and l.institution_id = p.institution_id and l.deleted_at is null
    join case_file c on c.id = l.case_id and c.institution_id = l.institution_id
   where p.deleted_at is null and c.deleted_at is null and c.shared
     and ((select itm.scope() = 'oversight') or ((select itm.scope() = 'audit') and ((select itm.national()) or p.institution_id = (select itm.home()))));

-- Who works on a case, and who may say so. case_file asks my_cases() and case_assignment asks case_file, so that the
-- policies do not run in a circle.

create policy assignment_own on case_assignment for select to itm_owner using (account_id = (select itm.account()));

-- The cases to which the person at work is assigned. One array per statement.
create function itm.my_cases() returns uuid[]
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select coalesce(array_agg(a.case_id), '{}') from public.case_assignment a
    where a.account_id = itm.account() and a.institution_id = itm.institution() and a.ended_at is null;
end;

-- Whether one of the roles assigns people to cases (itm_admin/foundation/roles.py: "assign" on "Case").
create function itm.assigns() returns boolean
language sql stable parallel safe set search_path = pg_catalog, pg_temp
as $$ select itm.scope() = 'institution' and coalesce((itm.context() ->> 'assigns')::boolean, false) $$;

create function itm.managed(unit uuid) returns boolean
language sql stable parallel safe set search_path = pg_catalog, pg_temp
as $$ select itm.everywhere('manage') or unit = any (itm.units('manage')) $$;

revoke all on function itm.my_cases, itm.assigns, itm.managed from public;
grant execute on function itm.my_cases, itm.assigns, itm.managed to itm_app, itm_owner;

-- As before, but a deleted case is open to managers alone: they restore it or erase its persons. Through it closes
-- what hangs on it: links, profiles, and persons of no other case.
drop policy case_work on case_file;
create policy case_work on case_file for all to itm_app
  using (institution_id = (select itm.institution()) and (
    (select itm.everywhere('manage')) or unit_id = any ((select itm.units('manage'))::uuid[])
    or (deleted_at is null and (
      (confidentiality in ('OPEN', 'INTERNAL')
       and ((select itm.everywhere('unit')) or unit_id = any ((select itm.units('unit'))::uuid[])))
      or (confidentiality = 'OPEN' and (select itm.units('unit')) <> '{}')
      or id = any ((select itm.my_cases())::uuid[])
      or (created_by = (select itm.account()) and created_at = now())))))
  with check (institution_id = (select itm.institution()) and (
    (select itm.everywhere('manage')) or unit_id = any ((select itm.units('manage'))::uuid[])
    or (select itm.everywhere('create')) or unit_id = any ((select itm.units('create'))::uuid[])
    or id = any ((select itm.my_cases())::uuid[])));

-- A person is seen through a visible case, a deleted one by managers alone.
drop policy person_work on person;
create policy person_work on person for all to itm_app
  using (institution_id = (select itm.institution()) and (
    (select itm.everywhere('manage'))
    or (deleted_at is null and (
      exists (select from case_person l where l.person_id = person.id and l.institution_id = person.institution_id
              and l.deleted_at is null offset 0)
      or (created_by = (select itm.account()) and created_at = now())))))
  with check (institution_id = (select itm.institution()));

-- Whether the person at work is in the circle of a person: manages the unit, or is assigned to a live case of theirs.
create function itm.in_circle(person uuid, unit uuid) returns boolean
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select itm.managed(unit) or exists (
    select from public.case_person l join public.case_file c on c.id = l.case_id and c.institution_id = l.institution_id
     where l.person_id = in_circle.person and l.institution_id = itm.institution() and l.deleted_at is null
       and c.deleted_at is null and l.case_id = any (itm.my_cases()))
$$;

-- Whether somebody of special sensitivity is in a case: nobody from outside it lets people in, then.
create function itm.holds_special(wanted uuid) returns boolean
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select from public.case_person l join public.person p on p.id = l.person_id and p.institution_id = l.institution_id
     where l.case_id = wanted and l.institution_id = itm.institution() and l.deleted_at is null
       and p.deleted_at is null and p.erased_at is null and p.sensitivity >= 3)
$$;

-- Whom those who assign may choose from: active colleagues with one of these roles, and the units that they hold them in.
create function itm.holders(wanted text[]) returns table (account_id uuid, roles text[], units uuid[])
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select g.account_id, array_agg(distinct g.role::text),
         array_remove(array_agg(distinct coalesce(g.unit_id, a.unit_id)), null)
    from public.role_grant g
    join public.account a on a.id = g.account_id and a.institution_id = g.institution_id and a.active
   where g.institution_id = itm.institution() and itm.scope() = 'institution' and g.state = 'active' and g.role = any (wanted)
   group by g.account_id
$$;
comment on function itm.holders(text[]) is 'Colleagues of the institution at work who hold one of these roles, with their units.';

revoke all on function itm.in_circle, itm.holds_special, itm.holders from public;
grant execute on function itm.in_circle, itm.holds_special to itm_app, itm_owner;
grant execute on function itm.holders to itm_app;

-- Assignments: read with their case. Made by managers; by those whose role assigns, on cases that they work on and
-- whose circle they are in; and by a person who opens a case, of themselves. Only their end is written later.
drop policy assignment on case_assignment;
create policy assignment_read on case_assignment for select to itm_app
  using (institution_id = (select itm.institution())
         and (account_id = (select itm.account())
              or exists (select from case_file c where c.id = case_assignment.case_id
                         and c.institution_id = case_assignment.institution_id offset 0)));
create policy assignment_add on case_assignment for insert to itm_app
  with check (institution_id = (select itm.institution()) and ended_at is null
    and exists (select from case_file c where c.id = case_assignment.case_id and c.institution_id = case_assignment.institution_id
      and ((select itm.everywhere('manage')) or c.unit_id = any ((select itm.units('manage'))::uuid[])
           or (account_id = (select itm.account()) and c.created_by = (select itm.account()) and c.created_at = now())
           or ((select itm.assigns())
               and (c.id = any ((select itm.my_cases())::uuid[])
                    or (((select itm.everywhere('create')) or c.unit_id = any ((select itm.units('create'))::uuid[]))
                        and not itm.holds_special(c.id)))))));
create policy assignment_end on case_assignment for update to itm_app
  using (institution_id = (select itm.institution()) and ended_at is null
    and exists (select from case_file c where c.id = case_assignment.case_id and c.institution_id = case_assignment.institution_id
      and ((select itm.everywhere('manage')) or c.unit_id = any ((select itm.units('manage'))::uuid[])
           or ((select itm.assigns())
               and (c.id = any ((select itm.my_cases())::uuid[])
                    or (select itm.everywhere('create')) or c.unit_id = any ((select itm.units('create'))::uuid[]))))))
  with check (institution_id = (select itm.institution()) and ended_at is not null);
revoke update on case_assignment from itm_app;
grant update (ended_at) on case_assignment to itm_app;

-- What overseers and auditors see of other institutions: listed columns, no identity. Row-level security
-- hides rows, not columns; these views run as itm_owner and hide the columns. Each asks for its scope itself:
-- once, inside (select …), and not for every row.

create view oversight_case with (security_barrier) as
  select c.id, c.institution_id, i.code as institution_code, c.reference, c.status, c.opened_on, c.closed_on,
         c.closure_reason, c.province, c.referral_source, c.exploitation_types, c.industry, c.confidentiality,
         c.updated_at,
         (select count(*) from case_person l where l.case_id = c.id and l.deleted_at is null) as people
    from case_file c join institution i on i.id = c.institution_id
   where c.deleted_at is null and c.shared
     and ((select itm.scope() = 'oversight') or ((select itm.scope() = 'audit') and ((select itm.national()) or c.institution_id = (select itm.home()))));

create view oversight_person with (security_barrier) as
  select p.id, p.institution_id, l.case_id, l.role, p.pseudonym, p.gender, p.age_band, p.is_child, p.citizenships
    from person p
    join case_person l on l.person_id = p.id and l.institution_id = p.institution_id and l.deleted_at is null
    join case_file c on c.id = l.case_id and c.institution_id = l.institution_id
   where p.deleted_at is null and c.deleted_at is null and c.shared
     and ((select itm.scope() = 'oversight') or ((select itm.scope() = 'audit') and ((select itm.national()) or p.institution_id = (select itm.home()))));

-- Counts hold unshared cases too: a number names nobody.
create view oversight_institution with (security_barrier) as
  select i.id, i.code, i.name_tr, i.name_en, i.kind, i.status, i.member_from, i.member_to, i.row_version,
         coalesce(c.cases, 0) as cases, coalesce(c.open_cases, 0) as open_cases, coalesce(c.unshared, 0) as unshared,
         coalesce(p.persons, 0) as persons, coalesce(a.accounts, 0) as accounts,
         greatest(c.changed_at, a.last_login) as last_activity
    from institution i
    left join (select institution_id, count(*) as cases, count(*) filter (where closed_on is null) as open_cases,
                      count(*) filter (where not shared) as unshared, max(updated_at) as changed_at
                 from case_file where deleted_at is null group by institution_id) c on c.institution_id = i.id
    left join (select institution_id, count(*) as persons from person where deleted_at is null
                group by institution_id) p on p.institution_id = i.id
    left join (select institution_id, count(*) filter (where active) as accounts, max(last_login) as last_login
                 from account group by institution_id) a on a.institution_id = i.id
   where (select itm.scope() = 'oversight') or ((select itm.scope() = 'audit') and ((select itm.national()) or i.id = (select itm.home())));

-- The health page is public: it gets a number.
create function itm.open_critical_alerts() returns bigint
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$ select count(*) from public.alert where severity = 'critical' and acknowledged_at is null $$;
revoke execute on function itm.open_critical_alerts() from public;
grant execute on function itm.open_critical_alerts() to itm_app;
create function itm.is_unstamped() returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$ select exists (select from public.alert where kind = 'ledger.unstamped' and acknowledged_at is null) $$;
revoke execute on function itm.is_unstamped() from public;
grant execute on function itm.is_unstamped() to itm_app;

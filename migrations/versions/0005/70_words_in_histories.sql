-- An entry of a look names the row that holds its words: who may read that row reads them in the history.

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
  select * from itm.names_for_audit(ids) where itm.scope() = 'audit'
$$;

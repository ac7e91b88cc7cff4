-- For "Who looked?": what a reference, a pseudonym or a user name names, and what hangs on a record. Auditors find unshared
-- cases and their persons too, as a name and nothing else.

create function itm.named(what text) returns table (kind text, id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  with reached as (
    select i.id as institution_id from public.institution i
     where itm.scope() = 'audit' and (itm.national() or i.id = itm.home()))
  select 'case', c.id from public.case_file c join reached using (institution_id) where c.reference = what
  union all
  select 'person', p.id from public.person p join reached using (institution_id) where p.pseudonym = what
  union all
  select 'account', a.id from public.account a join reached using (institution_id)
   where a.username = what or itm.tr_fold(a.first_name || ' ' || a.last_name) = itm.tr_fold(what)
$$;
comment on function itm.named(text) is 'Records and users that a reference, pseudonym or name names, for auditors within their reach.';

create function itm.parts_for_audit(kind text, record uuid) returns setof uuid
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
$$;
comment on function itm.parts_for_audit(text, uuid) is 'Rows that are part of a record, for its access history: ids alone.';
revoke execute on function itm.named(text), itm.parts_for_audit(text, uuid) from public;
grant execute on function itm.named(text), itm.parts_for_audit(text, uuid) to itm_app;

-- The turns of a case: opened, closed, reopened, its confidentiality changed, held, deleted. The row keeps the last of each;
-- the ledger has them all, and those who see the case see its turns, also where they read only their own acts in the ledger.

-- As the policy case_work: for functions that run as the owner.
create function itm.sees_case(wanted uuid) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select from public.case_file c where c.id = wanted and c.institution_id = itm.institution() and (
      itm.everywhere('manage') or c.unit_id = any (itm.units('manage'))
      or (c.deleted_at is null and (
        (c.confidentiality in ('OPEN', 'INTERNAL') and (itm.everywhere('unit') or c.unit_id = any (itm.units('unit'))))
        or (c.confidentiality = 'OPEN' and itm.units('unit') <> '{}')
        or c.id = any (itm.my_cases())
        or (c.created_by = itm.account() and c.created_at = now())))))
$$;

-- No address, no request and no other column: what the row says today, and said then.
create function itm.case_turns(wanted uuid)
returns table (at timestamptz, actor text, purpose text, changes jsonb)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select e.at, e.actor_id, e.purpose, turn.changes
    from audit.event e
   cross join lateral (
      select jsonb_object_agg(change.key, change.value) as changes
        from jsonb_each(e.content::jsonb -> 'changes') change
       where change.key in ('opened_on', 'closed_on', 'closure_reason', 'confidentiality', 'lowering_reason', 'hold_reason',
                            'deleted_at', 'deletion_reason')) turn
   where itm.scope() = 'institution' and itm.sees_case(wanted)
     and e.target_id = wanted::text and e.target_kind = 'case' and e.via = 'trigger' and turn.changes is not null
   order by e.at, e.id
$$;
comment on function itm.case_turns is 'Changes of a case''s state that its ledger holds, oldest first: to those who see the case.';

-- Who took records of any kind away: deleted them, or erased the person. Asked with the reader's own rights, so it tells what
-- the reader's ledger and register of accounts tell.
create function itm.removals(wanted text, records uuid[]) returns table (id uuid, account uuid, name text)
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select distinct on (e.target_id) e.target_id::uuid, a.id, a.first_name || ' ' || a.last_name
    from audit.event e
    left join public.account a on a.id::text = e.actor_id
   where e.target_id = any (records::text[]) and e.target_kind = wanted and e.via = 'trigger'
     and (e.content like '%"deleted_at":{"old":null,"new":"%' or e.content like '%"erased_at":{"old":null,"new":"%')
   order by e.target_id, e.at desc, e.id
$$;
comment on function itm.removals is 'The person who deleted or erased each of these records last.';

revoke all on function itm.sees_case, itm.case_turns, itm.removals from public;
grant execute on function itm.case_turns, itm.removals to itm_app;

-- Content past its retention time is purged as two people decided, checked here once more, by a login of its own.

create function itm.purge(decision uuid, years integer) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  found public.ledger_decision;
  removed bigint;
begin
  select d.* into found from public.ledger_decision d where d.id = purge.decision for update;
  if (found.kind = 'purge' and found.decision = 'approved' and found.outcome is null
      and found.proposed_by <> found.decided_by and found.proposer_institution_id <> found.decider_institution_id) is not true then
    raise exception using errcode = 'insufficient_privilege', message = 'two people have not decided this, or it is done';
  end if;
  removed := audit.purge(found.institution_id, found.first_seq, found.last_seq, years, found.id,
                         found.proposed_by::text, found.decided_by::text);
  update public.ledger_decision d set carried_out_at = now(), outcome = 'done' where d.id = found.id;
  return removed;
end $$;
comment on function itm.purge is 'Purges a segment of a ledger, as an approved decision says, once.';

-- What waits, and what could be proposed: the login that purges sees nothing else.
create function itm.purges() returns table (decision uuid, code text, first bigint, last bigint)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
  return query select d.id, i.code::text, d.first_seq, d.last_seq
    from public.ledger_decision d join public.institution i on i.id = d.institution_id
    where d.kind = 'purge' and d.decision = 'approved' and d.outcome is null order by d.decided_at, d.id;
end $$;

create function itm.purgeable(years integer) returns table (code text, first bigint, last bigint)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
  return query select l.code, p.first, p.stop - 1
    from audit.ledger l cross join lateral audit.purgeable(l.id, years) p
    where l.closed_at is null and p.stop > p.first order by l.code;
end $$;

create policy decision_purge_read on ledger_decision for select to itm_owner
  using ((select session_user) = 'itm_purger');
create policy decision_purge_mark on ledger_decision for update to itm_owner
  using ((select session_user) = 'itm_purger') with check ((select session_user) = 'itm_purger');

revoke all on function itm.purge, itm.purges, itm.purgeable from public;
grant usage on schema itm to itm_purger;
grant execute on function itm.purge, itm.purges, itm.purgeable to itm_purger;

-- What two people decided is carried out by the scheduler's process, and checked here once more.

create function itm.open_generation(decision uuid, generation integer, size bigint, root bytea) returns uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  found public.ledger_decision;
  opened uuid;
begin
  select d.* into found from public.ledger_decision d where d.id = open_generation.decision for update;
  if (found.kind = 'generation' and found.decision = 'approved' and found.outcome is null
      and found.proposed_by <> found.decided_by and found.proposer_institution_id <> found.decider_institution_id) is not true then
    raise exception using errcode = 'insufficient_privilege', message = 'two people have not decided this, or it is done';
  end if;
  opened := audit.next_generation(found.institution_id, generation, size, root, found.reason, found.id,
                                  found.proposed_by::text, found.decided_by::text);
  update public.ledger_decision d set carried_out_at = now(), outcome = 'done' where d.id = found.id;
  return opened;
end $$;
comment on function itm.open_generation is 'Opens the next generation of a ledger, as an approved decision says, once.';

revoke all on function itm.open_generation from public;
grant execute on function itm.open_generation to itm_signer;

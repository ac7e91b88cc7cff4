-- The oldest entry of each open ledger that is more than upkeep and that no checkpoint covers. Counted by number: an
-- entry of a clock that ran ahead is as unsigned as any other. Its age is that of its event, which no later clock moves.
create function itm.unsigned_entries() returns table (
  ledger_id uuid, code text, signed bigint, size bigint, seq bigint, since timestamptz, ahead boolean)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select l.id, l.code, c.size, l.size, f.seq, f.at,
         f.at > clock_timestamp() + interval '1 minute'
    from audit.ledger l
    cross join lateral (select coalesce(max(k.size), 0) as size from audit.checkpoint k where k.ledger_id = l.id) c
    cross join lateral (
      select x.seq, e.at from audit.leaf x join audit.event e on e.id = x.event_id
       where x.ledger_id = l.id and x.seq >= c.size and not audit.is_upkeep(e.action, e.target_kind, e.target_id)
       order by x.seq limit 1) f
   where l.closed_at is null and l.size > c.size
$$;
comment on function itm.unsigned_entries is 'The oldest entry of each open ledger that waits for its checkpoint; no content.';
revoke all on function itm.unsigned_entries from public;
grant execute on function itm.unsigned_entries to itm_app, itm_signer;

-- The panel notices what a signer that is held up, or dead, cannot tell.
drop policy alert_notice on alert;
create policy alert_notice on alert for insert to itm_app
  with check ((kind = 'job.missed' or kind = 'ledger.waiting') and holder is null and acknowledged_at is null);

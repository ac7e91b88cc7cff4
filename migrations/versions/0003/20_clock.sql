-- The last time at which the clock was known to be right: the scheduler compares it every hour with one that nobody can
-- set. What is sealed lies at most a day after it, or after the newest entry of any ledger.
create table itm.clock (
  one boolean primary key default true check (one),
  right_at timestamp with time zone not null
);
comment on table itm.clock is 'When the clock was last found right (itm.confirm_clock). Nobody''s data.';
alter table itm.clock enable row level security;
alter table itm.clock force row level security;
create policy clock_functions on itm.clock for all to itm_owner using (true) with check (true);
revoke all on itm.clock from public;
insert into itm.clock (right_at) values (clock_timestamp());

create function itm.confirm_clock(said timestamptz) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if abs(extract(epoch from clock_timestamp() - said)) > 300 then
    return false;
  end if;
  update itm.clock set right_at = clock_timestamp();
  return true;
end $$;
comment on function itm.confirm_clock is
  'Takes the clock for right if it agrees with another one within five minutes. False if it does not.';
revoke all on function itm.confirm_clock from public;
grant execute on function itm.confirm_clock to itm_signer;

-- Nothing is sealed more than a day ahead: the entries after it would have its time for as long as the clock was wrong.
-- The owner of the database is trusted with its clock, so that a backup of last year can be migrated.
create function itm.refuse_clock_ahead() returns void
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if session_user in ('itm_app', 'itm_signer', 'itm_purger')
    and clock_timestamp() > (select c.right_at from itm.clock c) + interval '1 day'
    and exists (select from audit.ledger l where l.size > 0)
    and not exists (select from audit.ledger l
                     where l.recorded_at between clock_timestamp() - interval '1 day' and clock_timestamp()) then
    raise exception 'audit.seal: the clock is more than a day ahead of every entry: nothing is sealed'
      using errcode = 'object_not_in_prerequisite_state',
            hint = 'Set the server''s clock, or start the scheduler again once it is right.';
  end if;
end $$;
revoke all on function itm.refuse_clock_ahead from public;

CREATE OR REPLACE FUNCTION audit.seal() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s'
AS $$
DECLARE
    pending text := current_setting('audit.pending', true);
    ledger audit.ledger;
    moment text;
    committed bytea;
    hash bytea;
BEGIN
    -- One ledger alone is locked below. Both settings are anybody's to forge: that costs the forger an order of
    -- locks, never a fork.
    IF length(pending) > 37 AND pending IS DISTINCT FROM current_setting('audit.locked', true) THEN
        PERFORM FROM audit.ledger l
            WHERE l.id = ANY (array_append(string_to_array(trim(pending), ' ')::uuid[], NEW.ledger_id))
            ORDER BY l.id FOR NO KEY UPDATE;
        pending := set_config('audit.locked', pending, true);
    END IF;
    IF current_setting('synchronous_commit') NOT IN ('on', 'remote_apply') THEN
        pending := set_config('synchronous_commit', 'on', true);
    END IF;
    -- What is read is what was locked, however long that was waited for.
    SELECT l.* INTO ledger FROM audit.ledger l WHERE l.id = NEW.ledger_id AND l.closed_at IS NULL FOR NO KEY UPDATE;
    PERFORM itm.refuse_clock_ahead();
    ledger.recorded_at := greatest(ledger.recorded_at, clock_timestamp());
    moment := audit.utc(ledger.recorded_at);
    committed := sha256(NEW.salt || convert_to(NEW.content, 'UTF8'));
    hash := audit.leaf_hash(ledger.origin, ledger.size, moment, ledger.head, committed);
    UPDATE audit.ledger l SET size = ledger.size + 1, recorded_at = ledger.recorded_at, head = hash
    WHERE l.id = NEW.ledger_id AND l.size = ledger.size;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'event % could not be sealed: ledger % has no head to move', NEW.id, NEW.ledger_id
            USING ERRCODE = 'serialization_failure';
    END IF;
    INSERT INTO audit.leaf (ledger_id, seq, event_id, recorded_at, prev, commitment, hash)
    VALUES (NEW.ledger_id, ledger.size, NEW.id, moment, ledger.head, committed, hash);
    RETURN NULL;
END $$;

-- Sealing: at commit each new event gets its sequence number and its link.
-- A ledger's head is locked only while the transaction commits; all heads of a transaction are locked
-- before the first seal and in the order of their ids, so that transactions over several ledgers
-- never wait for each other in a circle. READ COMMITTED: a higher isolation level fails, it never forks.

CREATE FUNCTION audit.leaf_hash(origin text, seq bigint, recorded_at text, prev bytea, commitment bytea)
RETURNS bytea LANGUAGE sql STABLE
RETURN pg_catalog.sha256('\x00'::bytea || pg_catalog.convert_to(pg_catalog.concat(
    E'itm-ledger-entry/v1\n', origin, E'\n', seq, E'\n', recorded_at,
    E'\n', pg_catalog.encode(prev, 'base64'), E'\n', pg_catalog.encode(commitment, 'base64'), E'\n'), 'UTF8'));
COMMENT ON FUNCTION audit.leaf_hash IS 'SHA-256(0x00 || frame). The frame is final: see DESIGN.md.';

CREATE FUNCTION audit.seal() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
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

CREATE CONSTRAINT TRIGGER seal AFTER INSERT ON audit.event
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit.seal();
ALTER TABLE audit.event ENABLE ALWAYS TRIGGER seal;

CREATE FUNCTION audit.begin() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.code !~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$' OR NEW.generation < 1 OR NEW.size <> 0
        OR NEW.head <> decode(repeat('00', 32), 'hex') THEN
        RAISE EXCEPTION 'a ledger begins empty, with a code and a generation' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER begins BEFORE INSERT ON audit.ledger FOR EACH ROW EXECUTE FUNCTION audit.begin();
ALTER TABLE audit.ledger ENABLE ALWAYS TRIGGER begins;

CREATE FUNCTION audit.refuse() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '% on %.% is refused: its history is in the ledger', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
COMMENT ON FUNCTION audit.refuse IS 'For statements that would undo history, whoever gives them.';

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.event
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.leaf
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.verification
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON audit.ledger
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse();
ALTER TABLE audit.event ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE audit.leaf ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE audit.verification ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE audit.ledger ENABLE ALWAYS TRIGGER append_only;

-- Sealing: at commit each new event gets its sequence number and its link.
-- A ledger's head is locked only while the transaction commits; all heads of a transaction are locked
-- before the first seal and in the order of their ids, so that transactions over several ledgers
-- never wait for each other in a circle. READ COMMITTED: a higher isolation level fails, it never forks.

CREATE FUNCTION audit.leaf_hash(origin text, seq bigint, recorded_at text, prev bytea, commitment bytea)
RETURNS bytea LANGUAGE sql STABLE
RETURN pg_catalog.sha256('\x00'::bytea || pg_catalog.convert_to(
    'itm-ledger-entry/v1' || E'\n' || origin || E'\n' || seq || E'\n' || recorded_at || E'\n'
    || pg_catalog.encode(prev, 'base64') || E'\n' || pg_catalog.encode(commitment, 'base64') || E'\n', 'UTF8'));
COMMENT ON FUNCTION audit.leaf_hash IS 'SHA-256(0x00 || frame). The frame is final: see DESIGN.md.';

CREATE FUNCTION audit.seal() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s'
AS $$
DECLARE
    pending text := coalesce(current_setting('audit.pending', true), '');
    committed bytea := sha256(NEW.salt || convert_to(NEW.content, 'UTF8'));
    moment timestamptz;
BEGIN
    IF strpos(coalesce(current_setting('audit.locked', true), ''), NEW.ledger_id::text) = 0 THEN
        PERFORM FROM audit.ledger
            WHERE id = ANY (array_append(string_to_array(trim(pending), ' ')::uuid[], NEW.ledger_id))
            ORDER BY id FOR NO KEY UPDATE;
        PERFORM set_config('audit.locked', pending || NEW.ledger_id || ' ', true);
    END IF;
    IF current_setting('synchronous_commit') NOT IN ('on', 'remote_apply') THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    moment := clock_timestamp();
    -- The settings above are anybody's to forge. That costs the forger an order of locks, never a fork:
    -- "l.size = b.size" lets no head move from a state that was read before its lock.
    WITH before AS (
        SELECT id, origin, size, head, greatest(recorded_at, moment) AS at
        FROM audit.ledger WHERE id = NEW.ledger_id AND closed_at IS NULL
    ), after AS (
        UPDATE audit.ledger l
        SET size = b.size + 1, recorded_at = b.at,
            head = audit.leaf_hash(b.origin, b.size, audit.utc(b.at), b.head, committed)
        FROM before b WHERE l.id = b.id AND l.size = b.size
        RETURNING b.size AS seq, audit.utc(b.at) AS recorded_at, b.head AS prev, l.head AS hash
    )
    INSERT INTO audit.leaf (ledger_id, seq, event_id, recorded_at, prev, commitment, hash)
    SELECT NEW.ledger_id, a.seq, NEW.id, a.recorded_at, a.prev, committed, a.hash FROM after a;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'event % could not be sealed: ledger % has no head to move', NEW.id, NEW.ledger_id
            USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER seal AFTER INSERT ON audit.event
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit.seal();
ALTER TABLE audit.event ENABLE ALWAYS TRIGGER seal;

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

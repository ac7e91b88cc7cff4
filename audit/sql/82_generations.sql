-- A ledger's next generation: the old one is closed for ever, and the new one begins by saying where it was left.
-- Promise: closing, opening, the first entry and a baseline of every row are one transaction, or nothing. Who may call
-- this, and on whose decision, is not the ledger's to know: it is granted to nobody here.

CREATE FUNCTION audit.closed_stays() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'ledger % is closed', OLD.origin USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER closed_stays BEFORE UPDATE ON audit.ledger FOR EACH ROW WHEN (OLD.closed_at IS NOT NULL)
    EXECUTE FUNCTION audit.closed_stays();
ALTER TABLE audit.ledger ENABLE ALWAYS TRIGGER closed_stays;

-- The rows of one holder in every watched table, as they stand now; of the Presidency also those of nobody.
CREATE FUNCTION audit.baseline_of(holder uuid, with_nobodys boolean) RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET TimeZone = 'UTC' SET DateStyle = 'ISO, YMD'
SET IntervalStyle = 'iso_8601' SET bytea_output = 'hex' SET extra_float_digits = 1
AS $$
DECLARE
    watched audit.watched;
    whose text;
    counted bigint;
    written bigint := 0;
BEGIN
    FOR watched IN SELECT DISTINCT ON (w.relation) w.* FROM audit.watched w ORDER BY w.relation, w.shape DESC LOOP
        whose := coalesce('r.' || quote_ident(watched.holder), 'NULL::uuid');
        EXECUTE format(
            'SELECT count(audit.write(%1$s, %2$L, ''success'', ''baseline'', %3$L, %4$s, %1$s, ''{}'', NULL,'
            ' '',"changes":{},"state":'' || %5$s)) FROM %6$s r WHERE %1$s = $1 OR $2 AND %1$s IS NULL',
            whose, coalesce(watched.action, 'record.update'), watched.kind,
            audit.key_expression('r', watched.key), audit.state_expression('r', watched), watched.relation)
        INTO counted USING baseline_of.holder, with_nobodys;
        written := written + counted;
    END LOOP;
    RETURN written;
END $$;

CREATE FUNCTION audit.next_generation(
    holder uuid, generation integer, size bigint, root bytea, reason text, decision uuid, proposer text, decider text
) RETURNS uuid LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET TimeZone = 'UTC' SET DateStyle = 'ISO, YMD'
SET IntervalStyle = 'iso_8601' SET bytea_output = 'hex' SET extra_float_digits = 1
AS $$
#variable_conflict use_column
DECLARE
    former audit.ledger;
    opened uuid;
BEGIN
    -- Rows that the comparison may see are the rows that are believed from here on: from any other login they are hidden.
    IF session_user <> 'itm_signer' THEN
        RAISE EXCEPTION 'only itm_signer opens a generation' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT l.* INTO former FROM audit.ledger l
    WHERE l.holder = next_generation.holder AND l.closed_at IS NULL FOR NO KEY UPDATE;
    IF (former.generation < next_generation.generation AND next_generation.size BETWEEN 0 AND former.size
        AND octet_length(next_generation.root) = 32) IS NOT TRUE THEN
        RAISE EXCEPTION 'no open ledger that this could follow' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    UPDATE audit.ledger l SET closed_at = clock_timestamp() WHERE l.id = former.id;
    INSERT INTO audit.ledger (holder, code, generation, origin, presidency)
    SELECT former.holder, former.code, next_generation.generation,
           d.name || '/ledger/' || former.code || '/' || next_generation.generation, former.presidency
    FROM audit.deployment d RETURNING id INTO STRICT opened;
    PERFORM audit.write(former.holder, 'ledger.open', 'success', 'append', 'ledger', former.code, NULL, '{}', NULL,
        ',"detail":{"previous":' || audit.js(former.origin) || ',"size":' || next_generation.size
        || ',"root":"' || encode(next_generation.root, 'base64') || '","closed_size":' || former.size
        || ',"closed_head":"' || encode(former.head, 'base64') || '","reason":' || audit.js(next_generation.reason)
        || ',"decision":' || audit.js(next_generation.decision::text) || ',"proposed_by":' || audit.js(next_generation.proposer)
        || ',"decided_by":' || audit.js(next_generation.decider) || '}');
    PERFORM audit.baseline_of(former.holder, former.presidency);
    RETURN opened;
END $$;
COMMENT ON FUNCTION audit.next_generation IS
    'Closes the holder''s ledger and opens the next. size and root: what is still proved of the old one, by what is held outside.';

REVOKE ALL ON FUNCTION audit.closed_stays, audit.baseline_of, audit.next_generation FROM PUBLIC;

-- Checkpoints, keys, cosignatures, tiles: what the signer tells the ledger, and what proofs are made from.
-- Promise: only itm_signer writes here, only through these functions, and a checkpoint or a statement about a key is
-- never without its entry in the Presidency's ledger. Signatures are verified outside: nothing here makes them true.

CREATE TABLE audit.checkpoint (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ledger_id uuid NOT NULL,
    size bigint NOT NULL CHECK (size > 0),
    root bytea NOT NULL CHECK (pg_catalog.octet_length(root) = 32),
    note text NOT NULL,
    signed_at timestamptz NOT NULL,
    event_id uuid NOT NULL,
    UNIQUE (ledger_id, size, note)
);
COMMENT ON TABLE audit.checkpoint IS 'A copy of what was signed. What counts is the signature in the note, and the copy held outside.';
COMMENT ON COLUMN audit.checkpoint.event_id IS 'The entry of the round, which repeats origin, size, root and time.';

CREATE TABLE audit.key (
    event_id uuid PRIMARY KEY,
    verifier text NOT NULL,
    statement text NOT NULL CHECK (statement IN ('named', 'retired', 'compromised')),
    sizes jsonb NOT NULL,
    said_at timestamptz NOT NULL,
    UNIQUE (verifier, statement)
);
COMMENT ON TABLE audit.key IS 'What was said of each signing key, as its entry in the Presidency''s ledger has it.';
COMMENT ON COLUMN audit.key.sizes IS
    'Origin → size: at which the key was named; up to which its signature alone counts, once it is retired or compromised.';

CREATE TABLE audit.cosignature (
    ledger_id uuid NOT NULL,
    size bigint NOT NULL,
    line text NOT NULL,
    PRIMARY KEY (ledger_id, size, line)
);
COMMENT ON COLUMN audit.cosignature.line IS 'A witness''s signature line of the checkpoint of this size.';

CREATE TABLE audit.tile (
    ledger_id uuid NOT NULL,
    level smallint NOT NULL CHECK (level BETWEEN 0 AND 7),
    index bigint NOT NULL CHECK (index >= 0),
    hashes bytea NOT NULL CHECK (pg_catalog.octet_length(hashes) = 8192),
    root bytea NOT NULL CHECK (pg_catalog.octet_length(root) = 32),
    PRIMARY KEY (ledger_id, level, index)
);
COMMENT ON TABLE audit.tile IS
    'Full tiles of 256 hashes: derived data, for short proofs. Never evidence: a proof made of them is verified before it is shown.';
COMMENT ON COLUMN audit.tile.root IS 'The node above the tile.';

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.key
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.cosignature
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse();
ALTER TABLE audit.checkpoint ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE audit.key ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE audit.cosignature ENABLE ALWAYS TRIGGER append_only;

-- Entries that only the ledger's own upkeep makes: they never cause a round, or rounds would never end.
CREATE FUNCTION audit.is_upkeep(action text, target_kind text, target_id text) RETURNS boolean LANGUAGE sql IMMUTABLE
RETURN action IN ('ledger.checkpoint', 'ledger.verify')
    OR action = 'job.run' AND target_kind = 'job' AND coalesce(target_id LIKE 'ledger.%', false);

CREATE FUNCTION audit.record_checkpoints(checkpoints jsonb) RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET TimeZone = 'UTC' SET DateStyle = 'ISO, YMD'
SET IntervalStyle = 'iso_8601' SET bytea_output = 'hex' SET extra_float_digits = 1
AS $$
DECLARE
    told text;
    written uuid;
BEGIN
    IF EXISTS (
        SELECT FROM jsonb_to_recordset(checkpoints) AS c(ledger uuid, size bigint, root text, note text, signed_at timestamptz)
        LEFT JOIN audit.ledger l ON l.id = c.ledger
        WHERE (l.id IS NOT NULL AND c.size BETWEEN 1 AND l.size AND c.signed_at IS NOT NULL
               AND starts_with(c.note, l.origin || E'\n' || c.size || E'\n' || c.root || E'\n\n')) IS NOT TRUE
    ) THEN
        RAISE EXCEPTION 'not a checkpoint of the ledger that it is recorded for' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT string_agg('{"origin":' || audit.js(l.origin) || ',"size":' || c.size || ',"root":' || audit.js(c.root)
                      || ',"signed_at":' || audit.js(audit.utc(c.signed_at)) || '}', ',' ORDER BY l.origin, c.size)
    INTO told
    FROM jsonb_to_recordset(checkpoints) AS c(ledger uuid, size bigint, root text, note text, signed_at timestamptz)
    JOIN audit.ledger l ON l.id = c.ledger
    WHERE NOT EXISTS (SELECT FROM audit.checkpoint k
                      WHERE k.ledger_id = c.ledger AND k.size = c.size AND k.note = c.note);
    IF told IS NULL THEN
        RETURN NULL;
    END IF;
    written := audit.write(NULL, 'ledger.checkpoint', 'success', 'append', 'ledger', NULL, NULL, '{}', NULL,
                           ',"detail":{"checkpoints":[' || told || ']}');
    INSERT INTO audit.checkpoint (ledger_id, size, root, note, signed_at, event_id)
    SELECT c.ledger, c.size, decode(c.root, 'base64'), c.note, c.signed_at, written
    FROM jsonb_to_recordset(checkpoints) AS c(ledger uuid, size bigint, root text, note text, signed_at timestamptz)
    ORDER BY c.ledger, c.size
    ON CONFLICT DO NOTHING;
    RETURN written;
END $$;
COMMENT ON FUNCTION audit.record_checkpoints IS
    'Records signed checkpoints and appends the one entry that names them. What is recorded already is passed over; NULL if all is.';

CREATE FUNCTION audit.state_key(verifier text, statement text, sizes jsonb) RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET TimeZone = 'UTC' SET DateStyle = 'ISO, YMD'
SET IntervalStyle = 'iso_8601' SET bytea_output = 'hex' SET extra_float_digits = 1
AS $$
#variable_conflict use_column
DECLARE
    written uuid;
BEGIN
    IF EXISTS (SELECT FROM audit.key k WHERE k.verifier = state_key.verifier AND k.statement = state_key.statement) THEN
        RETURN NULL;
    END IF;
    written := audit.write(NULL, 'ledger.key', 'success', 'append', 'key', split_part(state_key.verifier, '+', 2), NULL, '{}', NULL,
        ',"detail":{"key":' || audit.js(state_key.verifier) || ',"statement":' || audit.js(state_key.statement)
        || ',"sizes":' || state_key.sizes::text || '}');
    INSERT INTO audit.key (event_id, verifier, statement, sizes, said_at)
    SELECT written, state_key.verifier, state_key.statement, state_key.sizes, e.at FROM audit.event e WHERE e.id = written;
    RETURN written;
END $$;
COMMENT ON FUNCTION audit.state_key IS 'Says one thing of a signing key, once, with its entry in the Presidency''s ledger. NULL if it was said.';

CREATE FUNCTION audit.record_cosignatures(ledger_id uuid, size bigint, lines text[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    added bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM audit.checkpoint c WHERE c.ledger_id = record_cosignatures.ledger_id
                   AND c.size = record_cosignatures.size)
       OR EXISTS (SELECT FROM unnest(lines) line WHERE length(line) > 2000 OR line IS NULL) THEN
        RAISE EXCEPTION 'no such checkpoint, or no signature lines' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO audit.cosignature (ledger_id, size, line)
    SELECT record_cosignatures.ledger_id, record_cosignatures.size, line FROM unnest(lines) line ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS added = ROW_COUNT;
    RETURN added;
END $$;
COMMENT ON FUNCTION audit.record_cosignatures IS 'Keeps what witnesses signed. They prove themselves: no entry tells of them.';

CREATE FUNCTION audit.put_tile(ledger_id uuid, level integer, index bigint, hashes bytea, root bytea) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO audit.tile (ledger_id, level, index, hashes, root) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (ledger_id, level, index) DO UPDATE SET hashes = excluded.hashes, root = excluded.root
$$;

-- Hashes tell nothing of what happened: whoever may see that a ledger is there may prove that it was not rewritten.
CREATE FUNCTION audit.hashes(ledger_id uuid, start bigint, stop bigint) RETURNS TABLE (seq bigint, hash bytea)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    SELECT f.seq, f.hash FROM audit.leaf f
    WHERE f.ledger_id = $1 AND f.seq >= $2 AND f.seq < $3
      AND (session_user <> 'itm_app' OR audit.reads() = 'all' OR EXISTS (
          SELECT FROM audit.ledger l WHERE l.id = $1 AND l.holder = audit.own_holder() AND audit.reads() IN ('ledger', 'actor')))
    ORDER BY f.seq
$$;
COMMENT ON FUNCTION audit.hashes IS 'Leaf hashes, for proofs, also for those who see no other person''s entries.';

REVOKE ALL ON audit.checkpoint, audit.key, audit.cosignature, audit.tile FROM PUBLIC;
REVOKE ALL ON FUNCTION audit.is_upkeep, audit.record_checkpoints, audit.state_key, audit.record_cosignatures,
    audit.put_tile, audit.hashes FROM PUBLIC;
GRANT SELECT ON audit.checkpoint, audit.key, audit.cosignature, audit.tile TO itm_app, itm_signer;
GRANT EXECUTE ON FUNCTION audit.hashes TO itm_app, itm_signer;
GRANT EXECUTE ON FUNCTION audit.is_upkeep, audit.record_checkpoints, audit.state_key, audit.record_cosignatures,
    audit.put_tile TO itm_signer;

ALTER TABLE audit.checkpoint ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit.checkpoint FORCE ROW LEVEL SECURITY;
ALTER TABLE audit.key ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit.key FORCE ROW LEVEL SECURITY;
ALTER TABLE audit.cosignature ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit.cosignature FORCE ROW LEVEL SECURITY;
ALTER TABLE audit.tile ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit.tile FORCE ROW LEVEL SECURITY;

CREATE POLICY functions_record ON audit.checkpoint FOR INSERT TO itm_owner WITH CHECK (true);
CREATE POLICY functions_read ON audit.checkpoint FOR SELECT TO itm_owner USING (true);
CREATE POLICY functions_record ON audit.key FOR INSERT TO itm_owner WITH CHECK (true);
CREATE POLICY functions_read ON audit.key FOR SELECT TO itm_owner USING (true);
CREATE POLICY functions_record ON audit.cosignature FOR INSERT TO itm_owner WITH CHECK (true);
CREATE POLICY functions_read ON audit.cosignature FOR SELECT TO itm_owner USING (true);
CREATE POLICY functions_put ON audit.tile FOR INSERT TO itm_owner WITH CHECK (true);
CREATE POLICY functions_renew ON audit.tile FOR UPDATE TO itm_owner USING (true) WITH CHECK (true);
CREATE POLICY functions_read ON audit.tile FOR SELECT TO itm_owner USING (true);

CREATE POLICY signer_reads ON audit.checkpoint FOR SELECT TO itm_signer USING (true);
CREATE POLICY signer_reads ON audit.key FOR SELECT TO itm_signer USING (true);
CREATE POLICY signer_reads ON audit.cosignature FOR SELECT TO itm_signer USING (true);
CREATE POLICY signer_reads ON audit.tile FOR SELECT TO itm_signer USING (true);

-- Keys are public. Of the others the panel sees what belongs to the ledgers that it sees.
CREATE POLICY app_reads ON audit.key FOR SELECT TO itm_app USING (true);
CREATE POLICY app_reads ON audit.checkpoint FOR SELECT TO itm_app
    USING (ledger_id IN (SELECT l.id FROM audit.ledger l));
CREATE POLICY app_reads ON audit.cosignature FOR SELECT TO itm_app
    USING (ledger_id IN (SELECT l.id FROM audit.ledger l));
CREATE POLICY app_reads ON audit.tile FOR SELECT TO itm_app
    USING (ledger_id IN (SELECT l.id FROM audit.ledger l));

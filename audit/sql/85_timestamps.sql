-- Time stamps: what an authority outside answered when it was shown a checkpoint.
-- Promise: only itm_signer writes here, only through this function, and only of a checkpoint that is recorded. Nothing
-- here makes a stamp good: whoever needs one judges the answer.

CREATE TABLE audit.timestamp (
    ledger_id uuid NOT NULL,
    size bigint NOT NULL,
    digest bytea NOT NULL CHECK (pg_catalog.octet_length(digest) = 32),
    stamped_at timestamptz NOT NULL,
    answer bytea NOT NULL CHECK (pg_catalog.octet_length(answer) BETWEEN 1 AND 65536),
    PRIMARY KEY (ledger_id, size, digest)
);
COMMENT ON TABLE audit.timestamp IS 'Copies of RFC 3161 answers. What counts is the authority''s signature, and the copy held outside.';
COMMENT ON COLUMN audit.timestamp.digest IS 'SHA-256 of the checkpoint''s note, as the ledger''s keys signed it.';
COMMENT ON COLUMN audit.timestamp.stamped_at IS 'The time that the answer says, repeated for lists.';

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.timestamp
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse();
ALTER TABLE audit.timestamp ENABLE ALWAYS TRIGGER append_only;

CREATE FUNCTION audit.record_timestamp(ledger_id uuid, size bigint, digest bytea, stamped_at timestamptz, answer bytea)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM audit.checkpoint c WHERE c.ledger_id = $1 AND c.size = $2
                   AND sha256(convert_to(c.note, 'UTF8')) = $3) THEN
        RETURN false;
    END IF;
    INSERT INTO audit.timestamp VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING;
    RETURN true;
END $$;
COMMENT ON FUNCTION audit.record_timestamp IS
    'Keeps what an authority stamped. It proves itself: no entry tells of it. False while that checkpoint is not recorded.';

REVOKE ALL ON audit.timestamp FROM PUBLIC;
REVOKE ALL ON FUNCTION audit.record_timestamp FROM PUBLIC;
GRANT SELECT ON audit.timestamp TO itm_app, itm_signer;
GRANT EXECUTE ON FUNCTION audit.record_timestamp TO itm_signer;

ALTER TABLE audit.timestamp ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit.timestamp FORCE ROW LEVEL SECURITY;
CREATE POLICY functions_record ON audit.timestamp FOR INSERT TO itm_owner WITH CHECK (true);
CREATE POLICY functions_read ON audit.timestamp FOR SELECT TO itm_owner USING (true);
CREATE POLICY signer_reads ON audit.timestamp FOR SELECT TO itm_signer USING (true);
CREATE POLICY app_reads ON audit.timestamp FOR SELECT TO itm_app
    USING (ledger_id IN (SELECT l.id FROM audit.ledger l));

-- Where entries are passed on to, and how far each sink has come in each ledger.
-- Promise: written only by itm_signer through these functions. It is no history and no evidence: whoever changes it can
-- delay or repeat what is passed on, and a receiver sees a gap in the numbers of a ledger.

CREATE TABLE audit.sink (
    name text PRIMARY KEY CHECK (pg_catalog.length(name) BETWEEN 1 AND 500),
    named_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    dropped_at timestamptz,
    failing_since timestamptz,
    trouble text CHECK (pg_catalog.length(trouble) <= 200),
    behind_since timestamptz
);
COMMENT ON TABLE audit.sink IS 'A sink that the settings name, or named: without secrets.';
COMMENT ON COLUMN audit.sink.dropped_at IS 'Since when the settings do not name it. Its cursors stay: named again, it goes on where it was.';
COMMENT ON COLUMN audit.sink.behind_since IS 'Since when its backlog is too old or too large: the alert was raised then.';

CREATE TABLE audit.sink_cursor (
    sink text NOT NULL REFERENCES audit.sink,
    ledger_id uuid NOT NULL,
    next_seq bigint NOT NULL CHECK (next_seq >= 0),
    moved_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (sink, ledger_id)
) WITH (fillfactor = 50);
COMMENT ON COLUMN audit.sink_cursor.next_seq IS 'The first entry that the sink has not acknowledged.';

CREATE FUNCTION audit.name_sinks(names text[]) RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    UPDATE audit.sink SET dropped_at = clock_timestamp(), failing_since = NULL, trouble = NULL
    WHERE dropped_at IS NULL AND name <> ALL (names);
    INSERT INTO audit.sink AS s (name) SELECT DISTINCT unnest(names)
    ON CONFLICT (name) DO UPDATE SET dropped_at = NULL, named_at = clock_timestamp() WHERE s.dropped_at IS NOT NULL
$$;
COMMENT ON FUNCTION audit.name_sinks IS 'Says which sinks the settings name. A new one begins at the first entry of each ledger.';

CREATE FUNCTION audit.move_sink(sink text, ledger_id uuid, next_seq bigint) RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO audit.sink_cursor (sink, ledger_id, next_seq) VALUES ($1, $2, $3)
    ON CONFLICT (sink, ledger_id) DO UPDATE SET next_seq = excluded.next_seq, moved_at = excluded.moved_at
$$;
COMMENT ON FUNCTION audit.move_sink IS 'After an acknowledgement; back, where what was acknowledged may be lost.';

CREATE FUNCTION audit.tell_of_sink(sink text, trouble text) RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    UPDATE audit.sink s
    SET trouble = $2, failing_since = CASE WHEN $2 IS NOT NULL THEN coalesce(s.failing_since, clock_timestamp()) END
    WHERE s.name = $1 AND s.trouble IS DISTINCT FROM $2
$$;

CREATE FUNCTION audit.mark_sink(sink text, behind boolean) RETURNS boolean LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    UPDATE audit.sink s SET behind_since = CASE WHEN $2 THEN clock_timestamp() END
    WHERE s.name = $1 AND (s.behind_since IS NOT NULL) <> $2 RETURNING true
$$;
COMMENT ON FUNCTION audit.mark_sink IS 'True where that is news: one alert for one backlog, whoever acknowledges it meanwhile.';

REVOKE ALL ON audit.sink, audit.sink_cursor FROM PUBLIC;
REVOKE ALL ON FUNCTION audit.name_sinks, audit.move_sink, audit.tell_of_sink, audit.mark_sink FROM PUBLIC;
GRANT SELECT ON audit.sink, audit.sink_cursor TO itm_app, itm_signer;
GRANT EXECUTE ON FUNCTION audit.name_sinks, audit.move_sink, audit.tell_of_sink, audit.mark_sink TO itm_signer;

ALTER TABLE audit.sink ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit.sink FORCE ROW LEVEL SECURITY;
ALTER TABLE audit.sink_cursor ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit.sink_cursor FORCE ROW LEVEL SECURITY;

CREATE POLICY functions_work ON audit.sink FOR ALL TO itm_owner USING (true) WITH CHECK (true);
CREATE POLICY functions_work ON audit.sink_cursor FOR ALL TO itm_owner USING (true) WITH CHECK (true);
CREATE POLICY signer_reads ON audit.sink FOR SELECT TO itm_signer USING (true);
CREATE POLICY signer_reads ON audit.sink_cursor FOR SELECT TO itm_signer USING (true);
-- Whoever reads a ledger may know where it is passed on to, and how far.
CREATE POLICY app_reads ON audit.sink FOR SELECT TO itm_app USING ((SELECT audit.reads()) IN ('ledger', 'all'));
CREATE POLICY app_reads ON audit.sink_cursor FOR SELECT TO itm_app
    USING ((SELECT audit.reads()) IN ('ledger', 'all') AND ledger_id IN (SELECT l.id FROM audit.ledger l));

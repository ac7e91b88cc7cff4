-- Purging: content whose retention time is over is destroyed in whole segments; the leaves stay, and all proofs with them.
-- Promise: the content goes in the transaction that says so in the same ledger, or not at all; from the oldest end on,
-- and only what is signed, verified and past its time. Who decided is not the ledger's to know: it is granted to nobody here.

CREATE INDEX event_purge ON audit.event (ledger_id) WHERE action = 'ledger.purge';

-- Only the functions of the owner delete an event, and only for the login that purges: it has no other way to.
CREATE FUNCTION audit.refuse_unless_purging() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'DELETE' AND session_user = 'itm_purger' AND current_user = 'itm_owner' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION '% on %.% is refused: its history is in the ledger', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.event
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_unless_purging();
ALTER TABLE audit.event ENABLE ALWAYS TRIGGER append_only;
CREATE POLICY functions_purge ON audit.event FOR DELETE TO itm_owner USING ((SELECT session_user) = 'itm_purger');

CREATE FUNCTION audit.subtree(ledger_id uuid, start bigint, width bigint) RETURNS bytea LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    hashes bytea[] := ARRAY(SELECT f.hash FROM audit.leaf f WHERE f.ledger_id = subtree.ledger_id
                            AND f.seq >= subtree.start AND f.seq < subtree.start + subtree.width ORDER BY f.seq);
BEGIN
    IF cardinality(hashes) <> width THEN
        RAISE EXCEPTION 'entries are missing' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    WHILE cardinality(hashes) > 1 LOOP
        hashes := ARRAY(SELECT sha256('\x01'::bytea || string_agg(n.hash, ''::bytea ORDER BY n.place))
                        FROM unnest(hashes) WITH ORDINALITY n(hash, place)
                        GROUP BY (n.place - 1) / 2 ORDER BY (n.place - 1) / 2);
    END LOOP;
    RETURN hashes[1];
END $$;
COMMENT ON FUNCTION audit.subtree IS 'The node above a power of two of entries (RFC 6962), from the leaves alone.';

CREATE FUNCTION audit.compact(ledger_id uuid, start bigint, stop bigint) RETURNS bytea LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    made bytea := int8send(start) || int8send(stop);
    width bigint;
BEGIN
    WHILE start < stop LOOP
        width := 1;
        WHILE start % (2 * width) = 0 AND start + 2 * width <= stop LOOP
            width := 2 * width;
        END LOOP;
        made := made || audit.subtree(ledger_id, start, width);
        start := start + width;
    END LOOP;
    RETURN made;
END $$;
COMMENT ON FUNCTION audit.compact IS 'The compact range of these entries, as DESIGN.md writes it.';

CREATE FUNCTION audit.purged(ledger_id uuid) RETURNS bigint LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(max((e.content::jsonb -> 'detail' ->> 'last')::bigint), -1) + 1
    FROM audit.event e WHERE e.ledger_id = $1 AND e.action = 'ledger.purge'
$$;
COMMENT ON FUNCTION audit.purged IS 'How many entries, from the first on, were purged.';

-- The newest whole segment that may be purged now: from the last purged entry on, in blocks of 256.
CREATE FUNCTION audit.purgeable(ledger_id uuid, years integer) RETURNS TABLE (first bigint, stop bigint)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT audit.purged($1), least(
        coalesce((SELECT min(f.seq) FROM audit.leaf f WHERE f.ledger_id = $1
                  AND f.recorded_at >= audit.utc(now() - make_interval(years => greatest($2, 5)))),
                 (SELECT l.size FROM audit.ledger l WHERE l.id = $1)),
        coalesce((SELECT max(c.size) FROM audit.checkpoint c WHERE c.ledger_id = $1), 0)) / 256 * 256
$$;

-- Records whose last word lies in the segment are said anew, as they stand; one that is not as it was told stops it all.
CREATE FUNCTION audit.baseline_segment(ledger audit.ledger, first bigint, stop bigint) RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET TimeZone = 'UTC' SET DateStyle = 'ISO, YMD'
SET IntervalStyle = 'iso_8601' SET bytea_output = 'hex' SET extra_float_digits = 1
AS $$
DECLARE
    watched audit.watched;
    last_words jsonb;
    whose text;
    agreeing bigint;
    told bigint;
    written bigint := 0;
BEGIN
    FOR watched IN SELECT DISTINCT ON (w.relation) w.* FROM audit.watched w ORDER BY w.relation, w.shape DESC LOOP
        CONTINUE WHEN NOT EXISTS (
            SELECT FROM audit.leaf f JOIN audit.event e ON e.id = f.event_id
            WHERE f.ledger_id = ledger.id AND f.seq >= first AND f.seq < stop
              AND e.target_kind = watched.kind AND e.via IN ('trigger', 'baseline'));
        EXECUTE format('LOCK TABLE %s IN SHARE MODE', watched.relation);
        -- Key → state as the last word has it; a row that was deleted or went elsewhere needs none.
        SELECT coalesce(jsonb_object_agg(w.id, w.state) FILTER (
            WHERE w.state <> 'null' AND w.holder IS NOT DISTINCT FROM w.owner), '{}') INTO last_words
        FROM (
            SELECT DISTINCT ON (e.target_id) e.target_id AS id, f.seq, e.content::jsonb -> 'state' AS state,
                   coalesce(e.target_holder, ledger.holder) AS holder, ledger.holder AS owner
            FROM audit.event e JOIN audit.leaf f ON f.event_id = e.id
            WHERE f.ledger_id = ledger.id AND e.target_kind = watched.kind AND e.via IN ('trigger', 'baseline')
              AND e.target_id IN (SELECT o.target_id FROM audit.leaf g JOIN audit.event o ON o.id = g.event_id
                                  WHERE g.ledger_id = ledger.id AND g.seq >= first AND g.seq < stop
                                    AND o.target_kind = watched.kind AND o.via IN ('trigger', 'baseline'))
            ORDER BY e.target_id, f.seq DESC
        ) w WHERE w.seq < stop;
        whose := coalesce('r.' || quote_ident(watched.holder), 'NULL::uuid');
        EXECUTE format(
            'SELECT count(*) FILTER (WHERE (%1$s)::jsonb = $1 -> (%2$s)), count(*) FROM %3$s r'
            ' WHERE $1 ? (%2$s) AND (%4$s = $2 OR $3 AND %4$s IS NULL)',
            audit.state_expression('r', watched), audit.key_expression('r', watched.key), watched.relation, whose)
        INTO agreeing, told USING last_words, ledger.holder, ledger.presidency;
        IF agreeing <> told OR told <> (SELECT count(*) FROM jsonb_object_keys(last_words)) THEN
            RAISE EXCEPTION 'records of % are not as the ledger tells: verify it first', watched.relation
                USING ERRCODE = 'object_not_in_prerequisite_state';
        END IF;
        EXECUTE format(
            'SELECT count(audit.write(%1$s, %2$L, ''success'', ''baseline'', %3$L, %4$s, %1$s, ''{}'', NULL,'
            ' '',"changes":{},"state":'' || %5$s)) FROM %6$s r WHERE $1 ? (%4$s) AND (%1$s = $2 OR $3 AND %1$s IS NULL)',
            whose, coalesce(watched.action, 'record.update'), watched.kind, audit.key_expression('r', watched.key),
            audit.state_expression('r', watched), watched.relation)
        INTO told USING last_words, ledger.holder, ledger.presidency;
        written := written + told;
    END LOOP;
    RETURN written;
END $$;

CREATE FUNCTION audit.purge(
    holder uuid, first bigint, last bigint, years integer, decision uuid, proposer text, decider text
) RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET TimeZone = 'UTC' SET DateStyle = 'ISO, YMD'
SET IntervalStyle = 'iso_8601' SET bytea_output = 'hex' SET extra_float_digits = 1
AS $$
#variable_conflict use_variable
DECLARE
    ledger audit.ledger;
    stop bigint := last + 1;
    until bigint;
    said bigint;
    removed bigint;
BEGIN
    IF session_user <> 'itm_purger' THEN
        RAISE EXCEPTION 'only itm_purger purges' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT l.* INTO ledger FROM audit.ledger l WHERE l.holder = purge.holder AND l.closed_at IS NULL;
    IF ledger.id IS NULL THEN
        RAISE EXCEPTION 'no open ledger' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('audit.purge ' || ledger.id, 0));
    SELECT p.stop INTO until FROM audit.purgeable(ledger.id, years) p;
    IF (first = audit.purged(ledger.id) AND stop % 256 = 0 AND stop > first) IS NOT TRUE THEN
        RAISE EXCEPTION 'a segment is whole blocks of 256 entries, from the first that is not purged on'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF years < 5 OR stop > until THEN
        RAISE EXCEPTION 'the retention time is not over, or no checkpoint covers the segment'
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    IF (SELECT v.verdict FROM audit.verification v WHERE v.ledger_id = ledger.id ORDER BY v.id DESC LIMIT 1)
        IS DISTINCT FROM 'intact' THEN
        RAISE EXCEPTION 'the last verification did not find the ledger intact'
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    said := audit.baseline_segment(ledger, first, stop);
    -- What the ledger says of itself stays: checkpoints, keys, generations and purges hold nobody's data.
    WITH gone AS (
        DELETE FROM audit.event e USING audit.leaf f
        WHERE f.event_id = e.id AND f.ledger_id = ledger.id AND f.seq >= first AND f.seq < stop
          AND e.action NOT IN ('ledger.checkpoint', 'ledger.key', 'ledger.open', 'ledger.purge')
        RETURNING e.id
    ) SELECT count(*) INTO removed FROM gone;
    PERFORM audit.write(ledger.holder, 'ledger.purge', 'success', 'append', 'ledger', ledger.code, NULL, '{}', NULL,
        ',"detail":{"origin":' || audit.js(ledger.origin) || ',"first":' || first || ',"last":' || last
        || ',"hashes":"' || translate(encode(audit.compact(ledger.id, first, stop), 'base64'), E'\n', '')
        || '","removed":' || removed || ',"baselines":' || said || ',"decision":' || audit.js(decision::text)
        || ',"proposed_by":' || audit.js(proposer) || ',"decided_by":' || audit.js(decider) || '}');
    RETURN removed;
END $$;
COMMENT ON FUNCTION audit.purge IS
    'Destroys the content of a segment of the holder''s ledger and says so in it. Returns how many events went.';

REVOKE ALL ON FUNCTION audit.refuse_unless_purging, audit.subtree, audit.compact, audit.purged, audit.purgeable,
    audit.baseline_segment, audit.purge FROM PUBLIC;

-- A change that was refused is told as what was tried. What happened is still told by triggers alone: no login appends
-- a change that succeeded.
CREATE OR REPLACE FUNCTION audit.append(
    action text, outcome text DEFAULT 'success', target_kind text DEFAULT NULL, target_id text DEFAULT NULL,
    subjects text[] DEFAULT '{}', purpose text DEFAULT NULL, detail jsonb DEFAULT NULL,
    to_presidency boolean DEFAULT false
) RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET TimeZone = 'UTC' SET DateStyle = 'ISO, YMD'
SET IntervalStyle = 'iso_8601' SET bytea_output = 'hex' SET extra_float_digits = 1
AS $$
DECLARE
    writers text[] := (SELECT a.by FROM audit.action a WHERE a.code = append.action);
    written uuid;
BEGIN
    IF writers IS NULL THEN
        RAISE EXCEPTION 'unknown action %', coalesce(action, 'NULL') USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF outcome IN ('denied', 'failure') AND action IN ('record.create', 'record.update', 'record.delete',
                                                       'record.restore', 'record.close') THEN
        writers := array_append(writers, 'itm_app');
    END IF;
    -- The login, not current_user: inside this function that is the owner.
    IF NOT session_user = ANY (writers) THEN
        RAISE EXCEPTION '% may not append %', session_user, action USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF outcome IS NULL OR outcome NOT IN ('success', 'denied', 'failure') THEN
        RAISE EXCEPTION 'unknown outcome' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF cardinality(subjects) > 1000 OR array_ndims(subjects) > 1 OR array_position(subjects, NULL) IS NOT NULL
        OR EXISTS (SELECT FROM unnest(subjects) s WHERE length(s) > 200) THEN
        RAISE EXCEPTION 'subjects: at most 1,000 ids of at most 200 characters'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF length(target_kind) > 100 OR length(target_id) > 200 OR length(purpose) > 1000 THEN
        RAISE EXCEPTION 'target or purpose is too long' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM audit.check_detail(detail);
    written := audit.write(
        CASE WHEN to_presidency THEN NULL ELSE (audit.context() ->> 'ledger')::uuid END,
        action, outcome, 'append', target_kind, target_id, NULL, coalesce(subjects, '{}'), purpose,
        coalesce(',"detail":' || detail::text, ''));
    IF (SELECT octet_length(e.content) FROM audit.event e WHERE e.id = written) > 65536 THEN
        RAISE EXCEPTION 'an event holds at most 64 KiB' USING ERRCODE = 'program_limit_exceeded';
    END IF;
    RETURN written;
END $$;

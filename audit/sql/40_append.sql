-- What others may call: open a ledger, append an event that is not a change of a row, record a verification.

CREATE FUNCTION audit.open_ledger(holder uuid, code text, presidency boolean DEFAULT false)
RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    opened uuid;
BEGIN
    INSERT INTO audit.ledger (holder, code, origin, presidency)
    SELECT open_ledger.holder, open_ledger.code, d.name || '/ledger/' || open_ledger.code || '/1',
           coalesce(open_ledger.presidency, false)
    FROM audit.deployment d
    ON CONFLICT (holder) WHERE closed_at IS NULL DO NOTHING;
    SELECT l.id INTO STRICT opened FROM audit.ledger l WHERE l.holder = open_ledger.holder AND l.closed_at IS NULL;
    RETURN opened;
END $$;
COMMENT ON FUNCTION audit.open_ledger IS
    'The holder''s ledger, opened if there is none yet. A code that another holder uses is refused.';

CREATE FUNCTION audit.check_detail(detail jsonb) RETURNS void LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF detail IS NULL THEN
        RETURN;
    END IF;
    IF jsonb_typeof(detail) <> 'object' THEN
        RAISE EXCEPTION 'detail must be an object' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF EXISTS (SELECT FROM jsonb_each(detail) d
               WHERE jsonb_typeof(d.value) IN ('object', 'array') OR length(d.value::text) > 1000) THEN
        RAISE EXCEPTION 'detail holds flat scalars of at most 1,000 characters'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF detail ?| ARRAY['state', 'changes'] THEN
        RAISE EXCEPTION 'state and changes belong to triggers' USING ERRCODE = 'insufficient_privilege';
    END IF;
END $$;

CREATE FUNCTION audit.append(
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
COMMENT ON FUNCTION audit.append IS
    'Appends to the ledger of audit.context, or the Presidency''s. Refuses what belongs to triggers, checkpoints, keys, purges.';

CREATE FUNCTION audit.record_verification(
    ledger_id uuid, origin text, level text, started timestamptz, seconds double precision,
    first_seq bigint, checked bigint, next_seq bigint, size bigint, head bytea,
    verdict text, assurance text, first_broken bigint, findings jsonb,
    ranges jsonb DEFAULT '[]', since timestamptz DEFAULT NULL
) RETURNS bigint LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO audit.verification (ledger_id, origin, level, started, seconds, first_seq, checked, next_seq, size, head,
                                    verdict, assurance, first_broken, findings, ranges, since)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
    RETURNING id
$$;

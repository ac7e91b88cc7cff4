-- One function writes every event: it composes the content and, from the same values, the search columns.
-- Its callers (append and the capture functions) pin the output settings; nobody else may call it.

-- STABLE one-liners without settings of their own, so that PostgreSQL inlines them.
CREATE FUNCTION audit.js(value text) RETURNS text LANGUAGE sql STABLE
RETURN coalesce(pg_catalog.to_json(value)::text, 'null');
COMMENT ON FUNCTION audit.js IS 'A JSON string, or null.';

CREATE FUNCTION audit.far(moment timestamptz) RETURNS text LANGUAGE sql STABLE
SET TimeZone = 'UTC' SET DateStyle = 'ISO, YMD'
RETURN moment::text;

CREATE FUNCTION audit.utc(moment timestamptz) RETURNS text LANGUAGE sql STABLE
RETURN CASE
    WHEN moment >= '0001-01-01 00:00:00Z' AND moment < '10000-01-01 00:00:00Z'
    THEN pg_catalog.to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    ELSE audit.far(moment)
END;
COMMENT ON FUNCTION audit.utc IS 'UTC, six fraction digits, Z; outside years 1 to 9999 PostgreSQL''s own text.';

CREATE FUNCTION audit.digest(value text) RETURNS text LANGUAGE sql STABLE
RETURN '{"sha256":"' || pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(value, 'UTF8')), 'hex')
    || '","length":' || pg_catalog.length(value) || '}';
COMMENT ON FUNCTION audit.digest IS 'What stands in an event for a value of more than 2,000 characters.';

CREATE FUNCTION audit.context() RETURNS jsonb LANGUAGE sql STABLE
RETURN nullif(pg_catalog.current_setting('audit.context', true), '')::jsonb;
COMMENT ON FUNCTION audit.context IS 'Who and why, as the application said for this transaction; NULL if it said nothing.';

CREATE FUNCTION audit.ledger_of(holder uuid) RETURNS uuid LANGUAGE plpgsql STABLE AS $$
DECLARE
    found uuid;
BEGIN
    IF holder IS NULL THEN
        SELECT l.id INTO found FROM audit.ledger l WHERE l.presidency AND l.closed_at IS NULL;
    ELSE
        SELECT l.id INTO found FROM audit.ledger l WHERE l.holder = ledger_of.holder AND l.closed_at IS NULL;
    END IF;
    IF found IS NULL THEN
        RAISE EXCEPTION 'no open ledger for %', coalesce('holder ' || holder, 'the Presidency')
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    RETURN found;
END $$;
COMMENT ON FUNCTION audit.ledger_of IS 'The open ledger of a holder; of the Presidency for NULL. Raises if there is none.';

-- Assignments rather than PERFORM, one call rather than a chain of ||: all is made ready again in every transaction.
CREATE FUNCTION audit.write(
    holder uuid, action text, outcome text, via text,
    target_kind text, target_id text, target_holder uuid,
    subjects text[], purpose text, tail text
) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
    ledger uuid := audit.ledger_of(holder);
    said jsonb := audit.context();
    actor jsonb := said -> 'actor';
    request jsonb := said -> 'request';
    id uuid := gen_random_uuid();
    moment timestamptz := clock_timestamp();
    pending text := current_setting('audit.pending', true);
    content text;
BEGIN
    purpose := coalesce(purpose, said ->> 'purpose');
    content := concat('{"id":"', id, '","time":"', audit.utc(moment),
        '","action":"', action, '","outcome":"', outcome, '","via":"', via,
        '","actor":{"user":', coalesce(to_json(actor ->> 'user'), 'null'), ',"name":', coalesce(to_json(actor ->> 'name'), 'null'),
        ',"institution":', coalesce(to_json(actor ->> 'institution'), 'null'), ',"role":', coalesce(to_json(actor ->> 'role'), 'null'),
        ',"session":', to_json(session_user), ',"transaction":"', pg_current_xact_id(),
        '","client":', coalesce(to_json(host(inet_client_addr())), 'null'), '},"on_behalf_of":', coalesce(to_json(said ->> 'on_behalf_of'), 'null'),
        ',"target":', CASE WHEN coalesce(target_kind, target_id) IS NULL THEN 'null' ELSE
            concat('{"kind":', coalesce(to_json(target_kind),'null'), ',"id":', coalesce(to_json(target_id), 'null'),
            ',"institution":', coalesce(to_json(target_holder), 'null'), '}') END,
        ',"subjects":', to_json(subjects), ',"purpose":', coalesce(to_json(purpose), 'null'),
        ',"request":{"id":', coalesce(to_json(request ->> 'id'), 'null'), ',"route":', coalesce(to_json(request ->> 'route'), 'null'),
        ',"address":', coalesce(to_json(said ->> 'address'), 'null'), '}', tail, '}');
    IF pending IS NULL OR strpos(pending, ledger::text) = 0 THEN
        pending := set_config('audit.pending', concat(pending, ledger, ' '), true);
    END IF;
    INSERT INTO audit.event (
        id, ledger_id, salt, content, at, action, outcome, via,
        actor_id, actor_name, actor_institution, actor_role,
        target_kind, target_id, target_holder, subjects, purpose, request_id
    ) VALUES (
        id, ledger, sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), content, moment,
        action, outcome, via,
        actor ->> 'user', actor ->> 'name', actor ->> 'institution', actor ->> 'role',
        target_kind, target_id, target_holder, subjects, purpose, request ->> 'id'
    );
    RETURN id;
END $$;
COMMENT ON FUNCTION audit.write IS
    'Composes and stores one event. tail: further JSON members, each with its leading comma. The seal gives it a leaf.';

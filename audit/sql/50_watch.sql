-- Capture: audit.watch() writes one trigger function per table, from the table's own columns.
-- Promise: whatever statement changes a covered column, by whomever, its event is in the same transaction.
-- Values are rendered with explicit formats or under pinned settings: the same row gives the same digest anywhere.

CREATE FUNCTION audit.value(value text) RETURNS text LANGUAGE sql STABLE
RETURN CASE WHEN pg_catalog.length(value) > 2000 THEN audit.digest(value) ELSE audit.js(value) END;
COMMENT ON FUNCTION audit.value IS 'What stands in an event for a value: itself, or its digest when it is long.';

-- The functions below give expressions, as text, for a column "c" of a row "r".

CREATE FUNCTION audit.text_expression(r text, c pg_attribute) RETURNS text LANGUAGE sql STABLE
RETURN CASE (c).atttypid
    WHEN 'timestamptz'::regtype THEN pg_catalog.format('audit.utc(%s.%I)', r, (c).attname)
    ELSE pg_catalog.format('%s.%I::text', r, (c).attname)
END;

CREATE FUNCTION audit.json_expression(r text, c pg_attribute) RETURNS text LANGUAGE sql STABLE
RETURN CASE
    WHEN (c).atttypid IN ('bool'::regtype, 'int2'::regtype, 'int4'::regtype, 'int8'::regtype)
    THEN pg_catalog.format('coalesce(%s.%I::text, ''null'')', r, (c).attname)
    WHEN (c).atttypid IN ('uuid'::regtype, 'date'::regtype)
    THEN pg_catalog.format('coalesce(to_json(%s.%I)::text, ''null'')', r, (c).attname)
    WHEN (c).atttypid = 'timestamptz'::regtype
    THEN pg_catalog.format('audit.js(%s)', audit.text_expression(r, c))
    WHEN (c).atttypid IN ('text[]'::regtype, 'varchar[]'::regtype, 'uuid[]'::regtype)
    THEN pg_catalog.format('CASE WHEN length(%1$s.%2$I::text) > 2000 THEN audit.digest(%1$s.%2$I::text)'
                           ' ELSE coalesce(to_json(%1$s.%2$I)::text, ''null'') END', r, (c).attname)
    ELSE pg_catalog.format('audit.value(%s)', audit.text_expression(r, c))
END;

-- Whether a row's text depends on none of the output settings: then capture need not pin them, which takes its time.
CREATE FUNCTION audit.is_plain(c pg_attribute, watched audit.watched) RETURNS boolean LANGUAGE sql STABLE
RETURN (c).atttypid IN ('bool'::regtype, 'int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'uuid'::regtype, 'text'::regtype,
                        'varchar'::regtype, 'timestamptz'::regtype, 'text[]'::regtype, 'varchar[]'::regtype, 'uuid[]'::regtype)
    AND ((c).atttypid <> 'timestamptz'::regtype OR (c).attname <> ALL ((watched).key))
    OR (c).atttypid = 'bytea'::regtype AND (c).attname = ANY ((watched).private)
    OR (c).atttypid = 'date'::regtype AND (c).attname <> ALL ((watched).private || (watched).key);

-- Equal is not always the same (1.0 and 1.00, a collation without case): what can differ in its text is compared by it.
CREATE FUNCTION audit.differs_expression(c pg_attribute) RETURNS text LANGUAGE sql STABLE
RETURN CASE
    WHEN (c).atttypid IN ('text'::regtype, 'varchar'::regtype)
    THEN pg_catalog.format('OLD.%1$I COLLATE "C" IS DISTINCT FROM NEW.%1$I COLLATE "C"', (c).attname)
    WHEN (c).atttypid IN ('bool'::regtype, 'int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'uuid'::regtype,
                          'date'::regtype, 'timestamptz'::regtype, 'bytea'::regtype)
    THEN pg_catalog.format('OLD.%1$I IS DISTINCT FROM NEW.%1$I', (c).attname)
    ELSE pg_catalog.format('OLD.%1$I::text IS DISTINCT FROM NEW.%1$I::text', (c).attname)
END;

-- A column's value in the text under the state digest: "value", or null.
CREATE FUNCTION audit.state_value(r text, c pg_attribute, private boolean) RETURNS text LANGUAGE sql STABLE
RETURN pg_catalog.format('coalesce(to_json(%s), ''null'')', CASE
    WHEN private AND (c).atttypid = 'bytea'::regtype
    THEN pg_catalog.format('encode(sha256(%s.%I), ''hex'')', r, (c).attname)
    WHEN private
    THEN pg_catalog.format('encode(sha256(convert_to(%s, ''UTF8'')), ''hex'')', audit.text_expression(r, c))
    -- As JSON these are their own text already.
    WHEN (c).atttypid IN ('text'::regtype, 'varchar'::regtype, 'uuid'::regtype, 'date'::regtype)
    THEN pg_catalog.format('%s.%I', r, (c).attname)
    ELSE audit.text_expression(r, c)
END);

-- Bodies that see pg_attribute's columns are strings: parsed, they would read otherwise in each major version.
CREATE FUNCTION audit.covered(watched audit.watched) RETURNS SETOF pg_attribute LANGUAGE sql STABLE AS $$
    SELECT a.* FROM pg_catalog.unnest((watched).columns) WITH ORDINALITY AS named(name, place)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = (watched).relation::regclass AND a.attname = named.name
    ORDER BY named.place
$$;

-- {"shape":"case/1","sha256":…} of row r, as an expression. Under the digest: the shape, then column=value, a line each.
CREATE FUNCTION audit.state_expression(r text, watched audit.watched) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT pg_catalog.format('%L || encode(sha256(convert_to(%L || %s, ''UTF8'')), ''hex'') || ''"}''',
        '{"shape":' || audit.js(watched.kind || '/' || watched.shape) || ',"sha256":"',
        watched.kind || '/' || watched.shape || E'\n',
        pg_catalog.string_agg(lines, ' || ' ORDER BY part))
    FROM (
        SELECT place / 50 AS part, pg_catalog.format('format(%L, %s)',  -- of at most 100 arguments
            pg_catalog.string_agg(pg_catalog.replace((c).attname, '%', '%%') || E'=%s\n', '' ORDER BY place),
            pg_catalog.string_agg(audit.state_value(r, c, (c).attname = ANY ((watched).private)), ', ' ORDER BY place)) AS lines
        FROM (SELECT c, pg_catalog.array_position((watched).columns, (c).attname::text) AS place
              FROM audit.covered(watched) c) columns
        GROUP BY part
    ) parts
$$;

-- The members of "changes" for one kind of statement and some columns, each with its leading comma, as an expression.
CREATE FUNCTION audit.changes_expression(operation text, watched audit.watched, names text[]) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT pg_catalog.string_agg(pg_catalog.format('CASE WHEN %s THEN %s ELSE '''' END',
        CASE operation
            WHEN 'INSERT' THEN pg_catalog.format('NEW.%I IS NOT NULL', (c).attname)
            WHEN 'DELETE' THEN pg_catalog.format('OLD.%I IS NOT NULL', (c).attname)
            ELSE audit.differs_expression(c)
        END,
        pg_catalog.format('%L', ',' || audit.js((c).attname::text) || ':{') || ' || ' || CASE
            WHEN (c).attname = ANY ((watched).private) THEN '''"private":true'''
            WHEN operation = 'INSERT' THEN '''"new":'' || ' || audit.json_expression('NEW', c)
            WHEN operation = 'DELETE' THEN '''"old":'' || ' || audit.json_expression('OLD', c)
            ELSE '''"old":'' || ' || audit.json_expression('OLD', c) || ' || '',"new":'' || ' || audit.json_expression('NEW', c)
        END || ' || ''}'''), E'\n            || ')
    FROM audit.covered(watched) c WHERE (c).attname = ANY (names)
$$;

-- The same for an update, as statements: values are worked out only of a few columns of which one differs. What is not
-- worked out need not be made ready, which costs more than doing it.
CREATE FUNCTION audit.changes_statements(watched audit.watched) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT pg_catalog.string_agg(pg_catalog.format(
        E'IF %s THEN\n            changes := changes || %s;\n        END IF;',
        differs, audit.changes_expression('UPDATE', watched, names)), E'\n        ' ORDER BY part)
    FROM (
        SELECT place / 4 AS part, pg_catalog.array_agg((c).attname::text) AS names,
               pg_catalog.string_agg(audit.differs_expression(c), ' OR ' ORDER BY place) AS differs
        FROM (SELECT c, pg_catalog.array_position((watched).columns, (c).attname::text) AS place
              FROM audit.covered(watched) c) columns
        GROUP BY part
    ) parts
$$;

-- The action of an update, as an expression.
CREATE FUNCTION audit.update_expression(watched audit.watched) RETURNS text LANGUAGE sql STABLE
RETURN CASE WHEN (watched).action IS NOT NULL THEN pg_catalog.quote_literal((watched).action) ELSE 'CASE'
    || CASE WHEN 'deleted_at' = ANY ((watched).columns) THEN
        ' WHEN OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL THEN ''record.delete'''
        ' WHEN OLD.deleted_at IS NOT NULL AND NEW.deleted_at IS NULL THEN ''record.restore''' ELSE '' END
    || CASE WHEN 'closed_on' = ANY ((watched).columns) THEN
        ' WHEN OLD.closed_on IS NULL AND NEW.closed_on IS NOT NULL THEN ''record.close''' ELSE '' END
    || ' WHEN true THEN ''record.update'' END' END;

-- NEW's or OLD's key as text, several columns joined by commas, as an expression.
CREATE FUNCTION audit.key_expression(r text, key text[]) RETURNS text LANGUAGE sql STABLE
RETURN (SELECT pg_catalog.string_agg(pg_catalog.format('%s.%I::text', r, k), ' || '','' || ')
        FROM pg_catalog.unnest(key) k);

CREATE FUNCTION audit.capture_source(watched audit.watched) RETURNS text LANGUAGE sql STABLE
RETURN pg_catalog.format($source$
DECLARE
    action text;
    changes text;
    state text;
    written uuid;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF %1$s IS DISTINCT FROM %2$s THEN
            RAISE EXCEPTION 'the key of %% never changes', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
        END IF;
        changes := '';
        %3$s
        IF changes = '' THEN
            RETURN NULL;
        END IF;
        action := %4$s;
        state := %5$s;
        IF %6$s IS DISTINCT FROM %7$s THEN
            -- Moved: the ledger that it leaves is told as well. A change always names its own ledger's holder.
            written := audit.write(%6$s, action, 'success', 'trigger', %8$L, %2$s, %6$s, '{}', NULL,
                ',"changes":{' || substr(changes, 2) || '},"state":' || state);
        END IF;
    ELSIF TG_OP = 'INSERT' THEN
        changes := %9$s;
        action := %10$L;
        state := %5$s;
    ELSE
        changes := %11$s;
        written := audit.write(%6$s, %12$L, 'success', 'trigger', %8$L, %1$s, %6$s, '{}', NULL,
            ',"changes":{' || substr(changes, 2) || '},"state":null');
        RETURN NULL;
    END IF;
    written := audit.write(%7$s, action, 'success', 'trigger', %8$L, %2$s, %7$s, '{}', NULL,
        ',"changes":{' || substr(changes, 2) || '},"state":' || state);
    RETURN NULL;
END $source$,
    audit.key_expression('OLD', (watched).key), audit.key_expression('NEW', (watched).key),
    audit.changes_statements(watched), audit.update_expression(watched), audit.state_expression('NEW', watched),
    coalesce('OLD.' || pg_catalog.quote_ident((watched).holder), 'NULL::uuid'),
    coalesce('NEW.' || pg_catalog.quote_ident((watched).holder), 'NULL::uuid'),
    (watched).kind,
    audit.changes_expression('INSERT', watched, (watched).columns), coalesce((watched).action, 'record.create'),
    audit.changes_expression('DELETE', watched, (watched).columns), coalesce((watched).action, 'record.delete'));

CREATE FUNCTION audit.watch(
    relation text, kind text, shape integer, holder text, key text, private text[], ignored text[],
    action text DEFAULT NULL
) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    watched audit.watched;
    name text;
BEGIN
    SELECT format('%I.%I', n.nspname, c.relname), replace(format('capture_%s_%s', n.nspname, c.relname), '"', '')
    INTO STRICT relation, name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = watch.relation::regclass;
    INSERT INTO audit.watched (relation, kind, shape, holder, key, columns, private, ignored, action)
    VALUES (relation, kind, shape, holder, string_to_array(replace(key, ' ', ''), ','),
            ARRAY(SELECT a.attname::text FROM pg_attribute a
                  WHERE a.attrelid = watch.relation::regclass AND a.attnum > 0 AND NOT a.attisdropped
                    AND a.attname <> ALL (watch.ignored) ORDER BY a.attnum),
            private, ignored, action)
    RETURNING * INTO watched;
    IF NOT array_remove(watched.private || watched.key || watched.holder, NULL) <@ watched.columns THEN
        RAISE EXCEPTION 'key, holder and private columns of % must be covered columns of it', relation
            USING ERRCODE = 'undefined_column';
    END IF;
    EXECUTE format(
        'CREATE OR REPLACE FUNCTION audit.%I() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER'
        ' SET search_path = pg_catalog, pg_temp %s AS %L',
        name, CASE WHEN EXISTS (SELECT FROM audit.covered(watched) c WHERE NOT audit.is_plain(c, watched)) THEN
            'SET TimeZone = ''UTC'' SET DateStyle = ''ISO, YMD'' SET IntervalStyle = ''iso_8601'''
            ' SET bytea_output = ''hex'' SET extra_float_digits = 1' ELSE '' END, audit.capture_source(watched));
    EXECUTE format('REVOKE ALL ON FUNCTION audit.%I() FROM PUBLIC', name);
    EXECUTE format('CREATE OR REPLACE TRIGGER audit_capture AFTER INSERT OR UPDATE OR DELETE ON %s'
                   ' FOR EACH ROW EXECUTE FUNCTION audit.%I()', relation, name);
    EXECUTE format('CREATE OR REPLACE TRIGGER audit_truncate BEFORE TRUNCATE ON %s'
                   ' FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse()', relation);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER audit_capture, ENABLE ALWAYS TRIGGER audit_truncate', relation);
    -- For audit.row_states, where row-level security binds the owner too: the login cannot be forged by a setting.
    EXECUTE format('DROP POLICY IF EXISTS audit_compares ON %s', relation);
    EXECUTE format('CREATE POLICY audit_compares ON %s FOR SELECT TO itm_owner'
                   ' USING ((SELECT session_user) IN (''itm_signer'', ''itm_purger''))', relation);
END $$;
COMMENT ON FUNCTION audit.watch IS
    'Captures every change of a table from now on. Called again with a higher shape after its covered columns changed.';

-- For a migration that changed shape or values: each row as it stands now, believed from here on.
CREATE FUNCTION audit.baseline(relation text) RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET TimeZone = 'UTC' SET DateStyle = 'ISO, YMD'
SET IntervalStyle = 'iso_8601' SET bytea_output = 'hex' SET extra_float_digits = 1
AS $$
DECLARE
    watched audit.watched;
    forced boolean;
    written bigint;
BEGIN
    SELECT w.* INTO STRICT watched FROM audit.watched w
    WHERE w.relation::regclass = baseline.relation::regclass ORDER BY w.shape DESC LIMIT 1;
    SELECT c.relforcerowsecurity INTO forced FROM pg_class c WHERE c.oid = baseline.relation::regclass;
    -- Forced row security would hide the rows from the owner and baseline nothing, in silence.
    EXECUTE format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', watched.relation);
    EXECUTE format(
        'SELECT count(audit.write(%1$s, %2$L, ''success'', ''baseline'', %3$L, %4$s, %1$s, ''{}'', NULL,'
        ' '',"changes":{},"state":'' || %5$s)) FROM %6$s r',
        coalesce('r.' || quote_ident(watched.holder), 'NULL::uuid'), coalesce(watched.action, 'record.update'),
        watched.kind, audit.key_expression('r', watched.key), audit.state_expression('r', watched), watched.relation)
    INTO written;
    IF forced THEN
        EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', watched.relation);
    END IF;
    RETURN written;
END $$;
COMMENT ON FUNCTION audit.baseline IS 'Appends a baseline event for every row of a watched table, in its current shape. Returns how many.';

-- Records against the ledger: what a watched table's rows are now, in the words of the state digest.
-- Promise: itm_signer learns keys, holders and digests, and no value; the digest is capture's own expression.

CREATE FUNCTION audit.row_states(relation text, after text, most integer)
RETURNS TABLE (key text, holder uuid, state text) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET TimeZone = 'UTC' SET DateStyle = 'ISO, YMD'
SET IntervalStyle = 'iso_8601' SET bytea_output = 'hex' SET extra_float_digits = 1
AS $$
#variable_conflict use_column
DECLARE
    watched audit.watched;
    ordered text;
    later text;
BEGIN
    -- From anybody else the rows are hidden, and nothing would look like everything was removed.
    IF session_user <> 'itm_signer' THEN
        RAISE EXCEPTION 'only itm_signer compares' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT w.* INTO STRICT watched FROM audit.watched w
    WHERE w.relation = row_states.relation ORDER BY w.shape DESC LIMIT 1;
    -- In the order of the key's text, byte by byte. Of a uuid that is its own order, which has an index.
    IF (SELECT array_agg(a.atttypid) = ARRAY['uuid'::regtype::oid] FROM pg_attribute a
        WHERE a.attrelid = relation::regclass AND a.attname = ANY (watched.key)) THEN
        ordered := format('r.%I', watched.key[1]);
        later := '$1::uuid';
    ELSE
        ordered := format('(%s) COLLATE "C"', audit.key_expression('r', watched.key));
        later := '$1';
    END IF;
    RETURN QUERY EXECUTE format(
        'SELECT %1$s, %2$s, %3$s FROM %4$s r WHERE $1 IS NULL OR %5$s > %6$s ORDER BY %5$s LIMIT $2',
        audit.key_expression('r', watched.key), coalesce('r.' || quote_ident(watched.holder), 'NULL::uuid'),
        audit.state_expression('r', watched), watched.relation, ordered, later)
    USING after, most;
END $$;
COMMENT ON FUNCTION audit.row_states IS
    'The rows of a watched table after a key, in the order of the keys'' text: key, holder, state digest in the shape in force.';

REVOKE ALL ON FUNCTION audit.row_states FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.row_states TO itm_signer;

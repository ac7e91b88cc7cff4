-- What the catalogue says of the schemas that audit.compared names: kind, name, and what it is.
-- The same schema gives the same text: names in full (search_path is pg_catalog), lists in one order.
-- Not here: what is in pg_catalog itself. Whoever changes that can change every answer of this server.

WITH ours AS (
    SELECT n.* FROM pg_namespace n WHERE n.nspname = ANY (string_to_array(current_setting('audit.compared'), ','))
), relation AS (
    SELECT c.*, format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN ours n ON n.oid = c.relnamespace
), acl AS (
    SELECT 'n' AS class, oid, 0 AS place, nspowner AS owner, coalesce(nspacl, acldefault('n', nspowner)) AS list FROM ours
    UNION ALL
    SELECT 'r', oid, 0, relowner,
           coalesce(relacl, CASE relkind WHEN 'S' THEN acldefault('s', relowner) ELSE acldefault('r', relowner) END)
    FROM relation WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
    UNION ALL
    SELECT 'c', a.attrelid, a.attnum, r.relowner, a.attacl
    FROM pg_attribute a JOIN relation r ON r.oid = a.attrelid WHERE a.attacl IS NOT NULL
    UNION ALL
    SELECT 'f', p.oid, 0, p.proowner, coalesce(p.proacl, acldefault('f', p.proowner))
    FROM pg_proc p JOIN ours n ON n.oid = p.pronamespace
), granted AS (
    SELECT class, oid, place, string_agg(said, '; ' ORDER BY said COLLATE "C") AS said FROM (
        SELECT l.class, l.oid, l.place,
               format('%s=%s/%s', CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(g.grantee) END,
                      string_agg(g.privilege_type || CASE WHEN g.is_grantable THEN '*' ELSE '' END, ','
                                 ORDER BY g.privilege_type),
                      pg_get_userbyid(g.grantor)) AS said
        FROM acl l, aclexplode(l.list) g
        -- MAINTAIN came with PostgreSQL 17, and owners have it
        WHERE NOT (g.privilege_type = 'MAINTAIN' AND g.grantee = l.owner)
        GROUP BY l.class, l.oid, l.place, g.grantee, g.grantor) each
    GROUP BY class, oid, place
)

SELECT 'schema' AS kind, n.nspname::text AS name,
       format('owner %s, grants %s', pg_get_userbyid(n.nspowner), coalesce(g.said, 'nobody')) AS said
FROM ours n LEFT JOIN granted g ON g.class = 'n' AND g.oid = n.oid

UNION ALL
SELECT 'relation', r.name,
       format('%s %s, owner %s, row security %s, options %s, grants %s', r.relkind, r.relpersistence,
              pg_get_userbyid(r.relowner),
              CASE WHEN r.relrowsecurity THEN 'enabled' ELSE 'disabled' END
                  || CASE WHEN r.relforcerowsecurity THEN ' and forced' ELSE '' END,
              coalesce(r.reloptions::text, '-'), coalesce(g.said, 'nobody'))
FROM relation r LEFT JOIN granted g ON g.class = 'r' AND g.oid = r.oid
WHERE r.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')

UNION ALL
SELECT 'column', format('%s.%I', r.name, a.attname),
       concat(format_type(a.atttypid, a.atttypmod),
              CASE WHEN a.attcollation NOT IN (0, 100) THEN ' collate ' || a.attcollation::regcollation::text END,
              CASE WHEN a.attnotnull THEN ' not null' END,
              ' identity ' || nullif(a.attidentity::text, ''),
              ' generated ' || nullif(a.attgenerated::text, ''),
              ' default ' || pg_get_expr(d.adbin, d.adrelid),
              ', grants ' || g.said)
FROM relation r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN granted g ON g.class = 'c' AND g.oid = a.attrelid AND g.place = a.attnum
WHERE r.relkind IN ('r', 'p', 'f')

UNION ALL
-- Since PostgreSQL 18 NOT NULL is a constraint too: it stands with its column.
SELECT 'constraint', format('%s.%I', r.name, k.conname),
       pg_get_constraintdef(k.oid) || CASE WHEN k.convalidated THEN '' ELSE ', not validated' END
FROM pg_constraint k JOIN relation r ON r.oid = k.conrelid WHERE k.contype <> 'n'

UNION ALL
SELECT 'index', i.name, pg_get_indexdef(i.oid) || CASE WHEN x.indisvalid THEN '' ELSE ', invalid' END
FROM relation i JOIN pg_index x ON x.indexrelid = i.oid

UNION ALL
SELECT 'trigger', format('%s.%I', r.name, t.tgname),
       CASE t.tgenabled WHEN 'A' THEN 'always' WHEN 'O' THEN 'enabled' WHEN 'D' THEN 'disabled' ELSE 'on replicas' END
           || ', ' || pg_get_triggerdef(t.oid)
FROM pg_trigger t JOIN relation r ON r.oid = t.tgrelid WHERE NOT t.tgisinternal

UNION ALL
-- Foreign keys are kept by triggers that have numbers for names.
SELECT 'inner triggers', r.name,
       format('%s enabled, %s not', count(*) FILTER (WHERE t.tgenabled = 'O'), count(*) FILTER (WHERE t.tgenabled <> 'O'))
FROM pg_trigger t JOIN relation r ON r.oid = t.tgrelid WHERE t.tgisinternal GROUP BY r.name

UNION ALL
SELECT 'policy', format('%s.%I', r.name, p.polname),
       format('%s for %s to %s, using %s, check %s', CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END,
              p.polcmd, array(SELECT CASE o WHEN 0 THEN 'public' ELSE pg_get_userbyid(o) END
                              FROM unnest(p.polroles) o ORDER BY 1),
              coalesce(pg_get_expr(p.polqual, p.polrelid), '-'), coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '-'))
FROM pg_policy p JOIN relation r ON r.oid = p.polrelid

UNION ALL
SELECT 'rule', format('%s.%I', r.name, w.rulename), w.ev_enabled::text || ', ' || pg_get_ruledef(w.oid)
FROM pg_rewrite w JOIN relation r ON r.oid = w.ev_class

UNION ALL
SELECT 'inheritance', r.name, 'of ' || i.inhparent::regclass::text
FROM pg_inherits i JOIN relation r ON r.oid = i.inhrelid AND r.relkind NOT IN ('i', 'I')

UNION ALL
SELECT 'function', p.oid::regprocedure::text,
       format('%s, owner %s, runs as %s, settings %s, grants %s, sha256 %s', p.prokind, pg_get_userbyid(p.proowner),
              CASE WHEN p.prosecdef THEN 'its owner' ELSE 'its caller' END, coalesce(p.proconfig::text, '-'),
              coalesce(g.said, 'nobody'),
              CASE WHEN p.prokind = 'a' THEN '-'
                   ELSE left(encode(sha256(convert_to(pg_get_functiondef(p.oid), 'UTF8')), 'hex'), 32) END)
FROM pg_proc p JOIN ours n ON n.oid = p.pronamespace LEFT JOIN granted g ON g.class = 'f' AND g.oid = p.oid

UNION ALL
SELECT 'type', format('%I.%I', n.nspname, t.typname), format('%s, owner %s', t.typtype, pg_get_userbyid(t.typowner))
FROM pg_type t JOIN ours n ON n.oid = t.typnamespace WHERE t.typtype IN ('d', 'e', 'r')

UNION ALL
SELECT 'operator', o.oid::regoperator::text, 'calls ' || o.oprcode::regprocedure::text
FROM pg_operator o JOIN ours n ON n.oid = o.oprnamespace

UNION ALL
SELECT 'default grants',
       format('of %s on %s in %s', pg_get_userbyid(d.defaclrole), d.defaclobjtype, d.defaclnamespace::regnamespace),
       d.defaclacl::text
FROM pg_default_acl d

UNION ALL
SELECT 'event trigger', e.evtname::text, format('%s, calls %s', e.evtenabled, e.evtfoid::regprocedure)
FROM pg_event_trigger e

UNION ALL
SELECT 'role', r.rolname::text,
       concat_ws(', ', CASE WHEN r.rolcanlogin THEN 'login' END, CASE WHEN r.rolsuper THEN 'superuser' END,
                 CASE WHEN r.rolcreatedb THEN 'createdb' END, CASE WHEN r.rolcreaterole THEN 'createrole' END,
                 CASE WHEN r.rolreplication THEN 'replication' END, CASE WHEN r.rolbypassrls THEN 'bypassrls' END,
                 'member of ' || coalesce((SELECT string_agg(pg_get_userbyid(m.roleid)::text, ' ' ORDER BY m.roleid)
                                           FROM pg_auth_members m WHERE m.member = r.oid), 'nothing'))
FROM pg_roles r WHERE r.rolname IN ('itm_owner', 'itm_app', 'itm_signer', 'itm_purger')

UNION ALL
SELECT 'watched', format('%s as %s/%s', w.relation, w.kind, w.shape),
       format('holder %s, key %s, columns %s, private %s, ignored %s, action %s', coalesce(w.holder, '-'), w.key,
              w.columns, w.private, w.ignored, coalesce(w.action, '-'))
FROM ONLY audit.watched w

UNION ALL
SELECT 'action', a.code, 'written by ' || a.by::text FROM ONLY audit.action a

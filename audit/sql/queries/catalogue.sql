-- What the catalogue says of the schemas that audit.compared names: kind, name, and what it is.
-- The same schema gives the same text: names in full (search_path is pg_catalog), lists in one order.
-- Not here: what PostgreSQL itself made in pg_catalog. Whoever changes that can change every answer of this server.

WITH ours AS (
    SELECT n.* FROM pg_namespace n WHERE n.nspname = ANY (string_to_array(current_setting('audit.compared'), ','))
), relation AS (
    SELECT c.*, format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN ours n ON n.oid = c.relnamespace
), foreigners AS (
    SELECT n.* FROM pg_namespace n
    WHERE n.oid NOT IN (SELECT oid FROM ours) AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
), own AS (
    SELECT n.oid, n.nspname FROM pg_namespace n WHERE n.nspname IN ('pg_catalog', 'information_schema')
), extended AS (
    -- Of one that is named itself: in PostgreSQL's own, plpgsql, anybody's object could hide.
    SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
    WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass AND e.oid >= 16384
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
       -- Without these flags the server does not look for what is there.
       || CASE WHEN NOT r.relhastriggers AND EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = r.oid)
               THEN ', triggers switched off' ELSE '' END
       || CASE WHEN NOT r.relhasrules AND EXISTS (SELECT FROM pg_rewrite w WHERE w.ev_class = r.oid)
               THEN ', rules switched off' ELSE '' END
       || CASE WHEN NOT r.relhasindex AND EXISTS (SELECT FROM pg_index x WHERE x.indrelid = r.oid)
               THEN ', indexes switched off' ELSE '' END
       || CASE WHEN r.relchecks <> (SELECT count(*) FROM pg_constraint k WHERE k.conrelid = r.oid AND k.contype = 'c')
               THEN ', checks switched off' ELSE '' END
       || CASE WHEN EXISTS (SELECT FROM pg_attribute a JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
                            WHERE a.attrelid = r.oid AND NOT a.atthasdef) THEN ', defaults switched off' ELSE '' END
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
SELECT 'index', i.name, pg_get_indexdef(i.oid) || concat(
           CASE WHEN NOT x.indisvalid THEN ', invalid' END, CASE WHEN NOT x.indisready THEN ', not written' END,
           CASE WHEN NOT x.indislive THEN ', not alive' END, CASE WHEN NOT x.indimmediate THEN ', not at once' END)
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
-- Of a parent or a child of ours, wherever the other one is.
SELECT 'inheritance', i.inhrelid::regclass::text, 'of ' || i.inhparent::regclass::text
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid AND c.relkind NOT IN ('i', 'I')
WHERE EXISTS (SELECT FROM relation r WHERE r.oid IN (i.inhrelid, i.inhparent))

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
       || coalesce((SELECT ', labels ' || string_agg(quote_literal(e.enumlabel), ' ' ORDER BY e.enumsortorder)
                    FROM pg_enum e WHERE e.enumtypid = t.oid), '')
       || coalesce((SELECT ', ' || string_agg(pg_get_constraintdef(k.oid), ' ' ORDER BY k.conname)
                    FROM pg_constraint k WHERE k.contypid = t.oid), '')
FROM pg_type t JOIN ours n ON n.oid = t.typnamespace
-- A table has a type of its own, and each type one of its arrays.
WHERE t.typtype IN ('d', 'e', 'r', 'm', 'p')
   OR (t.typtype = 'c' AND EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
   OR (t.typtype = 'b' AND NOT EXISTS (SELECT FROM pg_type o WHERE o.typarray = t.oid))

UNION ALL
-- What a plan counts on, and with it in which way rows are read.
SELECT 'statistics', format('%I.%I', s.stxnamespace::regnamespace::text, s.stxname), 'of ' || r.name
FROM pg_statistic_ext s JOIN relation r ON r.oid = s.stxrelid

UNION ALL
SELECT 'operator', o.oid::regoperator::text, 'calls ' || o.oprcode::regprocedure::text
FROM pg_operator o JOIN ours n ON n.oid = o.oprnamespace

UNION ALL
SELECT 'default grants',
       format('of %s on %s in %s', pg_get_userbyid(d.defaclrole), d.defaclobjtype, d.defaclnamespace::regnamespace),
       d.defaclacl::text
FROM pg_default_acl d

UNION ALL
SELECT 'event trigger', e.evtname::text, format('%s, %s %s, calls %s', e.evtenabled, e.evtevent, coalesce(e.evttags::text, '-'), e.evtfoid::regprocedure)
FROM pg_event_trigger e

UNION ALL
SELECT 'role', r.rolname::text,
       concat_ws(', ', CASE WHEN r.rolcanlogin THEN 'login' END, CASE WHEN r.rolsuper THEN 'superuser' END,
                 CASE WHEN r.rolcreatedb THEN 'createdb' END, CASE WHEN r.rolcreaterole THEN 'createrole' END,
                 CASE WHEN r.rolreplication THEN 'replication' END, CASE WHEN r.rolbypassrls THEN 'bypassrls' END,
                 CASE WHEN r.rolconnlimit <> -1 THEN 'connections ' || r.rolconnlimit END,
                 'valid until ' || nullif(r.rolvaliduntil, 'infinity'),
                 'member of ' || coalesce((SELECT string_agg(pg_get_userbyid(m.roleid)::text, ' '
                                                             ORDER BY pg_get_userbyid(m.roleid) COLLATE "C")
                                           FROM pg_auth_members m WHERE m.member = r.oid), 'nothing'))
FROM pg_roles r WHERE r.rolname IN ('itm_owner', 'itm_app', 'itm_signer', 'itm_purger')

UNION ALL
-- Since PostgreSQL 16 whoever made a role may hand it on and is nothing by it: that stands in both options.
SELECT 'member', format('%s in %s', pg_get_userbyid(m.member), pg_get_userbyid(m.roleid)),
       CASE WHEN m.admin_option THEN 'may hand it on' ELSE 'may not hand it on' END
FROM pg_auth_members m
WHERE pg_get_userbyid(m.roleid) IN ('itm_owner', 'itm_app', 'itm_signer', 'itm_purger')
  AND coalesce(to_jsonb(m) ->> 'set_option', to_jsonb(m) ->> 'inherit_option', 'true')::boolean

UNION ALL
SELECT 'database', 'this one',
       format('owner %s, grants %s', pg_get_userbyid(d.datdba), coalesce((
           SELECT string_agg(format('%s=%s', CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(g.grantee) END,
                                    g.privilege_type), ' ' ORDER BY pg_get_userbyid(g.grantee) COLLATE "C", g.privilege_type)
           FROM aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) g), 'nobody'))
FROM pg_database d WHERE d.datname = current_database()

UNION ALL
-- Of one of our roles or of all, here or everywhere: they come with each connection.
SELECT 'setting', format('%s of %s in %s', split_part(said, '=', 1),
                         CASE s.setrole WHEN 0 THEN 'every role' ELSE pg_get_userbyid(s.setrole) END,
                         CASE s.setdatabase WHEN 0 THEN 'every database' ELSE 'this database' END),
       substr(said, strpos(said, '=') + 1)
FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) said
WHERE (s.setdatabase = 0 OR s.setdatabase = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))
  AND (s.setrole = 0 OR pg_get_userbyid(s.setrole) IN ('itm_owner', 'itm_app', 'itm_signer', 'itm_purger'))

UNION ALL
-- Of the whole server: with these, triggers and foreign keys sleep, a comparison means something else, or damage is passed over.
SELECT 'server setting', s.name, s.reset_val FROM pg_settings s
WHERE s.reset_val <> s.boot_val AND s.name IN (
    'session_replication_role', 'row_security', 'transform_null_equals', 'array_nulls', 'standard_conforming_strings',
    'zero_damaged_pages', 'ignore_checksum_failure', 'ignore_system_indexes', 'allow_system_table_mods',
    'session_preload_libraries', 'local_preload_libraries')

UNION ALL
SELECT 'parameter', p.parname, 'granted ' || p.paracl::text FROM pg_parameter_acl p

UNION ALL
SELECT 'sequence', r.name, format('%s, from %s to %s, begins at %s, by %s, %s', format_type(s.seqtypid, NULL), s.seqmin,
                                  s.seqmax, s.seqstart, s.seqincrement, CASE WHEN s.seqcycle THEN 'round' ELSE 'once' END)
FROM pg_sequence s JOIN relation r ON r.oid = s.seqrelid

UNION ALL
-- Elsewhere, with a name that an expression may mean: of our tables, and of ours' or PostgreSQL's own functions and types.
SELECT 'shadow', format('relation %I.%I', f.nspname, c.relname), 'owner ' || pg_get_userbyid(c.relowner)
FROM foreigners f JOIN pg_class c ON c.relnamespace = f.oid
WHERE c.relkind NOT IN ('i', 'I')
  AND c.relname IN (SELECT relname FROM relation UNION SELECT relname FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace)
UNION ALL
SELECT 'shadow', format('function %I.%I(%s)', f.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
       'owner ' || pg_get_userbyid(p.proowner)
FROM foreigners f JOIN pg_proc p ON p.pronamespace = f.oid
WHERE NOT EXISTS (SELECT FROM extended x WHERE x.classid = 'pg_proc'::regclass AND x.objid = p.oid)
  AND p.proname IN (SELECT o.proname FROM pg_proc o
                    WHERE o.pronamespace = 'pg_catalog'::regnamespace OR o.pronamespace IN (SELECT oid FROM ours))
UNION ALL
SELECT 'shadow', format('operator %I.%s(%s,%s)', f.nspname, o.oprname, format_type(o.oprleft, NULL), format_type(o.oprright, NULL)),
       'calls ' || o.oprcode::regprocedure::text
FROM foreigners f JOIN pg_operator o ON o.oprnamespace = f.oid
WHERE NOT EXISTS (SELECT FROM extended x WHERE x.classid = 'pg_operator'::regclass AND x.objid = o.oid)
UNION ALL
SELECT 'shadow', format('type %I.%I', f.nspname, t.typname), 'owner ' || pg_get_userbyid(t.typowner)
FROM foreigners f JOIN pg_type t ON t.typnamespace = f.oid
WHERE t.typrelid = 0 AND t.typname IN (SELECT o.typname FROM pg_type o WHERE o.typrelid = 0 AND o.typelem = 0
    AND (o.typnamespace = 'pg_catalog'::regnamespace OR o.typnamespace IN (SELECT oid FROM ours)))

UNION ALL
-- What somebody gave the server beside its own, in no extension: it changes what a value, a comparison or a row means.
SELECT 'added', what || ' ' || name, said FROM (
    SELECT 'cast' AS what, format('%s to %s', format_type(c.castsource, NULL), format_type(c.casttarget, NULL)) AS name,
           format('%s %s by %s', c.castcontext, c.castmethod, c.castfunc::regprocedure) AS said,
           'pg_cast'::regclass AS class, c.oid FROM pg_cast c
    UNION ALL SELECT 'conversion', c.oid::text || ' ' || c.conname, 'by ' || c.conproc, 'pg_conversion'::regclass, c.oid FROM pg_conversion c
    UNION ALL SELECT 'collation', format('%I.%I', c.collnamespace::regnamespace::text, c.collname), c.collprovider::text, 'pg_collation'::regclass, c.oid FROM pg_collation c
    UNION ALL SELECT 'operator class', format('%I.%I', c.opcnamespace::regnamespace::text, c.opcname), 'of ' || format_type(c.opcintype, NULL), 'pg_opclass'::regclass, c.oid FROM pg_opclass c
    -- A name is looked for in pg_catalog first, and the closest arguments win.
    UNION ALL SELECT 'function', format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
                     'owner ' || pg_get_userbyid(p.proowner), 'pg_proc'::regclass, p.oid
              FROM pg_proc p JOIN own n ON n.oid = p.pronamespace
    UNION ALL SELECT 'operator', format('%I.%s(%s,%s)', n.nspname, o.oprname, format_type(o.oprleft, NULL), format_type(o.oprright, NULL)),
                     'calls ' || o.oprcode::regprocedure::text, 'pg_operator'::regclass, o.oid
              FROM pg_operator o JOIN own n ON n.oid = o.oprnamespace
    UNION ALL SELECT 'type', format('%I.%I', n.nspname, t.typname), 'owner ' || pg_get_userbyid(t.typowner), 'pg_type'::regclass, t.oid
              FROM pg_type t JOIN own n ON n.oid = t.typnamespace WHERE NOT EXISTS (SELECT FROM pg_type o WHERE o.typarray = t.oid)
    UNION ALL SELECT 'relation', format('%I.%I', n.nspname, c.relname), 'owner ' || pg_get_userbyid(c.relowner), 'pg_class'::regclass, c.oid
              FROM pg_class c JOIN own n ON n.oid = c.relnamespace
    UNION ALL SELECT 'operator family', format('%I.%I', f.opfnamespace::regnamespace::text, f.opfname), a.amname, 'pg_opfamily'::regclass, f.oid
              FROM pg_opfamily f JOIN pg_am a ON a.oid = f.opfmethod
    UNION ALL SELECT 'transform', format('of %s for %s', format_type(f.trftype, NULL), l.lanname), 'by ' || f.trffromsql::regprocedure,
                     'pg_transform'::regclass, f.oid FROM pg_transform f JOIN pg_language l ON l.oid = f.trflang
    UNION ALL SELECT 'text search configuration', format('%I.%I', c.cfgnamespace::regnamespace::text, c.cfgname), 'owner ' || pg_get_userbyid(c.cfgowner),
                     'pg_ts_config'::regclass, c.oid FROM pg_ts_config c
    UNION ALL SELECT 'text search dictionary', format('%I.%I', d.dictnamespace::regnamespace::text, d.dictname), 'owner ' || pg_get_userbyid(d.dictowner),
                     'pg_ts_dict'::regclass, d.oid FROM pg_ts_dict d
    UNION ALL SELECT 'foreign-data wrapper', w.fdwname, 'owner ' || pg_get_userbyid(w.fdwowner), 'pg_foreign_data_wrapper'::regclass, w.oid
              FROM pg_foreign_data_wrapper w
    UNION ALL SELECT 'operator of a family', format('%s %s', f.opfname, o.amopopr::regoperator), o.amopstrategy::text, 'pg_amop'::regclass, o.oid
              FROM pg_amop o JOIN pg_opfamily f ON f.oid = o.amopfamily
    UNION ALL SELECT 'function of a family', format('%s %s', f.opfname, o.amproc::oid::regprocedure), o.amprocnum::text, 'pg_amproc'::regclass, o.oid
              FROM pg_amproc o JOIN pg_opfamily f ON f.oid = o.amprocfamily
    UNION ALL SELECT 'access method', a.amname, a.amhandler::text, 'pg_am'::regclass, a.oid FROM pg_am a
    UNION ALL SELECT 'language', l.lanname, CASE WHEN l.lanpltrusted THEN 'trusted' ELSE 'not trusted' END, 'pg_language'::regclass, l.oid FROM pg_language l
    UNION ALL SELECT 'foreign server', f.srvname, 'owner ' || pg_get_userbyid(f.srvowner), 'pg_foreign_server'::regclass, f.oid FROM pg_foreign_server f
    UNION ALL SELECT 'extension', e.extname, e.extversion, 'pg_extension'::regclass, e.oid FROM pg_extension e
    UNION ALL SELECT 'publication', p.pubname, format('owner %s', pg_get_userbyid(p.pubowner)), 'pg_publication'::regclass, p.oid FROM pg_publication p
    UNION ALL SELECT 'subscription', s.subname, CASE WHEN s.subenabled THEN 'enabled' ELSE 'disabled' END, 'pg_subscription'::regclass, s.oid
              FROM pg_subscription s WHERE s.subdbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
) added WHERE oid >= 16384 AND NOT EXISTS (SELECT FROM extended x WHERE x.classid = added.class AND x.objid = added.oid)

UNION ALL
-- They have no rows that a policy could hide: whatever one of the panel's people puts there, all the others can read.
SELECT 'large objects', 'of ' || pg_get_userbyid(o.lomowner), count(*)::text FROM pg_largeobject_metadata o GROUP BY o.lomowner

UNION ALL
SELECT 'watched', format('%s as %s/%s', w.relation, w.kind, w.shape),
       format('holder %s, key %s, columns %s, private %s, ignored %s, action %s', coalesce(w.holder, '-'), w.key,
              w.columns, w.private, w.ignored, coalesce(w.action, '-'))
FROM ONLY audit.watched w

UNION ALL
SELECT 'action', a.code, 'written by ' || a.by::text FROM ONLY audit.action a

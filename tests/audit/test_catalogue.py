"""The catalogue against what the migrations made: each thing that somebody could change there is named exactly.

Each attack is the superuser's, inside a transaction that is rolled back; the judge is the check of a full round.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection
from sqlalchemy.pool import NullPool

from audit import report
from audit.catalogue import CatalogueManifest, Unknown, differences
from audit.store import catalogue
from tests.audit.conftest import PRESIDENCY, Migrated, World, build

SCHEMAS = ("audit", "itm", "public")


@pytest.fixture(scope="module")
def built(shared_database: Migrated) -> World:
    return build(shared_database)


@pytest.fixture(scope="module")
def manifest(built: World) -> CatalogueManifest:
    """Of the world as it was built: the migrations', and the tests' own table."""
    return _manifest(built)


def _manifest(world: World) -> CatalogueManifest:
    with world.engine("superuser").connect() as connection:
        return CatalogueManifest(SCHEMAS, [catalogue.major(connection)], catalogue.catalogue(connection, SCHEMAS))


@pytest.fixture
def attacker(built: World) -> Iterator[Connection]:
    with built.engine("superuser").connect() as connection:
        yield connection
        connection.rollback()


CAPTURE = "audit.capture_public_case_file()"
ATTACKS: dict[str, tuple[str, list[str]]] = {
    "disable a capturing trigger": (
        "ALTER TABLE case_file DISABLE TRIGGER audit_capture",
        ["trigger public.case_file.audit_capture"],
    ),
    "let a trigger sleep on replicas": (
        "ALTER TABLE case_file ENABLE TRIGGER audit_capture",
        ["trigger public.case_file.audit_capture"],
    ),
    "drop a trigger": ("DROP TRIGGER audit_truncate ON person", ["trigger public.person.audit_truncate"]),
    "add a trigger": (
        "CREATE TRIGGER z BEFORE INSERT ON audit.event FOR EACH ROW EXECUTE FUNCTION"
        " suppress_redundant_updates_trigger()",
        ["trigger audit.event.z"],
    ),
    "disable the seal": ("ALTER TABLE audit.event DISABLE TRIGGER seal", ["trigger audit.event.seal"]),
    "disable a rule of the records": (
        "ALTER TABLE role_grant DISABLE TRIGGER b_separation",
        ["trigger public.role_grant.b_separation"],
    ),
    "disable the triggers of foreign keys": (
        "ALTER TABLE case_counter DISABLE TRIGGER ALL",
        [
            "inner triggers public.case_counter",
        ],
    ),
    "replace a capture function by one that drops events": (
        f"CREATE OR REPLACE FUNCTION {CAPTURE} RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
        " SET search_path = pg_catalog, pg_temp SET TimeZone = 'UTC' SET DateStyle = 'ISO, YMD'"
        " SET IntervalStyle = 'iso_8601' SET bytea_output = 'hex' SET extra_float_digits = 1"
        " AS $$ BEGIN RETURN NULL; END $$",
        [f"function {CAPTURE}"],
    ),
    "loosen a definer function's search path": (
        "ALTER FUNCTION audit.seal() SET search_path = public, pg_catalog",
        ["function audit.seal()"],
    ),
    "let a definer function run as its caller": (
        "ALTER FUNCTION audit.seal() SECURITY INVOKER",
        ["function audit.seal()"],
    ),
    "change a function's owner": ("ALTER FUNCTION audit.seal() OWNER TO itm_app", ["function audit.seal()"]),
    "grant a function to everybody": (
        "GRANT EXECUTE ON FUNCTION audit.refuse() TO PUBLIC",
        ["function audit.refuse()"],
    ),
    "take a grant": ("REVOKE EXECUTE ON FUNCTION audit.context() FROM itm_app", ["function audit.context()"]),
    "shadow a function": (
        "CREATE FUNCTION public.sha256(text) RETURNS bytea LANGUAGE sql RETURN ''::bytea",
        ["function public.sha256(text)"],
    ),
    "add an aggregate": (
        "CREATE AGGREGATE public.a (integer) (sfunc = int4pl, stype = integer)",
        ["function public.a(integer)"],
    ),
    "add an operator": (
        "CREATE OPERATOR public.= (leftarg = text, rightarg = text, function = starts_with)",
        ["operator public.=(text,text)"],
    ),
    "change a table's owner": ("ALTER TABLE job_run OWNER TO itm_app", ["relation public.job_run"]),
    "grant a table": ("GRANT INSERT ON audit.event TO itm_app", ["relation audit.event"]),
    "grant a table to the signer": ("GRANT SELECT ON person TO itm_signer", ["relation public.person"]),
    "grant a column": ("GRANT UPDATE (content) ON audit.event TO itm_app", ["column audit.event.content"]),
    "grant with the right to grant": (
        "GRANT SELECT ON audit.event TO itm_app WITH GRANT OPTION",
        ["relation audit.event"],
    ),
    "grant a schema": ("GRANT CREATE ON SCHEMA audit TO itm_app", ["schema audit"]),
    "grant the public schema": ("GRANT USAGE ON SCHEMA public TO PUBLIC", ["schema public"]),
    "drop a policy": ("DROP POLICY app_reads ON audit.event", ["policy audit.event.app_reads"]),
    "widen a policy": ("ALTER POLICY app_reads ON audit.event USING (true)", ["policy audit.event.app_reads"]),
    "widen a policy's check": (
        "ALTER POLICY functions_write ON audit.event WITH CHECK (true AND ledger_id IS NOT NULL)",
        ["policy audit.event.functions_write"],
    ),
    "give a policy to everybody": (
        "ALTER POLICY case_work ON case_file TO PUBLIC",
        ["policy public.case_file.case_work"],
    ),
    "hide rows from the comparison": ("DROP POLICY audit_compares ON person", ["policy public.person.audit_compares"]),
    "add a policy": ("CREATE POLICY everything ON person USING (true)", ["policy public.person.everything"]),
    "disable row-level security": ("ALTER TABLE person DISABLE ROW LEVEL SECURITY", ["relation public.person"]),
    "stop forcing it": ("ALTER TABLE audit.leaf NO FORCE ROW LEVEL SECURITY", ["relation audit.leaf"]),
    "let a view run as its owner": ("ALTER VIEW audit.entry SET (security_invoker = false)", ["relation audit.entry"]),
    "another view": (
        "CREATE OR REPLACE VIEW itm_shown AS SELECT * FROM person",
        ["relation public.itm_shown", 'rule public.itm_shown."_RETURN"'],
    ),
    "a rule that swallows": ("CREATE RULE r AS ON INSERT TO audit.event DO INSTEAD NOTHING", ["rule audit.event.r"]),
    "drop a key": (
        "ALTER TABLE audit.leaf DROP CONSTRAINT leaf_pkey",
        ["constraint audit.leaf.leaf_pkey", "index audit.leaf_pkey"],
    ),
    "drop a check": (
        "ALTER TABLE person DROP CONSTRAINT person_deletion",
        ["constraint public.person.person_deletion"],
    ),
    "drop a unique index": ("DROP INDEX audit.ledger_open", ["index audit.ledger_open"]),
    "allow nothing in a column": (
        "ALTER TABLE audit.event ALTER COLUMN content DROP NOT NULL",
        ["column audit.event.content"],
    ),
    "another default": (
        "ALTER TABLE case_file ALTER COLUMN shared SET DEFAULT false",
        ["column public.case_file.shared"],
    ),
    "add a column": ("ALTER TABLE person ADD COLUMN plain text", ["column public.person.plain"]),
    "add a table": (
        "CREATE TABLE public.copied AS SELECT 1 AS n",
        ["column public.copied.n", "relation public.copied"],
    ),
    "let a table inherit": (
        "CREATE TABLE itm.part () INHERITS (itm.installation)",
        ["column itm.part.sole", "column itm.part.synthetic", "inheritance itm.part", "relation itm.part",
         "constraint itm.part.installation_sole_check"],
    ),
    "add a type": ("CREATE DOMAIN public.d AS text", ["type public.d"]),
    "add an event trigger": (
        "CREATE FUNCTION pg_temp.e() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;"
        " CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION pg_temp.e()",
        ["event trigger e"],
    ),
    "give default grants": (
        "ALTER DEFAULT PRIVILEGES FOR ROLE itm_owner IN SCHEMA audit GRANT ALL ON TABLES TO itm_app",
        ["default grants of itm_owner on r in audit"],
    ),
    "let a role pass row-level security": ("ALTER ROLE itm_app BYPASSRLS", ["role itm_app"]),
    "make a role a superuser": ("ALTER ROLE itm_signer SUPERUSER", ["role itm_signer"]),
    "make a role a member of the owner": (
        "GRANT itm_owner TO itm_app",
        ["role itm_app", "member itm_app in itm_owner"],
    ),
    "let somebody else be the owner": (
        "CREATE ROLE itm_other; GRANT itm_owner TO itm_other",
        ["member itm_other in itm_owner"],
    ),
    "let a role end": ("ALTER ROLE itm_app VALID UNTIL '2020-01-01'", ["role itm_app"]),
    "let a role have no connections": ("ALTER ROLE itm_app CONNECTION LIMIT 0", ["role itm_app"]),
    "another search path of the panel": (
        "ALTER ROLE itm_app SET search_path = elsewhere, public",
        ["setting search_path of itm_app in every database"],
    ),
    "another search path here": (
        "DO $$ BEGIN EXECUTE format('ALTER ROLE itm_signer IN DATABASE %I SET search_path = x',"
        " current_database()); END $$",
        ["setting search_path of itm_signer in this database"],
    ),
    "a setting of the database": (
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET row_security = off', current_database()); END $$",
        ["setting row_security of every role in this database"],
    ),
    "a way that the signer does not take": (
        "ALTER ROLE itm_signer SET enable_seqscan = off",
        ["setting enable_seqscan of itm_signer in every database"],
    ),
    "forget a role's setting": (
        "ALTER ROLE itm_app RESET lock_timeout",
        ["setting lock_timeout of itm_app in every database"],
    ),
    "let a role choose for which triggers it works": (
        "GRANT SET ON PARAMETER session_replication_role TO itm_app",
        ["parameter session_replication_role"],
    ),
    "give the database away": (
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO itm_signer', current_database()); END $$",
        ["database this one"],
    ),
    "grant the database": (
        "DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO itm_app', current_database()); END $$",
        ["database this one"],
    ),
    "publish everything": ("CREATE PUBLICATION p FOR ALL TABLES", ["added publication p"]),
    "add a cast": (
        "CREATE FUNCTION pg_temp.f(uuid) RETURNS integer LANGUAGE sql RETURN 1;"
        " CREATE CAST (uuid AS integer) WITH FUNCTION pg_temp.f(uuid) AS IMPLICIT",
        ["added cast uuid to integer"],
    ),
    "add a collation": (
        "CREATE COLLATION public.c (provider = libc, locale = 'C')",
        ["added collation public.c"],
    ),
    "a function's name elsewhere": (
        "CREATE SCHEMA elsewhere; CREATE FUNCTION elsewhere.right(text, integer) RETURNS text LANGUAGE sql RETURN ''",
        ['shadow function elsewhere."right"(text, integer)'],
    ),
    "a closer function in PostgreSQL's own schema": (
        "CREATE FUNCTION pg_catalog.right(varchar, integer) RETURNS text LANGUAGE sql RETURN ''",
        ['added function pg_catalog."right"(character varying, integer)'],
    ),
    "a closer function that an extension of PostgreSQL's own takes in": (
        "CREATE FUNCTION pg_catalog.right(varchar, integer) RETURNS text LANGUAGE sql RETURN '';"
        " ALTER EXTENSION plpgsql ADD FUNCTION pg_catalog.right(varchar, integer)",
        ['added function pg_catalog."right"(character varying, integer)'],
    ),
    "a function's name elsewhere that an extension takes in": (
        "CREATE SCHEMA elsewhere; CREATE FUNCTION elsewhere.right(text, integer) RETURNS text LANGUAGE sql RETURN '';"
        " ALTER EXTENSION plpgsql ADD FUNCTION elsewhere.right(text, integer)",
        ['shadow function elsewhere."right"(text, integer)'],
    ),
    "a cast that an extension takes in": (
        "CREATE FUNCTION pg_temp.f(uuid) RETURNS integer LANGUAGE sql RETURN 1;"
        " CREATE CAST (uuid AS integer) WITH FUNCTION pg_temp.f(uuid) AS IMPLICIT;"
        " ALTER EXTENSION plpgsql ADD CAST (uuid AS integer)",
        ["added cast uuid to integer"],
    ),
    "a function that belongs to an extension that is not there": (
        "CREATE FUNCTION pg_catalog.right(varchar, integer) RETURNS text LANGUAGE sql RETURN '';"
        " INSERT INTO pg_depend VALUES ('pg_proc'::regclass, 'pg_catalog.right(varchar, integer)'::regprocedure, 0,"
        " 'pg_extension'::regclass, 99999, 0, 'e')",
        ['added function pg_catalog."right"(character varying, integer)'],
    ),
    "a closer operator in PostgreSQL's own schema": (
        "CREATE FUNCTION pg_temp.f(uuid, varchar) RETURNS boolean LANGUAGE sql RETURN true;"
        " CREATE OPERATOR pg_catalog.= (leftarg = uuid, rightarg = varchar, function = pg_temp.f)",
        ["added operator pg_catalog.=(uuid,character varying)"],
    ),
    "a type in PostgreSQL's own schema": (
        "SET LOCAL allow_system_table_mods = on; CREATE DOMAIN pg_catalog.d AS text",
        ["added type pg_catalog.d"],
    ),
    "a view in PostgreSQL's own schema": (
        "SET LOCAL allow_system_table_mods = on; CREATE VIEW pg_catalog.case_file AS SELECT * FROM public.case_file",
        ["added relation pg_catalog.case_file", "added type pg_catalog.case_file"],
    ),
    "a type of several values": ("CREATE TYPE public.c AS (n integer)", ["type public.c"]),
    "a type of one's own": ("CREATE TYPE public.b", ["type public.b"]),
    "statistics that a plan counts on": (
        "CREATE STATISTICS public.s ON (lower(province)) FROM case_file",
        ["statistics public.s"],
    ),
    "a transform": (
        "CREATE TRANSFORM FOR integer LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal))",
        ["added transform of integer for sql"],
    ),
    "a dictionary of words": (
        "CREATE TEXT SEARCH DICTIONARY public.d (template = simple)",
        ["added text search dictionary public.d"],
    ),
    "a configuration of words": (
        "CREATE TEXT SEARCH CONFIGURATION public.c (copy = simple)",
        ["added text search configuration public.c"],
    ),
    "a wrapper of foreign data": ("CREATE FOREIGN DATA WRAPPER w", ["added foreign-data wrapper w"]),
    "a server of foreign data": (
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w",
        ["added foreign server s", "added foreign-data wrapper w"],
    ),
    "a family of operators": (
        "CREATE OPERATOR FAMILY public.f USING btree",
        ["added operator family public.f"],
    ),
    "a large object": (
        "SELECT lo_create(7777); ALTER LARGE OBJECT 7777 OWNER TO itm_app",
        ["large objects of itm_app"],
    ),
    "a table's name elsewhere": (
        "CREATE SCHEMA elsewhere; CREATE VIEW elsewhere.case_file AS SELECT * FROM public.case_file",
        ["shadow relation elsewhere.case_file"],
    ),
    "the name of a table of PostgreSQL's": (
        "CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.pg_trigger (n integer)",
        ["shadow relation elsewhere.pg_trigger"],
    ),
    "an operator elsewhere": (
        "CREATE SCHEMA elsewhere; CREATE OPERATOR elsewhere.= (leftarg = text, rightarg = text,"
        " function = starts_with)",
        ["shadow operator elsewhere.=(text,text)"],
    ),
    "a type's name elsewhere": (
        "CREATE SCHEMA elsewhere; CREATE DOMAIN elsewhere.uuid AS text",
        ["shadow type elsewhere.uuid"],
    ),
    "a child elsewhere": (
        "CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.e () INHERITS (audit.event)",
        ["inheritance elsewhere.e"],
    ),
    "an index that is not written": (
        "UPDATE pg_index SET indisready = false WHERE indexrelid = 'audit.event_pkey'::regclass",
        ["index audit.event_pkey"],
    ),
    "an index that is not asked": (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'audit.event_target'::regclass",
        ["index audit.event_target"],
    ),
    "an index that does not live": (
        "UPDATE pg_index SET indislive = false WHERE indexrelid = 'public.case_file_pkey'::regclass",
        ["index public.case_file_pkey"],
    ),
    "triggers that are not looked for": (
        "UPDATE pg_class SET relhastriggers = false WHERE oid = 'public.case_file'::regclass",
        ["relation public.case_file"],
    ),
    "checks that are not looked for": (
        "UPDATE pg_class SET relchecks = 0 WHERE oid = 'public.person'::regclass",
        ["relation public.person"],
    ),
    "defaults that are not looked for": (
        "UPDATE pg_attribute SET atthasdef = false WHERE attrelid = 'public.case_file'::regclass"
        " AND attname = 'shared'",
        ["relation public.case_file"],
    ),
    "a sequence that begins again": (
        "ALTER SEQUENCE audit.checkpoint_id_seq MAXVALUE 9 CYCLE",
        ["sequence audit.checkpoint_id_seq"],
    ),
    "forget a watched table": (
        "DELETE FROM audit.watched WHERE relation = 'public.case_file'",
        ["watched public.case_file as case/1", "watched public.case_file as case/2"],
    ),
    "cover less": (
        "UPDATE audit.watched SET columns = '{id,institution_id}' WHERE relation = 'public.person'",
        ["watched public.person as person/1"],
    ),
    "let the panel write what is the triggers'": (
        "UPDATE audit.action SET by = '{trigger,itm_app}' WHERE code = 'record.update'",
        ["action record.update"],
    ),
}  # fmt: skip


def _named(connection: Connection, manifest: CatalogueManifest) -> list[str]:
    found = catalogue.check(connection, manifest, str(PRESIDENCY))
    assert found.failure is None
    findings = found.findings.get(str(PRESIDENCY), [])
    assert all(finding.kind == "catalogue.changed" for finding in findings)
    assert all(finding.id is not None and finding.detail.startswith(finding.id) for finding in findings)
    return [str(finding.id) for finding in findings]


@pytest.mark.parametrize("what", ATTACKS)
def test_what_was_changed_in_the_catalogue_is_named(
    attacker: Connection, manifest: CatalogueManifest, what: str
) -> None:
    statement, expected = ATTACKS[what]
    attacker.exec_driver_sql(statement, execution_options={"no_parameters": True})
    assert sorted(_named(attacker, manifest)) == sorted(expected)


def test_an_untouched_catalogue_is_the_manifests(attacker: Connection, manifest: CatalogueManifest) -> None:
    assert _named(attacker, manifest) == []


@pytest.mark.parametrize("setting", ["search_path = public, audit", "search_path = ''", "quote_all_identifiers = off"])
def test_nothing_is_found_however_the_session_prints(
    attacker: Connection, manifest: CatalogueManifest, setting: str
) -> None:
    attacker.exec_driver_sql(f"SET LOCAL {setting}")
    assert _named(attacker, manifest) == []
    assert attacker.execute(text("SHOW search_path")).scalar() != "pg_catalog"


def test_the_signer_sees_what_the_superuser_sees(built: World, manifest: CatalogueManifest) -> None:
    with built.engine("signer").connect() as connection:
        assert catalogue.catalogue(connection, SCHEMAS) == manifest.objects


def test_grants_are_the_same_in_whichever_order_they_were_given(
    attacker: Connection, manifest: CatalogueManifest
) -> None:
    attacker.execute(text("REVOKE SELECT ON audit.event FROM itm_app, itm_signer"))
    assert _named(attacker, manifest) == ["relation audit.event"]
    for role in ("itm_signer", "itm_app"):
        attacker.execute(text(f"SET LOCAL ROLE itm_owner; GRANT SELECT ON audit.event TO {role}; RESET ROLE"))
    assert _named(attacker, manifest) == []


def test_a_function_that_reads_the_same_again_is_not_a_finding(
    attacker: Connection, manifest: CatalogueManifest
) -> None:
    same = attacker.execute(text("SELECT pg_get_functiondef('audit.seal()'::regprocedure)")).scalar_one()
    attacker.exec_driver_sql(same, execution_options={"no_parameters": True})
    assert _named(attacker, manifest) == []


def test_a_changed_catalogue_is_the_presidencys_ledger_tampered_and_named_in_the_report(world: World) -> None:
    manifest = _manifest(world)
    assert report.report(world.engine("signer"), "full", manifest=manifest)[1] == 0
    world.run("ALTER TABLE thing DISABLE TRIGGER audit_capture", "superuser")
    rows, code = report.report(world.engine("signer"), "full", manifest=manifest)
    assert (code, {row["institution"]: row["verdict"] for row in rows}) == (
        1, {"OURS": "intact", "PRES": "tampered", "THEIRS": "intact"}
    )  # fmt: skip
    (finding,) = rows[1]["findings"]
    assert (finding["kind"], finding["id"]) == ("catalogue.changed", "trigger public.thing.audit_capture")
    assert "is disabled" in finding["detail"]
    assert "the migrations made it always" in finding["detail"]
    world.run("ALTER TABLE thing ENABLE ALWAYS TRIGGER audit_capture", "superuser")
    assert report.report(world.engine("signer"), "incremental", manifest=manifest)[1] == 0


def test_what_a_false_capture_function_dropped_is_found_after_it_was_put_back(world: World) -> None:
    manifest, row = _manifest(world), world.add()
    name = "audit.capture_public_thing()"
    true = world.run(f"SELECT pg_get_functiondef('{name}'::regprocedure)", "superuser")
    world.run(
        f"CREATE OR REPLACE FUNCTION {name} RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
        "superuser",
    )
    world.run("UPDATE thing SET name = 'unseen'")
    with world.engine("superuser").begin() as connection:
        connection.exec_driver_sql(true, execution_options={"no_parameters": True})
    rows, _ = report.report(world.engine("signer"), "full", manifest=manifest)
    assert [(row["institution"], each["kind"], each["id"]) for row in rows for each in row["findings"]] == [
        ("OURS", "record.changed", str(row))
    ]


def test_a_version_that_nobody_has_seen_is_cannot_tell(world: World) -> None:
    manifest = CatalogueManifest(SCHEMAS, [11], {})
    rows, code = report.report(world.engine("signer"), "full", manifest=manifest)
    assert (code, {row["verdict"] for row in rows}) == (2, {"cannot tell"})
    assert "the catalogue was not compared: nobody has seen" in rows[0]["findings"][0]["detail"]


def test_a_catalogue_that_cannot_be_read_is_cannot_tell(world: World) -> None:
    manifest = _manifest(world)
    world.run("REVOKE SELECT ON audit.watched FROM itm_signer", "superuser")
    with world.engine("signer").connect() as connection:
        found = catalogue.check(connection, manifest, None)
    assert (found.counts, found.failure) == ({}, "the catalogue was not compared: ProgrammingError")


def test_a_round_without_the_presidencys_ledger_says_nothing_of_the_catalogue(world: World) -> None:
    manifest = CatalogueManifest(SCHEMAS, _manifest(world).versions, {})
    rows, code = report.report(world.engine("signer"), "full", "OURS", manifest=manifest)
    assert (code, rows[0]["findings"]) == (0, [])


def test_a_manifest_is_read_as_it_was_written() -> None:
    manifest = CatalogueManifest(["a"], [16, 15], {"z": "ü", "b": "1"})
    again = CatalogueManifest.load(manifest.dump())
    assert (again.schemas, again.versions, list(again.objects.items())) == (["a"], [15, 16], [("b", "1"), ("z", "ü")])
    assert manifest.dump() == again.dump()


def test_differences_are_named_in_order_and_said_in_short() -> None:
    found = list(differences({"a": "1", "b": "2", "c": "3"}, {"b": "2", "c": "x" * 5000, "d": "4"}))
    assert [(each.id, each.seq, each.table) for each in found] == [(name, None, None) for name in "acd"]
    assert [each.detail[:15] for each in found] == ["a: is not there", "c: is xxxxxxxxx", "d: was added: 4"]
    assert max(len(each.detail) for each in found) == 1000


def test_an_unknown_version_is_refused_before_anything_is_compared() -> None:
    with pytest.raises(Unknown, match="PostgreSQL 12"):
        list(CatalogueManifest([], [15], {}).compare(12, {}))


def test_a_setting_of_the_whole_server_is_found(built: World, manifest: CatalogueManifest) -> None:
    """As ALTER SYSTEM makes it for each connection: foreign keys and ordinary triggers sleep."""
    url = built.engine("superuser").url.update_query_dict({"options": "-c session_replication_role=replica"})
    with create_engine(url, poolclass=NullPool).connect() as connection:
        assert _named(connection, manifest) == ["server setting session_replication_role"]

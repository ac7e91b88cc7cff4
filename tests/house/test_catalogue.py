"""Policies, triggers, functions, grants and owners, which a comparison of models cannot see.

The manifest holds them, and a full verification compares the catalogue with it.

And what every table of an institution must have: forced row-level security, keys that stay inside the
institution, and the ledger's trigger.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, text

from audit.store import catalogue
from itm_admin import models
from itm_admin.foundation.database import migration, roles
from itm_admin.local.binaries import MAJOR
from tests.conftest import Cluster, Database, _copy
from tests.house.beside import COMPARED, NOT_COMPARED
from tests.house.catalogue import SCHEMAS
from tests.panel.handover_panel import with_handovers

NOT_WATCHED = {
    "account_address": "who set an address: the account's own event tells of it",
    "account_session": "each begin and end is an event of its own, or follows from one",
    "alert": "raised and acknowledged by events of their own",
    "alembic_version": "the schema's version, the migration's own",
    "code_tries": "each wrong code is an event of its own",
    "api_key_secret": "that a secret was taken stands in its key's row, and each use of it is an event",
    "case_counter": "a number that is in the case's reference already",
    "editing": "who has a form open, for a quarter of an hour: nothing of a record",
    "former_password": "each row is a change of the credential, which is captured",
    "job_run": "each run is an event of its own",
    "known_device": "a browser of a sign-in, which is an event of its own",
    "login_throttle": "digests of tries, which events tell of or count",
    "sign_in_tally": "refused tries until an event counts them",
    "mail": "follows from changes that are captured; what it holds goes when it has left",
    "provider_message": "digests of what a provider sends once, for an hour",
    "provider_session": "which of a session's facts its provider knows; the sign-in is an event",
    "passkey_challenge": "random numbers that nobody keeps",
    "referral_content": "its digest stands in the event of its referral, in both ledgers",
    "saved_view": "a person's own preference; its label is typed, and the ledger forgets nothing",
    "form_answer": "pages kept for an hour; what they show is recorded when it is shown",
    "submission": "keys of what was sent, for a week: the record's own event tells of it",
    "verification_request": "asked for by a look, and answered by a verification that the ledger keeps",
}
"""Tables whose changes the ledger does not capture, with the reason."""
ACROSS = {
    ("case_file", "institution", "lead_institution_id"): "another institution may lead; the register is open to all",
    ("external_identity", "identity_provider", "provider_id"): "the Presidency keeps the register of providers",
    ("provider_binding", "identity_provider", "provider_id"): "the Presidency keeps the register of providers",
    ("grant_approval", "institution", "approver_institution_id"): "one approval comes from the Presidency",
    ("grant_approval", "account", "approver_id"): "an approver may be of another institution",
    ("referral_draft", "institution", "receiver_id"): "the draft names its receiver; the register is open to all",
    ("ledger_decision", "account", "proposed_by"): "the Presidency's supervisor proposes, whosever ledger it is",
    ("ledger_decision", "institution", "proposer_institution_id"): "the Presidency's supervisor proposes",
    ("ledger_decision", "account", "decided_by"): "a national auditor of another institution decides",
    ("ledger_decision", "institution", "decider_institution_id"): "a national auditor of another institution decides",
}
"""References that may leave the institution, with the reason; beside them, each side of two parties names the other."""


@pytest.fixture(scope="module")
def superuser(shared_database: Database) -> Iterator[Connection]:
    with shared_database.engine("superuser").connect() as connection:
        yield connection


@pytest.fixture(scope="module")
def grown(cluster: Cluster, template: str) -> Iterator[Connection]:
    """A database with the tests' own area: what every table must have, a new area's has without a word here."""
    for database in _copy(cluster, template):
        with with_handovers(database), database.engine("superuser").connect() as connection:
            yield connection


def test_the_catalogue_is_the_one_that_was_reviewed(superuser: Connection) -> None:
    """After a change that is meant: python -m tests.house.catalogue"""
    manifest = migration.manifest()
    assert manifest.schemas == list(SCHEMAS)
    found = catalogue.catalogue(superuser, SCHEMAS)
    assert list(manifest.compare(catalogue.major(superuser), found)) == []
    assert manifest.objects == found


def test_the_manifest_has_seen_every_version_of_postgresql_that_is_promised() -> None:
    assert migration.manifest().versions == list(range(roles.OLDEST_SERVER, MAJOR + 1))


def test_an_upgrade_from_nothing_gives_the_models(superuser: Connection) -> None:
    def ours(_object: object, name: str | None, kind: str, _reflected: bool, _compare_to: object) -> bool:
        return kind != "table" or name in models.OUR_TABLES

    context = MigrationContext.configure(superuser, opts={"include_object": ours, "compare_type": True})
    assert compare_metadata(context, models.metadata) == []
    nothing = compare_metadata(MigrationContext.configure(superuser), MetaData())
    assert len(nothing) > len(models.OUR_TABLES), "the comparison sees what a model lacks"


def test_every_table_is_a_model_or_the_migrations_own(superuser: Connection) -> None:
    assert _tables(superuser) == {*models.OUR_TABLES, "alembic_version"}


def test_every_table_has_forced_row_level_security_and_its_policies_name_their_roles(grown: Connection) -> None:
    rows = grown.execute(
        text(
            "select c.relname, c.relrowsecurity and c.relforcerowsecurity as held,"
            " (select count(*) from pg_policy p where p.polrelid = c.oid) as policies"
            " from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'"
        )
    ).all()
    assert [row.relname for row in rows if not row.held] == ["alembic_version"]
    assert [row.relname for row in rows if row.held and not row.policies] == []
    for_everybody = text(
        "select count(*) from pg_policy p join pg_class c on c.oid = p.polrelid"
        " where polroles = '{0}' and relnamespace = 'public'::regnamespace"
    )
    assert grown.scalar(for_everybody) == 0


def test_no_row_of_an_institution_points_into_another(grown: Connection) -> None:
    """Each reference to a table of institutions' rows carries the institution on both sides."""
    owned = _owned(grown)
    two_parties = grown.scalars(text("select relation from itm.kept where common <> '{}' and not by_hand")).all()
    sides = [(table, "institution", "other_institution_id") for table in two_parties]
    assert sides
    keys = grown.execute(
        text(
            "select k.conrelid::regclass::text as source, k.confrelid::regclass::text as target,"
            " array(select a.attname::text from unnest(k.conkey) with ordinality n(number, place)"
            "  join pg_attribute a on a.attrelid = k.conrelid and a.attnum = n.number order by place) as columns,"
            " array(select a.attname::text from unnest(k.confkey) with ordinality n(number, place)"
            "  join pg_attribute a on a.attrelid = k.confrelid and a.attnum = n.number order by place) as others"
            " from pg_constraint k where k.contype = 'f' and k.connamespace = 'public'::regnamespace"
        )
    ).all()
    assert keys
    for key in keys:
        if len(key.columns) == 1 and (key.source, key.target, key.columns[0]) in {*ACROSS, *sides}:
            continue
        if key.target in owned:
            assert (key.columns[0], key.others[0]) == ("institution_id", "institution_id"), key
        else:
            assert (key.target, key.columns) == ("institution", ["institution_id"]), key


def test_every_column_that_names_a_row_is_a_key(grown: Connection) -> None:
    """`…_id` of an institution's table is a foreign key, so that a row of another institution cannot be named."""
    free = grown.execute(
        text(
            "select c.relname, a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid"
            " where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and a.attname like '%\\_id'"
            " and not a.attisdropped and not exists (select from pg_constraint k where k.contype = 'f'"
            "  and k.conrelid = c.oid and a.attnum = any (k.conkey))"
        )
    ).all()
    assert [tuple(row) for row in free] == []


def test_every_table_of_an_institution_is_watched_by_the_ledger_or_says_why_not(grown: Connection) -> None:
    watched = set(grown.scalars(text("select replace(relation, 'public.', '') from audit.watched")))
    assert _tables(grown) - watched == set(NOT_WATCHED)
    always = text("select tgrelid::regclass::text from pg_trigger where tgname = 'audit_capture' and tgenabled = 'A'")
    assert set(grown.scalars(always)) == watched


def test_every_table_is_captured_or_compared_or_says_why_nobody_is_misled(grown: Connection) -> None:
    """The ledger's own tables have a row for each column in tests/audit/test_tampering_matrix.py."""
    found = text(
        "select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where n.nspname in ('itm', 'public') and c.relkind in ('r', 'p', 'm', 'f')"
    )
    tables = set(grown.scalars(found))
    watched = set(grown.scalars(text("select relation from audit.watched")))
    assert tables - watched == {*COMPARED, *NOT_COMPARED}
    assert not COMPARED & set(NOT_COMPARED)
    others = text("select nspname from pg_namespace where nspname !~ '^(pg_|information_schema$)'")
    assert set(grown.scalars(others)) == set(SCHEMAS), "a schema that nothing looks at"


def test_the_application_owns_nothing_and_deletes_no_record(grown: Connection) -> None:
    owners = grown.scalars(text(
        "select distinct pg_get_userbyid(relowner) from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where n.nspname in ('public', 'itm', 'audit')")).all()  # fmt: skip
    assert owners == ["itm_owner"]
    for role in ("itm_app", "itm_signer"):
        gone = grown.scalars(text(
            "select c.oid::regclass::text from pg_class c where c.relkind = 'r' and c.relnamespace in"
            " ('public'::regnamespace, 'itm'::regnamespace, 'audit'::regnamespace)"
            " and (has_table_privilege(:role, c.oid, 'DELETE') or has_table_privilege(:role, c.oid, 'TRUNCATE'))"),
            {"role": role}).all()  # fmt: skip
        passing = {"draft", "editing", "form_answer", "known_device", "passkey_challenge", "saved_view", "submission"}
        assert set(gone) == (passing if role == "itm_app" else {"draft", "form_answer"})


def _tables(superuser: Connection) -> set[str]:
    found = text("select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'")
    return set(superuser.scalars(found))


def _owned(superuser: Connection) -> set[str]:
    found = text("select attrelid::regclass::text from pg_attribute a join pg_class c on c.oid = a.attrelid"
                 " where a.attname = 'institution_id' and c.relkind = 'r'"
                 " and c.relnamespace = 'public'::regnamespace")  # fmt: skip
    return set(superuser.scalars(found))

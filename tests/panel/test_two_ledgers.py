"""A full verification compares the ledgers of both parties: an act of two stands in both, and says the same in both."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from flask import Flask, g
from flask_babel import Babel, force_locale
from sqlalchemy import Connection, text

from audit import store
from audit.event import commitment
from audit.leaf import leaf_hash
from itm_admin.assurance import labels
from itm_admin.foundation import formats, i18n
from itm_admin.ledger import two_sides, verification_jobs
from tests.conftest import Database
from tests.factories import Factory
from tests.panel import kept_tables as kept
from tests.panel.kept_tables import run
from tests.panel.test_two_parties import ACT, asked

_LAST = """
select e.id, f.seq from audit.event e join audit.leaf f on f.event_id = e.id join audit.ledger l on l.id = f.ledger_id
 where l.code = :code and e.target_kind = 'loan' order by f.seq desc limit 1
"""
_CUT = """
alter table audit.event disable trigger all; alter table audit.leaf disable trigger all;
alter table audit.ledger disable trigger all
"""


@pytest.fixture(scope="module")
def make(shared_database: Database) -> Factory:
    kept.make_tables(shared_database, kept.LOANS)
    return Factory(shared_database)


@pytest.fixture(scope="module")
def loan(make: Factory) -> uuid.UUID:
    """A loan that the other institution lent: two acts, the last entries of both ledgers."""
    sender, receiver = make.focal_point(), make.focal_point(make.other_institution())
    loan = asked(make, sender, receiver)
    run(make, receiver, ACT, loan=loan, step="lent")
    return loan


@pytest.fixture
def attacker(make: Factory, loan: uuid.UUID) -> Iterator[Connection]:
    """A connection of the database's superuser; nothing is kept."""
    with make.database.engine("superuser").connect() as connection:
        for statement in _CUT.split(";"):
            connection.execute(text(statement))
        yield connection
        connection.rollback()


def found(connection: Connection) -> dict[str | None, list[tuple[str, str | None]]]:
    connection.exec_driver_sql("set local session authorization itm_signer")
    seen = two_sides.check(connection, None)
    connection.exec_driver_sql("reset session authorization")
    assert seen.failure is None
    return {holder: [(each.kind, each.id) for each in findings] for holder, findings in seen.findings.items()}


def cut(connection: Connection, code: str) -> None:
    """Drops the last entry of a ledger, so that what is left is a whole ledger."""
    id, seq = connection.execute(text(_LAST), {"code": code}).one()
    connection.execute(text("delete from audit.leaf where event_id = :id"), {"id": id})
    connection.execute(text("delete from audit.event where id = :id"), {"id": id})
    connection.execute(
        text("update audit.ledger l set size = :seq, head = f.hash, recorded_at = f.recorded_at::timestamptz"
             " from audit.leaf f where l.code = :code and f.ledger_id = l.id and f.seq = :seq - 1"),
        {"seq": seq, "code": code},
    )  # fmt: skip


def told_otherwise(connection: Connection, code: str) -> None:
    """Writes the last entry anew, with another digest, so that the ledger is whole in itself."""
    id, seq = connection.execute(text(_LAST), {"code": code}).one()
    row = connection.execute(
        text("select e.content, e.salt, f.prev, f.recorded_at, l.origin, l.id as ledger from audit.event e"
             " join audit.leaf f on f.event_id = e.id join audit.ledger l on l.id = f.ledger_id where e.id = :id"),
        {"id": id},
    ).one()  # fmt: skip
    start = row.content.index("itm-shared-act/v1 2 ") + len("itm-shared-act/v1 2 ")
    content = row.content[:start] + "0" * 64 + row.content[start + 64 :]
    sealed = commitment(bytes(row.salt), content)
    head = leaf_hash(row.origin, seq, row.recorded_at, bytes(row.prev), sealed)
    values = {"id": id, "content": content, "sealed": sealed, "hash": head, "ledger": row.ledger}
    connection.execute(text("update audit.event set content = :content where id = :id"), values)
    connection.execute(text("update audit.leaf set commitment = :sealed, hash = :hash where event_id = :id"), values)
    connection.execute(text("update audit.ledger set head = :hash where id = :ledger"), values)


def test_both_sides_of_each_act_are_found(attacker: Connection) -> None:
    assert found(attacker) == {}


@pytest.mark.parametrize(("gone", "there"), [("EGM", "JGK"), ("JGK", "EGM")])
def test_a_side_that_was_dropped_is_found_in_the_ledger_that_misses_it(
    make: Factory, attacker: Connection, gone: str, there: str
) -> None:
    cut(attacker, gone)
    [(holder, [(kind, id)])] = found(attacker).items()
    assert (holder, kind) == (str(make.institution(gone).id), "side.missing")
    assert f"/{there}/1 2 " in str(id)


def test_a_side_that_tells_another_act_is_found_in_both_ledgers(make: Factory, attacker: Connection) -> None:
    told_otherwise(attacker, "EGM")
    seen = found(attacker)
    assert set(seen) == {str(make.institution(code).id) for code in ("JGK", "EGM")}
    assert {kind for findings in seen.values() for kind, _id in findings} == {"side.otherwise"}


def test_what_a_purge_removed_is_forgiven(attacker: Connection) -> None:
    _id, seq = attacker.execute(text(_LAST), {"code": "EGM"}).one()
    cut(attacker, "EGM")
    attacker.execute(
        text("update audit.event set action = 'ledger.purge', content ="
             " jsonb_set(content::jsonb, '{detail}', jsonb_build_object('last', cast(:last as bigint)))::text"
             " where id = (select event_id from audit.leaf f join audit.ledger l on l.id = f.ledger_id"
             " where l.code = 'EGM' order by f.seq limit 1)"), {"last": seq - 1},
    )  # fmt: skip
    kinds = [kind for findings in found(attacker).values() for kind, _id in findings]
    assert kinds == []


def test_a_full_round_says_so_in_words_of_both_languages(make: Factory, loan: uuid.UUID) -> None:
    engine = make.database.engine("signer")
    with make.database.engine("superuser").begin() as connection:
        for statement in _CUT.split(";"):
            connection.execute(text(statement))
        cut(connection, "EGM")
        for table in ("event", "leaf", "ledger"):
            for (rule,) in connection.execute(
                text("select tgname from pg_trigger where tgrelid = cast(:t as regclass) and not tgisinternal"),
                {"t": f"audit.{table}"},
            ).all():
                connection.execute(text(f"alter table audit.{table} enable always trigger {rule}"))
    with engine.connect() as connection:
        ledgers = store.ledgers(connection)
    done = verification_jobs.verify(engine, ledgers, "full", lambda: False)
    [finding] = [
        each for one in done if one.ledger.code == "EGM" for each in one.verdict.findings if each.kind == "side.missing"
    ]
    app = Flask("words")
    app.secret_key = "for this test"
    i18n.configure(app)
    Babel(app, locale_selector=i18n.chosen).domain_instance = i18n.Catalogues()
    formats.install(app)
    with app.test_request_context():
        g.institution_names = {"JGK": ("Jandarma", "Gendarmerie")}
        for language, words in (
            ("tr", "2 sıra no.lu ortak işlemi Jandarma (JGK) defterinde duruyor, bu defterde yok"),
            ("en", "act 2 of both institutions stands in the ledger of Gendarmerie (JGK) and is missing"),
        ):
            with force_locale(language):
                assert words in labels.finding_words(finding.told)

"""Kept tables beyond the row itself: erasure, histories, and migrations that come later."""

from __future__ import annotations

import threading
import uuid

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from audit import store
from itm_admin.cases import erasure, lookup, services
from itm_admin.cases.models import CasePerson
from itm_admin.ledger import beside_rows
from itm_admin.record import drafts
from tests.conftest import Database
from tests.factories import Factory, Somebody
from tests.panel import kept_tables as kept
from tests.panel.erasing import erased, stored
from tests.panel.kept_tables import SEEN, refused, run

# Erasure


def test_an_erasure_takes_everything_about_the_person_in_whatever_table(
    make: Factory, author: Somebody, manager: Somebody, link: CasePerson, stay: uuid.UUID
) -> None:
    visit = kept.visit(make, author, stay)
    other = kept.stay(make, author, make.person(author, make.case(author)))
    note = (
        "insert into access_note (institution_id, account_id, kind, record, purpose, words)"
        " values (:i, :account, 'visit', :visit, 'EMERGENCY', 'because of Kanarya')"
    )
    assert refused(make, author, note, i=author.tenant.id, account=author.id, visit=visit) == ""
    answer = (
        "insert into form_answer (id, institution_id, account_id, sealed, expires_at)"
        " values (gen_random_uuid(), :i, :account, 'the page of a reveal', now() + interval '10 minutes')"
    )
    assert refused(make, author, answer, i=author.tenant.id, account=author.id) == ""
    with make.working(author) as session:
        for form in (f"stay:{stay}", f"visit:{visit}", f"stay:{other}"):
            drafts.keep(session, make.keyring, form, [("note", "Kanarya")])
    with make.working(author) as session:
        version = lookup.get_case(session, link.case_id).row_version
        services.close_case(session, make.keyring, link.case_id, {"reason": "OTHER"}, version)
    before = len(make.ledger(author.tenant))
    erased(make, manager, link)
    assert (stored(make, "stay", stay)["note_enc"], stored(make, "stay", stay)["address_enc"]) == (None, None)
    assert stored(make, "visit", visit)["told_enc"] is None
    assert stored(make, "stay", other)["note_enc"] is not None
    told = make.ledger(author.tenant)[before:]
    for id in (stay, visit, link.person_id):
        assert len([each for each in told if f'"id":"{id}"' in each and '"record.update"' in each]) == 1
    with make.superuser() as connection:
        words = text("select words from access_note where record = :id")
        assert connection.scalars(words, {"id": visit}).all() == [None]
        assert connection.scalar(text("select count(*) from form_answer")) == 0
        left = connection.scalars(text("select form from draft where form like 'stay:%' or form like 'visit:%'")).all()
        assert left == [f"stay:{other}"]
        for table, id in (("stay", stay), ("visit", visit)):
            again = text(f"update {table} set {'note_enc' if table == 'stay' else 'told_enc'} = 'again' where id = :id")
            with pytest.raises(DBAPIError, match="the person was erased"), connection.begin_nested():
                connection.execute(again, {"id": id})


def test_no_kept_record_about_the_person_begins_or_is_filled_beside_an_erasure(
    make: Factory, author: Somebody, manager: Somebody, link: CasePerson, stay: uuid.UUID
) -> None:
    """Each way to the person, of one step and of two, with a protected value and without."""
    place = {
        "i": author.tenant.id,
        "u": author.tenant.root,
        "case": link.case_id,
        "person": link.person_id,
        "stay": stay,
    }
    into = "insert into {} (institution_id, unit_id, {}) values (:i, :u, {})"
    acts = [
        into.format("visit", "stay_id, told_enc", ":stay, 'sealed'"),
        into.format("visit", "stay_id", ":stay"),
        into.format("wish", "person_id, wish_enc", ":person, 'sealed'"),
        into.format("wish", "person_id", ":person"),
        into.format("stay", "case_id, person_id, state, from_day", ":case, :person, 'requested', '2026-03-01'"),
        "update stay set note_enc = 'again' where id = :stay",
    ]
    said: list[str] = []

    def act(statement: str) -> None:
        values = {name: value for name, value in place.items() if f":{name}" in statement}
        said.append(refused(make, author, statement, **values))

    waiting = text("select count(*) from pg_stat_activity where datname = current_database()"
                   " and cardinality(pg_blocking_pids(pid)) > 0")  # fmt: skip
    threads = [threading.Thread(target=act, args=(each,)) for each in acts]
    with make.working(manager) as session:
        session.execute(text("select itm.erase_person(:id, 'PERSON_REQUEST')"), {"id": link.person_id})
        for thread in threads:
            thread.start()
        watched, waits = make.database.engine("superuser"), 0
        while any(thread.is_alive() for thread in threads) and waits < len(acts) - len(said):
            with watched.connect() as connection:
                waits = connection.scalar(waiting) or 0
    for thread in threads:
        thread.join()
    assert said == ["the person was erased"] * len(acts)


def test_what_is_about_a_case_goes_when_the_case_is_shredded_and_is_asked_about_before(
    make: Factory, author: Somebody, manager: Somebody
) -> None:
    """The case has no narrative: what is to be looked through is the record about it, the words, or both."""
    link, other = make.person(author, make.case(author)), make.case(author)
    (plan, step), (kept_plan, _step) = kept.plan(make, author, link.case_id), kept.plan(make, author, other.id)
    with make.superuser() as connection:
        connection.execute(
            text("update case_file set data_key = 'key' where id = any (:ids)"), {"ids": [link.case_id, other.id]}
        )
    note = (
        "insert into access_note (institution_id, account_id, kind, record, purpose, words)"
        " values (:i, :account, 'step', :step, 'EMERGENCY', 'because of Kanarya')"
    )
    assert refused(make, author, note, i=author.tenant.id, account=author.id, step=step) == ""
    with make.working(author) as session:
        for form in (f"plan:{plan}", f"step:{step}", f"plan:{kept_plan}"):
            drafts.keep(session, make.keyring, form, [("note", "Kanarya")])
    with make.working(manager) as session:
        person = lookup.get_person(session, link.person_id)
        assert [case.id for case in erasure.narratives_of(session, person)] == [link.case_id]
    erased(make, manager, link)
    assert stored(make, "plan", plan)["plan_enc"] is None
    assert stored(make, "step", step)["step_enc"] is None
    assert stored(make, "plan", kept_plan)["plan_enc"] is not None
    with make.superuser() as connection:
        words = text("select words from access_note where record = :id")
        assert connection.scalars(words, {"id": step}).all() == [None]
        left = connection.scalars(text("select form from draft where form ~ '^(plan|step):'")).all()
        assert left == [f"plan:{kept_plan}"]
    assert "the narrative was shredded" in refused(make, author, note, i=author.tenant.id, account=author.id, step=step)


def test_a_hold_on_somebody_in_a_case_or_on_the_case_keeps_what_is_about_the_case(
    make: Factory, author: Somebody, manager: Somebody
) -> None:
    link = make.person(author, make.case(author))
    plan, step = kept.plan(make, author, link.case_id)
    for table, id in (("person", link.person_id), ("case_file", link.case_id)):
        hold = f"update {table} set hold_reason = {{}} where id = :id"
        assert refused(make, manager, hold.format("'COURT_ORDER'"), id=id) == ""
        for name, each in (("plan", plan), ("step", step)):
            empty = f"update {name} set {name}_enc = null where id = :id"
            assert "a legal hold keeps" in refused(make, author, empty, id=each), (table, name)
        assert refused(make, manager, hold.format("null"), id=id) == ""
    assert refused(make, author, "update step set step_enc = null where id = :id", id=step) == ""


def test_what_is_about_a_case_is_written_while_it_is_open_and_waits_for_a_shredding(
    make: Factory, author: Somebody, manager: Somebody
) -> None:
    link = make.person(author, make.case(author, narrative="Kanarya"))
    plan, _step = kept.plan(make, author, link.case_id)
    again = "update plan set plan_enc = 'again' where id = :id"

    def impatiently() -> None:
        with make.working(author) as session:
            session.execute(text("set local lock_timeout = '200ms'"))
            session.execute(text(again), {"id": plan})

    with make.working(manager) as session:
        erase = text("select itm.erase_person(:id, 'PERSON_REQUEST', array[cast(:case as uuid)])")
        session.execute(erase, {"id": link.person_id, "case": link.case_id})
        with pytest.raises(DBAPIError, match="lock timeout"):
            impatiently()
    assert refused(make, author, again, id=plan) == ""
    with make.working(author) as session:
        version = lookup.get_case(session, link.case_id).row_version
        services.close_case(session, make.keyring, link.case_id, {"reason": "OTHER"}, version)
    assert "a closed case is reopened first" in refused(make, author, again, id=plan)


def test_the_registers_say_whose_a_value_is(make: Factory) -> None:
    owners = "select distinct owner from itm.protected where relation = any (array['plan', 'step']) or path[2] = 'step'"
    with make.superuser() as superuser:
        assert superuser.scalars(text(owners)).all() == ["case_file"]
    with make.database.engine("signer").connect() as connection:
        assert not beside_rows.check(connection, None).findings


def test_a_hold_is_found_by_each_way_from_a_record_to_its_case(
    make: Factory, author: Somebody, manager: Somebody, link: CasePerson
) -> None:
    """A stay of the person in a case that the person never was in."""
    other = make.case(author, narrative="Kanarya")
    made = kept.visit(make, author, kept.stay(make, author, link, case=other.id))
    hold = "update case_file set hold_reason = {} where id = :id"
    assert refused(make, manager, hold.format("'COURT_ORDER'"), id=other.id) == ""
    erase = "select itm.erase_person(:id, 'PERSON_REQUEST', array[cast(:case as uuid)])"
    assert "keeps this person" in refused(make, manager, erase, id=link.person_id, case=other.id)
    assert stored(make, "visit", made)["told_enc"] is not None
    assert refused(make, manager, hold.format("null"), id=other.id) == ""
    third = make.person(author, make.case(author))
    kept.stay(make, author, third, case=other.id)
    keep = "update person set hold_reason = {} where id = :id"
    assert refused(make, manager, keep.format("'COURT_ORDER'"), id=third.person_id) == ""
    assert "another person" in refused(make, manager, erase, id=link.person_id, case=other.id)
    assert refused(make, manager, keep.format("null"), id=third.person_id) == ""
    assert refused(make, manager, erase, id=link.person_id, case=other.id) == ""
    assert stored(make, "case_file", other.id)["narrative_enc"] is None


def test_an_erasure_reaches_what_the_manager_does_not_see(make: Factory, manager: Somebody) -> None:
    north, south = make.unit("Kuzey"), make.unit("Güney")
    of_north, writer = make.somebody("institution_manager", unit=north), make.focal_point()
    link = make.person(writer, make.case(writer, unit_id=str(north)))
    hidden = make.case(writer, unit_id=str(south), confidentiality="SPECIAL")
    insert = (
        "insert into case_person (institution_id, unit_id, case_id, person_id, role)"
        " values (:i, :u, :case, :person, 'WITNESS')"
    )
    run(make, writer, insert, i=writer.tenant.id, u=south, case=hidden.id, person=link.person_id)
    stay = kept.stay(make, writer, link, case=hidden.id)
    assert run(make, of_north, SEEN, id=stay) == []
    hold = "update case_file set hold_reason = 'COURT_ORDER' where id = :id"
    assert refused(make, manager, hold, id=hidden.id) == ""
    erase = "select itm.erase_person(:id, 'PERSON_REQUEST')"
    assert "legal hold" in refused(make, of_north, erase, id=link.person_id)
    assert refused(make, manager, hold.replace("'COURT_ORDER'", "null"), id=hidden.id) == ""
    run(make, of_north, erase, id=link.person_id)
    assert stored(make, "stay", stay)["note_enc"] is None


def test_a_sealed_column_that_erasing_would_miss_is_counted_as_none(
    make: Factory, author: Somebody, manager: Somebody
) -> None:
    """Every sealed column of the catalogue, filled for one person, then erased."""
    case = make.case(author)
    link = make.person(author, case)
    stay = kept.stay(make, author, link)
    ids = [stay, kept.visit(make, author, stay), link.person_id]
    with make.superuser() as connection:
        columns = connection.execute(
            text("select relation, column_name from itm.protected where owner = 'person' and relation <> 'access_note'")
        ).all()
        sealed = connection.execute(
            text("select c.relname, a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid"
                 " where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and a.attname like '%\\_enc'"
                 " and c.relname <> all ('{case_file,plan,step}')")
        ).all()  # fmt: skip
        assert {tuple(row) for row in sealed} <= {tuple(row) for row in columns}
        profile = connection.scalar(
            text("insert into victim_profile (institution_id, unit_id, case_person_id, trafficking_status)"
                 " values (:i, :u, :link, 'X') returning id"),
            {"i": author.tenant.id, "u": author.tenant.root, "link": link.id})  # fmt: skip
        ids.append(profile)
        for table, column in sealed:
            connection.execute(text(f"update {table} set {column} = 'sealed' where id = any (:ids)"), {"ids": ids})
    erased(make, manager, link)
    with make.superuser() as connection:
        left = [
            (table, column) for table, column in sealed
            if connection.scalar(text(f"select count(*) from {table} where id = any (:ids) and {column} is not null"),
                                 {"ids": ids})]  # fmt: skip
    assert left == []


# History


def test_a_kept_record_has_a_name_and_is_part_of_its_case_and_person(
    make: Factory, author: Somebody, link: CasePerson, stay: uuid.UUID
) -> None:
    visit, auditor = kept.visit(make, author, stay), make.auditor()
    name = f"{link.person.pseudonym} · {link.case.reference}" if link.case else ""
    names = "select name from itm.names(array[cast(:id as uuid)])"
    for who, scope in ((author, None), (auditor, "audit")):
        assert run(make, who, names, scope, id=stay) == [name]
        assert run(make, who, names, scope, id=visit) == [link.person.pseudonym]
    assert run(make, make.focal_point(make.other_institution()), names, id=stay) == []
    assert run(make, make.auditor(make.other_institution()), names, "audit", id=stay) == []
    parts = "select itm.parts_for_audit(:kind, :id)"
    for kind, id in (("case", link.case_id), ("person", link.person_id)):
        assert {stay, visit} <= set(run(make, auditor, parts, "audit", kind=kind, id=id)), kind
    assert run(make, auditor, parts, "audit", kind="stay", id=stay) == [visit]


# Later migrations


def test_a_column_that_is_added_later_is_erased_and_captured_too(database: Database) -> None:
    make = Factory(database)
    kept.make_tables(database, kept.STAYS)
    author, manager = make.focal_point(), make.manager()
    link = make.person(author, make.case(author))
    stay = kept.stay(make, author, link)
    more = "alter table stay add column phone_enc bytea; alter table stay add column floor integer;"
    kept.make_tables(database, f"{more} select itm.keep_columns('stay', '{{phone_enc}}');")
    change = "update stay set phone_enc = 'canary', floor = 3 where id = :id"
    assert refused(make, author, change, id=stay) == ""
    told = [each for each in make.ledger(author.tenant) if f'"id":"{stay}"' in each]
    assert '"via":"baseline"' in told[1]
    assert '"phone_enc":{"private":true}' in told[2]
    assert '"shape":"stay/2"' in told[2]
    erased(make, manager, link)
    assert stored(make, "stay", stay)["phone_enc"] is None
    assert "the person was erased" in refused(make, author, "update stay set phone_enc = 'x' where id = :id", id=stay)
    engine = database.engine("signer")
    with engine.connect() as connection:
        ledgers = store.ledgers(connection)
        assert not beside_rows.check(connection, None).findings
    with make.superuser() as superuser:
        superuser.execute(text("delete from itm.protected where relation = 'stay' and column_name = 'phone_enc'"))
    with engine.connect() as connection:
        found = beside_rows.check(connection, None).findings[None]
        assert [(each.table, each.id) for each in found] == [("itm.protected", "stay.phone_enc")]
    done = store.verify_all(engine, ledgers, "full", None)
    assert [str(finding) for each in done for finding in each.verdict.findings] == []


def test_a_later_migration_loops_over_all_kept_tables_and_changes_nothing(make: Factory) -> None:
    described = text(
        "select polname || pg_get_expr(polqual, polrelid) from pg_policy union all select pg_get_triggerdef(oid)"
        " from pg_trigger where tgenabled = 'A' order by 1"
    )
    with make.superuser() as connection:
        before = connection.scalars(described).all()
    kept.make_tables(
        make.database,
        "select itm.keep_row_security(k.relation, k.refs, k.parent), itm.keep_stamps(k.relation, itm.fixed_columns(k),"
        " itm.way_up(k.relation)) from itm.kept k where not k.by_hand;"
        " select itm.keep_protected(k.relation, k.about, k.private) from itm.kept k where not k.by_hand"
        " and k.about is not null;"
        " select itm.keep_states(k.relation, 'state', k.states) from itm.kept k where k.states <> '{}'"
        " and not k.by_hand;",
    )
    with make.superuser() as connection:
        assert connection.scalars(described).all() == before

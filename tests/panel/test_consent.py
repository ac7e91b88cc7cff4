"""Consents: one row a purpose, never changed, withdrawn for good, and live for named institutions and scopes alone."""

from __future__ import annotations

import json
import threading
import uuid
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from itm_admin.cases.models import CasePerson
from itm_admin.consent import scopes
from itm_admin.consent.coming_of_age import UNSURE, last_day
from itm_admin.foundation import vocabulary
from itm_admin.record.birth_date import BirthDate
from itm_admin.record.checks import today
from itm_admin.record.kind import kinds
from tests.factories import Somebody, Tenant
from tests.panel.panel_app import Browser, RunningPanel

if TYPE_CHECKING:
    from tests.conftest import Database

API = "/api/v1/consents"
GIVEN: dict[str, Any] = {
    "purpose": "SHARING", "answer": "GIVEN", "given_on": "2026-04-01", "form": "WRITTEN", "language": "ar",
}  # fmt: skip
REFUSED = {"purpose": "RESEARCH", "answer": "REFUSED", "given_on": "2026-04-01"}
REVOKED = {"withdrawal_reason": "NO_REASON"}
NGO = "ngo"
TEXT = {"purpose": "SHARING", "language": "fa", "body": "متن رضایت\nبند دوم", "yes": "بله", "no": "نه"}
WAITING = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%consent%'"


@pytest.fixture(scope="module")
def panel(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> RunningPanel:
    return RunningPanel(shared_database, tmp_path_factory.mktemp("panel"))


@pytest.fixture(scope="module")
def author(panel: RunningPanel) -> Somebody:
    return panel.make.focal_point()


@pytest.fixture(scope="module")
def browser(panel: RunningPanel, author: Somebody) -> Browser:
    return panel.browser(author)


@pytest.fixture(scope="module")
def ngo(panel: RunningPanel) -> Tenant:
    return panel.make.institution("STK_A", NGO)


@pytest.fixture
def link(panel: RunningPanel, author: Somebody) -> CasePerson:
    return panel.make.person(author, panel.make.case(author), role="VICTIM")


def added(browser: Browser, link: CasePerson, **values: Any) -> str:
    answer = browser.send("POST", f"{API}/in/{link.person_id}", {**GIVEN, **values})
    assert answer.status_code == 201, answer.text
    return str(json.loads(answer.text)["id"])


def refused(browser: Browser, link: CasePerson, **values: Any) -> set[str]:
    answer = browser.send("POST", f"{API}/in/{link.person_id}", {**GIVEN, **values})
    assert answer.status_code == 400, answer.text
    return set(json.loads(answer.text)["fields"])


def live(
    panel: RunningPanel,
    author: Somebody,
    link: CasePerson,
    to: Tenant,
    scope: str = "IDENTITY",
    day: date | None = None,
) -> bool:
    asked = {"person": link.person_id, "to": to.id, "scope": scope, "day": day or today()}
    with panel.make.working(author) as session:
        return bool(session.scalar(text("select itm.consent_live(:person, :to, :scope, :day)"), asked))


def withdraw(browser: Browser, id: str, **values: Any) -> int:
    version = json.loads(browser.get(f"{API}/{id}").text)["row_version"]
    return browser.send("POST", f"{API}/{id}/withdraw", {**REVOKED, **values, "row_version": version}).status_code


def sql(panel: RunningPanel, author: Somebody, statement: str, **values: Any) -> None:
    with panel.make.working(author) as session:
        session.execute(text(statement), values)
        session.commit()


# Live: given, not withdrawn, not over, covering recipient and scope on this day


def test_a_consent_is_live_for_its_recipients_scopes_and_days_alone(
    panel: RunningPanel, author: Somebody, browser: Browser, link: CasePerson, ngo: Tenant
) -> None:
    other = panel.make.institution("STK_B", NGO)
    assert not live(panel, author, link, ngo)
    added(browser, link, recipients=[str(ngo.id)], scopes=["IDENTITY"], expires_on="2026-12-31")
    assert live(panel, author, link, ngo, day=date(2026, 4, 1))
    assert live(panel, author, link, ngo, day=date(2026, 12, 31))
    assert not live(panel, author, link, ngo, day=date(2026, 3, 31))
    assert not live(panel, author, link, ngo, day=date(2027, 1, 1))
    assert not live(panel, author, link, ngo, "HEALTH")
    assert not live(panel, author, link, other)
    assert not live(panel, panel.make.focal_point(panel.make.other_institution()), link, ngo), "another's person"


def test_a_refusal_is_recorded_and_hinders_nothing(
    panel: RunningPanel, author: Somebody, browser: Browser, link: CasePerson, ngo: Tenant
) -> None:
    added(browser, link, recipients=[str(ngo.id)], scopes=["IDENTITY"])
    id = added(browser, link, **REFUSED, recipients=[str(ngo.id)], scopes=["IDENTITY"])
    assert live(panel, author, link, ngo), "another purpose was refused"
    page = browser.get(f"/persons/{link.person_id}").text
    assert "Reddedilenler" in page
    assert "Geri al" not in browser.get(f"/consents/{id}").text
    assert withdraw(browser, id) == 423, "nothing was given"


def test_a_withdrawal_is_final_and_ends_it_at_once_also_when_the_cases_are_closed(
    panel: RunningPanel, author: Somebody, browser: Browser, link: CasePerson, ngo: Tenant
) -> None:
    id = added(browser, link, recipients=[str(ngo.id)], scopes=["IDENTITY"])
    version = panel.value("select row_version from case_file where id = :id", id=link.case_id)
    closed = {"reason": "OTHER", "row_version": version}
    assert browser.send("POST", f"/api/v1/cases/{link.case_id}/close", closed).status_code == 200
    assert browser.send("POST", f"{API}/in/{link.person_id}", GIVEN).status_code == 423, "its cases are closed"
    assert f'href="/consents/{id}/withdraw"' in browser.get(f"/consents/{id}").text
    assert browser.post(f"/consents/{id}/withdraw", version="1").status_code == 422, "a reason is chosen"
    assert withdraw(browser, id) == 200
    assert not live(panel, author, link, ngo)
    stored = json.loads(browser.get(f"{API}/{id}").text)
    assert (stored["state"], stored["withdrawn_on"]) == ("withdrawn", today().isoformat())
    assert withdraw(browser, id) == 423
    change = {"expires_on": today().isoformat(), "row_version": stored["row_version"]}
    assert browser.send("PATCH", f"{API}/{id}", change).status_code == 423
    for column, value in (
        ("state", "'recorded'"),
        ("withdrawn_on", "withdrawn_on - 1"),
        ("expires_on", "current_date"),
    ):
        with pytest.raises(DBAPIError):
            sql(panel, author, f"update consent set {column} = {value} where id = :id", id=uuid.UUID(id))


def test_what_was_answered_never_changes_and_ends_sooner_at_most(
    panel: RunningPanel, author: Somebody, browser: Browser, link: CasePerson, ngo: Tenant
) -> None:
    id = added(browser, link, recipients=[str(ngo.id)], scopes=["IDENTITY"], expires_on="2030-01-01")
    for column, value in (
        ("answer", "'REFUSED'"), ("purpose", "'LEGAL'"), ("scopes", "'{HEALTH}'"), ("recipients", "'{}'"),
        ("institutions", "'{}'"), ("given_on", "given_on - 1"), ("form", "'SPOKEN'"), ("expires_on", "null"),
        ("expires_on", "'2031-01-01'"),
    ):  # fmt: skip
        with pytest.raises(DBAPIError):
            sql(panel, author, f"update consent set {column} = {value} where id = :id", id=uuid.UUID(id))
    later = {"expires_on": "2031-01-01", "row_version": 1}
    assert set(json.loads(browser.send("PATCH", f"{API}/{id}", later).text)["fields"]) == {"expires_on"}
    assert browser.send("PATCH", f"{API}/{id}", {**later, "expires_on": "2029-01-01"}).status_code == 200


def test_a_kind_covers_the_institutions_of_that_day_and_nobody_who_joins_later(
    panel: RunningPanel, author: Somebody, browser: Browser, link: CasePerson, ngo: Tenant
) -> None:
    added(browser, link, kinds=[NGO], scopes=["NEEDS"])
    later = panel.make.institution("STK_Z", NGO)
    assert live(panel, author, link, ngo, "NEEDS")
    assert not live(panel, author, link, later, "NEEDS")
    sql(
        panel, author,
        "insert into consent (institution_id, unit_id, person_id, state, purpose, answer, given_on, form, language,"
        " kinds, institutions, scopes) select institution_id, unit_id, id, 'recorded', 'SHARING', 'GIVEN',"
        " current_date, 'SPOKEN', 'ar', '{judiciary}', array[cast(:later as uuid)], '{NEEDS}' from person"
        " where id = :person",
        later=later.id, person=link.person_id,
    )  # fmt: skip
    assert not live(panel, author, link, later, "NEEDS"), "who is covered follows from recipients and kinds alone"


def test_what_is_incomplete_is_refused_with_words_at_the_field(
    panel: RunningPanel, author: Somebody, browser: Browser, link: CasePerson, ngo: Tenant
) -> None:
    assert refused(browser, link, recipients=[str(ngo.id)]) == {"scopes"}
    assert refused(browser, link, scopes=["IDENTITY"]) == {"recipients"}
    assert refused(browser, link, form=None, language=None) == {"form", "language"}
    assert refused(browser, link, expires_on="2026-03-31") == {"expires_on"}
    assert refused(browser, link, answer="WITHDRAWN") == {"answer"}
    assert refused(browser, link, form="GUARDIAN") == {"guardian_kind"}
    assert refused(browser, link, guardian_kind="PARENT", guardian_suspected=True) == {"guardian_suspected"}
    assert refused(browser, link, recipients=[str(author.tenant.id)], scopes=["IDENTITY"]) == {"recipients"}
    assert refused(browser, link, recipients=[str(uuid.uuid4())], scopes=["IDENTITY"]) == {"recipients"}
    assert refused(browser, link, recipients=["x"], scopes=["IDENTITY"]) == {"recipients"}
    suspect = (
        "insert into consent (institution_id, unit_id, person_id, state, purpose, answer, given_on, form, language,"
        " guardian_suspected) select institution_id, unit_id, id, 'recorded', 'SHARING', 'GIVEN', current_date,"
        " 'SPOKEN', 'ar', true from person where id = :person"
    )
    with pytest.raises(DBAPIError):
        sql(panel, author, suspect, person=link.person_id)


def test_sending_holds_the_consent_and_a_withdrawal_waits_for_it(
    panel: RunningPanel, author: Somebody, browser: Browser, link: CasePerson, ngo: Tenant
) -> None:
    id = added(browser, link, recipients=[str(ngo.id)], scopes=["IDENTITY", "NEEDS"])
    asked = {"person": link.person_id, "to": ngo.id, "day": today()}
    held = text("select scope, consent_id from itm.hold_consent(:person, :to, '{IDENTITY,HEALTH,NEEDS}', :day)")
    statuses: list[int] = []
    with panel.make.working(author) as session:
        rows = session.execute(held, asked).all()
        assert {(row.scope, str(row.consent_id)) for row in rows} == {("IDENTITY", id), ("NEEDS", id)}
        other = panel.browser(author)
        waiting = threading.Thread(target=lambda: statuses.append(withdraw(other, id)))
        waiting.start()
        while not panel.value(WAITING):
            assert waiting.is_alive(), "it did not wait"
        assert statuses == []
        session.rollback()
    waiting.join()
    assert statuses == [200]
    with panel.make.working(author) as session:
        assert session.execute(held, asked).all() == []


# The person's page


def test_the_persons_page_tells_who_may_be_told_what_today_and_until_when(
    panel: RunningPanel, author: Somebody, browser: Browser, link: CasePerson, ngo: Tenant
) -> None:
    page = browser.get(f"/persons/{link.person_id}").text
    assert "kimseye bilgi verilemez" in page
    assert f'href="/consents/new/{link.person_id}"' in page
    end = today() + timedelta(days=30)
    added(browser, link, recipients=[str(ngo.id)], scopes=["IDENTITY"], expires_on=end.isoformat())
    added(browser, link, recipients=[str(ngo.id)], scopes=["HEALTH"])
    added(browser, link, recipients=[str(ngo.id)], scopes=["RISK"], expires_on="2026-04-02")
    added(browser, link, purpose="RECORDING")
    page = browser.get(f"/persons/{link.person_id}").text
    assert f"{end:%d.%m.%Y} tarihine kadar" in page
    assert 'data-label="Sağlık bilgileri"><span>geri alınana kadar' in page
    assert 'data-label="Risk düzeyi' not in page, "it is over"
    assert "Görüşmenin ses veya görüntü kaydı (geri alınana kadar)" in page
    assert "STK_A" in page
    assert "kimseye bilgi verilemez" not in page


def test_lists_are_filtered_by_what_holds_today(browser: Browser, link: CasePerson, ngo: Tenant) -> None:
    told = {"recipients": [str(ngo.id)], "scopes": ["IDENTITY"]}
    now, over = added(browser, link, **told), added(browser, link, **told, expires_on="2026-04-02")
    gone, no = added(browser, link, **told), added(browser, link, **REFUSED)
    assert withdraw(browser, gone) == 200
    for standing, id in (("GIVEN", now), ("EXPIRED", over), ("WITHDRAWN", gone), ("REFUSED", no)):
        answer = json.loads(browser.get(f"{API}/?standing={standing}&person_id={link.person_id}").text)
        assert [each["id"] for each in answer["items"]] == [id], standing
    page = browser.get(f"/consents/?person_id={link.person_id}").text
    assert "STK_A" in page
    assert str(ngo.id) not in page


# At 18 everything is asked anew


@pytest.mark.parametrize(
    ("born", "given", "end"),
    [
        ("2010-06-15", "2026-04-01", "2028-05-31"),  # the month of the birthday is not told
        ("2008-04-20", "2026-04-01", "2026-04-19"),  # unless it is this one
        ("2010-06", "2026-04-01", "2028-05-31"),
        ("2010", "2026-04-01", "2027-12-31"),
        ("2008-04-01", "2026-04-01", None),  # 18 today
        ("2008-02-29", "2026-02-27", "2026-02-27"),
        ("2008", "2026-04-01", str(date(2026, 4, 1) + UNSURE)),  # 17 or 18
        ("~17@2026-03-01", "2026-04-01", str(date(2026, 4, 1) + UNSURE)),  # or 18 long since
        ("~12@2026-03-01", "2026-04-01", "2030-02-28"),
    ],
)
def test_a_childs_consent_ends_when_the_person_may_have_come_of_age(born: str, given: str, end: str | None) -> None:
    found = last_day(BirthDate.read(born), True, "9-17", True, date.fromisoformat(given))
    assert found == (end and date.fromisoformat(end))


def test_where_only_an_age_band_is_known_a_consent_holds_for_ninety_days() -> None:
    day = date(2026, 4, 1)
    assert last_day(None, None, "9-17", False, day) == day + UNSURE
    assert last_day(None, None, "UNK", True, day) == day + UNSURE, "a guardian answered"
    assert last_day(None, None, "UNK", False, day) is None


def test_a_childs_consent_by_a_guardian_is_recorded_with_its_end(
    panel: RunningPanel, author: Somebody, browser: Browser
) -> None:
    year = today().year - 10
    child = panel.make.person(author, panel.make.case(author), role="VICTIM", birth_date=f"{year}-06-15")
    id = added(browser, child, form="GUARDIAN", guardian_kind="PARENT", guardian="Kanarya", expires_on="2099-01-01")
    stored = json.loads(browser.get(f"{API}/{id}").text)
    assert (stored["expires_on"], stored["ends_of_age"]) == (f"{year + 18}-05-31", True)
    assert "18 yaşında yeniden sorulur" in browser.get(f"/consents/{id}").text


def test_a_birth_date_that_is_known_later_lets_earlier_consents_end_at_18_too(
    panel: RunningPanel, author: Somebody, browser: Browser, link: CasePerson
) -> None:
    year = today().year - 10
    open_ended, over = added(browser, link), added(browser, link, expires_on="2026-04-02")
    version = panel.value("select row_version from person where id = :id", id=link.person_id)
    change = {"birth_date": f"{year}-06-15", "row_version": version}
    assert browser.send("PATCH", f"/api/v1/persons/{link.person_id}", change).status_code == 200
    ends = [json.loads(browser.get(f"{API}/{id}").text) for id in (open_ended, over)]
    assert [(each["expires_on"], each["ends_of_age"]) for each in ends] == [
        (f"{year + 18}-05-31", True), ("2026-04-02", False),
    ]  # fmt: skip
    with pytest.raises(DBAPIError, match="childhood"):
        sql(panel, author, "update consent set ends_of_age = false where id = :id", id=uuid.UUID(open_ended))


# What a scope opens


def test_each_scope_opens_declared_fields_and_what_is_kept_is_named() -> None:
    assert set(scopes.OPENS) == set(vocabulary.codes("data_scope"))
    known = kinds()
    for kind, name in scopes.opened_by(scopes.OPENS):
        assert name in known[kind].fields, (kind, name)
    protected = {
        (kind, name) for kind, each in known.items()
        if kind in ("person", "case") or each.info.about in ("case", "person", "link.person") for name in each.protected
    }  # fmt: skip
    assert protected == ({*scopes.opened_by(scopes.OPENS)} & protected) | set(scopes.KEPT), "open it or keep it"
    assert not {*scopes.opened_by(scopes.OPENS)} & set(scopes.KEPT)


def test_no_protected_field_is_in_the_summary_and_no_field_waits_for_a_kind_that_is_there() -> None:
    known = kinds()
    assert not [name for kind, name in scopes.OPENS[scopes.SUMMARY] if name in known[kind].protected]
    assert not {kind for fields in scopes.LATER.values() for kind, _name in fields} & set(known), "move them up"


# The text that is read out


def test_the_presidency_adds_texts_and_everybody_prints_their_newest_version(
    panel: RunningPanel, author: Somebody, browser: Browser, link: CasePerson
) -> None:
    operator = panel.browser(panel.make.operator())
    blank = browser.get("/consent-forms/print?purpose=SHARING&language=fa").text
    assert "henüz yok" in blank
    for body in ("نسخه یک", TEXT["body"]):
        made = operator.post("/consent-forms/new", **{**TEXT, "body": body, "form_key": str(uuid.uuid4())})
        assert made.status_code == 303, made.text
    form = browser.get("/consent-forms/print?purpose=SHARING&language=fa").text
    assert "بند دوم" in form
    assert "SHARING-fa-2" in form
    assert '<section lang="fa" dir="auto"' in form
    assert "نسخه یک" in browser.get("/consent-forms/print?purpose=SHARING&language=fa&version=1").text
    assert "language=fa" in browser.get("/consent-forms/").text
    items = json.loads(browser.get("/api/v1/consent-texts/").text)["items"]
    assert [(each["language"], each["number"]) for each in items] == [("fa", 2)]
    assert refused(browser, link, language="fa", text_version=3) == {"text_version"}
    assert added(browser, link, language="fa", text_version=1)


def test_nobody_else_adds_a_text_and_none_changes(panel: RunningPanel, author: Somebody, browser: Browser) -> None:
    assert browser.send("POST", "/api/v1/consent-texts/", TEXT).status_code == 403
    insert = (
        "insert into consent_text (institution_id, unit_id, purpose, language, number, body, yes, no) values"
        " (:home, :unit, 'LEGAL', 'fa', 1, 'x', 'x', 'x')"
    )
    with pytest.raises(DBAPIError, match="the Presidency alone"):
        sql(panel, author, insert, home=author.tenant.id, unit=author.tenant.root)
    operator = panel.make.operator()
    assert panel.browser(operator).send("POST", "/api/v1/consent-texts/", TEXT).status_code == 201
    with pytest.raises(DBAPIError, match="never change"):
        sql(panel, operator, "update consent_text set body = 'x'")

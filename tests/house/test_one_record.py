"""One intention, one record: each request that creates or changes is sent twice, and what it makes is made once.

The routes are those of the URL map. What a new kind's own form and interface send follows from its fields, and a look
from its act; another route that creates fails here until it is in one of the tables below. One area more is tried with
the product's, without a word about it.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.test import TestResponse

from itm_admin.foundation import once
from itm_admin.record.api import RecordApi
from itm_admin.record.pages import RecordPage
from tests.factories import CASE, PERSON, Somebody
from tests.house import samples
from tests.house.expectations import ADMIN, FOCAL, MANAGER, NATIONAL, OPERATOR, SUPERVISOR
from tests.house.walking import World
from tests.new_case import seen_in
from tests.panel.handover_panel import with_handovers
from tests.panel.panel_app import Browser, RunningPanel

if TYPE_CHECKING:
    from tests.conftest import Database

LOOKS = {"record.read", "record.list"}
KEPT_PAGES = {"form_answer", "submission"}
"""The page that answered, and the key itself: neither is a record."""

CREATES_NOTHING: Mapping[str, str] = {
    "POST OwnSessionView.stay": "the session that is there goes on",
    "POST OwnProfileView.forget_device": "forgets a browser",
    "POST OwnFactorView.new_codes": "each set replaces the one before, and the browser shows the last answer",
    "POST OwnFactorView.ask_to_add": "a question to a passkey, asked anew",
    "POST StepUpView.ask": "a question to a passkey, asked anew",
    "POST PasskeySignInView.ask": "a question to a passkey, asked anew",
    "POST OwnKeyView.take": "a key's secret is shown once: another one takes another version of the key",
    "POST OwnSessionsView.end": "ends a session",
    "POST OwnSessionsView.end_others": "ends the sessions",
    "POST OwnSessionView.sign_out": "ends the session",
    "POST OwnSessionView.sign_out_everywhere": "ends the sessions",
    "POST OwnProfileView.password": "each password is confirmed with the one before",
    "POST SignInView.sign_in": "a session of its own for each sign-in",
    "POST SessionApi.begin": "a session of its own for each sign-in",
    "POST InvitationView.redeem": "the link's token is the key: it works once",
    "POST LanguageView.choose": "a preference, set again",
    "POST PreferenceView.rows": "a cookie",
    "POST PreferenceView.keys": "a cookie",
    "POST NewCaseView.source": "a draft, which is named in the form's address",
    "POST NewCaseView.person": "the same draft",
    "POST NewCaseView.risk": "the same draft",
    "POST NewCaseView.keep": "the same draft",
    "POST NewCaseView.discard": "throws the draft away",
    "POST DraftView.keep": "the draft of this form of this record",
    "POST DraftView.discard": "throws the draft away",
    **{
        f"POST {each}": "an entry of its own for each look"
        for each in (
            "InstitutionReceiptView.compare", "ReceiptView.compare", "OwnHistoryView.filter", "CaseChoicesView.units",
            "CaseChoicesView.institutions", "CaseChoicesView.colleagues", "PersonChoicesView.persons",
        )
    },
}  # fmt: skip
OF_LOOKS = frozenset({"reveal", "export", "search", "list", "history"})
"""Acts that make nothing but an entry: each look or file is one of its own."""

ENDS = {"POST ErasureView.erase": "the second answer says that the person was erased"}


@dataclass(frozen=True)
class Sending:
    """A request that creates. `ahead`: the second answer leads on from a page that is shown once."""

    who: Somebody
    path: str
    fields: Mapping[str, Any]
    ahead: str = ""


class Office:
    """The world, and what each creating request needs: made anew for each of them."""

    def __init__(self, panel: RunningPanel) -> None:
        self.world, self.panel, self.make = World(panel), panel, panel.make
        self.ours = self.world.ours
        self.people = {role: walker.somebody for role, walker in self.world.walkers.items()}

    @property
    def case(self) -> uuid.UUID:
        return self.make.case(self.people[FOCAL]).id

    @property
    def colleague(self) -> uuid.UUID:
        return self.make.focal_point(self.ours.tenant).id

    def with_factor(self) -> uuid.UUID:
        """A colleague who has an authenticator app."""
        who = self.make.focal_point(self.ours.tenant)
        self.make.code(who.username)
        return who.id

    @property
    def grant(self) -> uuid.UUID:
        """A role that waits for somebody: proposed by the administrator."""
        manager = self.make.somebody("caseworker", self.ours.tenant).id
        browser = self.panel.browser(self.people[ADMIN])
        assert (
            browser.post(f"/roles/of/{manager}/new", role="institution_manager", reason="NEW_TASK").status_code == 303
        )
        return uuid.UUID(str(self.of(manager, "proposed")))

    def of(self, account: uuid.UUID, state: str) -> Any:
        wanted = "select id from role_grant where account_id = :id and state = :state"
        return self.panel.value(wanted, id=account, state=state)

    def victim(self) -> uuid.UUID:
        return self.make.person(self.people[FOCAL], self.make.case(self.people[FOCAL]), role="VICTIM").id

    def sending(self, role: str, path: str, ahead: str = "", /, **fields: Any) -> Sending:
        return Sending(self.people[role], path, fields, ahead)

    def checked(self) -> Sending:
        """A new case on its last page."""
        browser, where = self.panel.browser(self.people[FOCAL]), "/cases/new"
        for typed in (
            {**CASE, "confidentiality": "INTERNAL"},
            {**PERSON, "given_name": f"Ad {uuid.uuid4().hex[:4]}"},
            {},
        ):
            where = browser.post(where, **typed).headers["Location"]
        return self.sending(FOCAL, where, seen=seen_in(browser.get(where).text))

    def counts(self) -> dict[str, int]:
        names = self.panel.rows("select c.relname from pg_class c where c.relkind = 'r'"
                                " and c.relnamespace = 'public'::regnamespace")  # fmt: skip
        each = " union all ".join(f"select '{name}', count(*) from public.{name}" for (name,) in names)
        return {row[0]: row[1] for row in self.panel.rows(each) if row[0] not in KEPT_PAGES}

    def actions(self, answer: TestResponse) -> set[str]:
        sent = answer.__dict__.get("sent", answer)
        found = self.panel.rows("select action from audit.event where request_id = :id",
                                id=sent.headers["X-Request-Id"])  # fmt: skip
        return {row[0] for row in found}


Made = Callable[[Office], Sending]
_PERSON = {**PERSON, "role": "WITNESS"}
_NEW = {"first_name": "Ada", "last_name": "Kaya", "email": "ada@example.invalid", "language": "tr"}
_CHILD = {"trafficking_status": "PossibleVictimOfTrafficking"}
_MOVED = {"reason": "WRONG_CASE", "then": "MOVE"}


def _code() -> str:
    return "X" + uuid.uuid4().hex[:6].upper()


_TEXT = {"purpose": "SUPPORT", "language": "ar", "body": "نص", "yes": "نعم", "no": "لا"}
CREATES: Mapping[str, Made] = {
    "POST NewCaseView.check": Office.checked,
    "POST PersonView.add": lambda o: o.sending(FOCAL, f"/persons/new/{o.case}", **_PERSON),
    "POST PersonView.link": lambda o: o.sending(
        FOCAL, f"/persons/link/{o.case}", pseudonym=o.ours.pseudonym, role="WITNESS"
    ),
    "POST PersonView.unlink": lambda o: o.sending(
        MANAGER, f"/persons/unlink/{o.victim()}", **_MOVED, case=o.ours.reference
    ),
    "POST ProfileView.edit": lambda o: o.sending(FOCAL, f"/profiles/{o.victim()}/edit", **_CHILD),
    "POST CaseView.assign": lambda o: o.sending(FOCAL, f"/cases/{o.case}/assign", account_id=str(o.colleague)),
    "POST CaseView.assign_together": lambda o: o.sending(
        FOCAL, "/cases/together/assign", chosen=[f"{o.case}:1", f"{o.case}:1"], account_id=str(o.colleague),
        confirmed="yes",
    ),
    "POST ConsentTextView.add": lambda o: o.sending(OPERATOR, "/consent-forms/new", **_TEXT),
    "POST ConsentTextApi.add": lambda o: o.sending(OPERATOR, "/api/v1/consent-texts/", **_TEXT),
    "POST FindView.find": lambda o: o.sending(FOCAL, "/find", q="Şule Yılmaz"),
    "POST CaseApi.add": lambda o: o.sending(FOCAL, "/api/v1/cases/", **CASE),
    "POST CaseApi.assign": lambda o: o.sending(
        FOCAL, f"/api/v1/cases/{o.case}/assignments", account_id=str(o.colleague)
    ),
    "POST CaseApi.add_person": lambda o: o.sending(FOCAL, f"/api/v1/cases/{o.case}/people", **_PERSON),
    "POST CaseApi.add_person known": lambda o: o.sending(
        FOCAL, f"/api/v1/cases/{o.case}/people", person_id=str(o.ours.person), role="WITNESS"
    ),
    "PATCH ProfileApi.edit": lambda o: o.sending(FOCAL, f"/api/v1/profiles/{o.victim()}", **_CHILD),
    "POST PersonApi.unlink": lambda o: o.sending(
        MANAGER, f"/api/v1/persons/links/{o.victim()}/deletion", **_MOVED, case_id=str(o.ours.case)
    ),
    "POST AccountView.add": lambda o: o.sending(
        MANAGER, "/accounts/new", "/accounts/", **_NEW, role="caseworker", reason="NEW_TASK"
    ),
    "POST AccountView.invite": lambda o: o.sending(
        MANAGER, (path := f"/accounts/{o.colleague}") + "/invite", path, reason="WRITTEN_ORDER"
    ),
    "POST ApiKeyView.add": lambda o: o.sending(
        MANAGER, "/api-keys/new", name="Aktarım", account_id=str(o.colleague), scopes=["Case.list"],
        networks="10.0.0.0/8", days="30",
    ),
    "POST GrantView.add": lambda o: o.sending(
        MANAGER, f"/roles/of/{o.colleague}/new", role="caseworker", reason="NEW_TASK"
    ),
    "POST GrantView.end": lambda o: o.sending(
        ADMIN, f"/roles/{o.of(o.make.auditor(o.ours.tenant).id, 'active')}/end", reason="WRITTEN_ORDER"
    ),
    "POST GrantView.approve": lambda o: replace(
        o.sending(ADMIN, f"/roles/{o.grant}/approve"), who=o.make.administrator()
    ),
    "POST ApprovalView.approve": lambda o: o.sending(SUPERVISOR, f"/approvals/{o.grant}/approve"),
    "POST AccessChangeView.reset": lambda o: o.sending(
        ADMIN, f"/confirmations/reset/{o.make.auditor(o.ours.tenant).id}", reason="WRITTEN_ORDER"
    ),
    "POST AccessChangeView.focal_point": lambda o: o.sending(
        MANAGER, f"/confirmations/focal-point/{o.colleague}", reason="NEW_TASK", rank="deputy"
    ),
    "POST AccessChangeView.factors": lambda o: o.sending(
        MANAGER, f"/confirmations/factors/{o.with_factor()}", reason="DEVICE_LOST"
    ),
    "POST InstitutionView.add": lambda o: o.sending(
        SUPERVISOR, "/institutions/new", code=_code(), name_tr=f"Kurum {_code()}", name_en="Body", kind="agency",
    ),
    "POST UnitView.add": lambda o: o.sending(MANAGER, "/units/new", name=_code(), parent_id=str(o.ours.tenant.root)),
    "POST PreferenceView.keep": lambda o: o.sending(
        FOCAL, "/preferences/views", list="cases", label=_code(), query="sort=-opened"
    ),
    "POST DecisionView.add": lambda o: o.sending(
        SUPERVISOR, "/ledger-decisions/new", institution=str(o.make.institution(_code(), "agency").id),
        reason="TAMPERED",
    ),
    "POST VerificationView.ask": lambda o: o.sending(NATIONAL, "/verification/", level="full"),
}  # fmt: skip


def _sent(browser: Browser, method: str, sending: Sending, key: str) -> TestResponse:
    if not sending.path.startswith("/api/"):
        return browser.post(sending.path, **sending.fields, form_key=key)
    headers = {"X-CSRFToken": browser.token, once.HEADER: key}
    return browser.client.open(sending.path, method=method, data=json.dumps(sending.fields), headers=headers,
                               content_type="application/json")  # fmt: skip


def _leads_to(answer: TestResponse, sending: Sending) -> object:
    """The record of an API's answer, or the address that a form is sent on to."""
    assert answer.status_code < 400, (answer.status_code, answer.text[-900:])
    if sending.path.startswith("/api/"):
        return answer.get_json()["id"]
    return answer.headers.get("Location", "").partition("answer=")[0]


@pytest.fixture(scope="module")
def office(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with with_handovers(shared_database):
        yield Office(RunningPanel(shared_database, tmp_path_factory.mktemp("panel")))


def _looks(office: Office) -> set[str]:
    register = office.panel.app.extensions["itm_access"]
    posts = office.world.steps("POST")
    return {step.key for step in posts if register[step.endpoint].act in OF_LOOKS} - set(CREATES)


def _made_by_the_base(office: Office) -> dict[str, Sending]:
    """A new record of each kind that has no way of its own to be made, by form and by interface."""
    found, ours = {}, office.ours
    for view in office.panel.app.extensions["appbuilder"].baseviews:
        key, step = f"POST {type(view).__name__}.add", None
        if isinstance(view, RecordPage | RecordApi) and view.datamodel.kind.name not in samples.MADE_OTHERWISE:
            step = next((each for each in office.world.steps("POST") if each.key == key), None)
        if step is not None:
            kind, columns = view.datamodel.kind, getattr(view, "page", view).add_columns
            known = {**office.world.more[ours.tenant.code], "case": ours.case, "person": ours.person}
            values = samples.of_known(office.panel, known).values(kind, columns)
            fields = {
                name: value
                for name, value in values.items()
                if kind.field(name).field.needs is None and (value is not False or isinstance(view, RecordApi))
            }  # an empty box is not sent
            found[key] = office.sending(FOCAL, office.world.path(step, ours), **fields)
    return found


def test_every_route_that_creates_is_in_one_of_the_tables(office: Office) -> None:
    register = office.panel.app.extensions["itm_access"]
    adding = {
        step.key for step in office.world.steps("POST") if register[step.endpoint].act in ("add", "invite", "assign")
    }
    changing = {step.key for step in office.world.steps("POST", "PATCH", "PUT")}
    named, looks = {key.removesuffix(" known") for key in CREATES} | set(_made_by_the_base(office)), _looks(office)
    assert not named & set(CREATES_NOTHING)
    assert not looks & set(CREATES_NOTHING), "its act says so"
    assert adding - named - set(CREATES_NOTHING) <= {"POST CaseView.unassign"}
    assert (named | set(CREATES_NOTHING)) - changing == set()
    others = changing - named - looks - set(CREATES_NOTHING)
    assert len(others) > 30, "the others act on a record, and are sent twice below"


def test_a_new_record_of_any_kind_that_is_sent_twice_is_stored_once(office: Office) -> None:
    made = _made_by_the_base(office)
    assert {"POST HandoverView.add", "POST HandoverApi.add", "POST VisitView.add", "POST VisitApi.add"} <= set(made)
    for key, sending in made.items():
        _stored_once(office, key, sending)


@pytest.mark.parametrize("key", CREATES)
def test_what_is_sent_twice_is_stored_once_and_both_answers_lead_to_it(office: Office, key: str) -> None:
    _stored_once(office, key, CREATES[key](office))


def _stored_once(office: Office, key: str, sending: Sending) -> None:
    browser, form, before = office.panel.browser(sending.who), uuid.uuid4().hex, office.counts()
    first = _sent(browser, key.split()[0], sending, form)
    led, after = _leads_to(first, sending), office.counts()
    grown = {name for name in after if after[name] > before[name]}
    assert grown, f"it created nothing: {first.status_code} {first.text[-900:]}"
    second = _sent(browser, key.split()[0], sending, form)
    assert office.counts() == after
    again = _leads_to(second, sending)
    assert str(again).startswith(sending.ahead) if sending.ahead else again == led
    assert office.actions(second) <= LOOKS
    assert office.actions(first) - LOOKS or grown <= {"saved_view", "draft"}


@pytest.mark.parametrize(
    "key",
    ["POST VerificationView.ask", "POST AccountView.invite", "POST PreferenceView.keep", "POST UnitView.add",
     "POST CaseApi.add", "POST CaseApi.add_person", "POST GrantView.add", "POST CaseView.assign_together"],
)  # fmt: skip
def test_what_is_sent_twice_at_the_same_moment_is_stored_once(office: Office, key: str) -> None:
    alone, sending = CREATES[key](office), CREATES[key](office)
    before = office.counts()
    _leads_to(_sent(office.panel.browser(alone.who), key.split()[0], alone, uuid.uuid4().hex), alone)
    one = _difference(before, office.counts())
    browsers, form, before = [office.panel.browser(sending.who) for _ in range(2)], uuid.uuid4().hex, office.counts()
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda browser: _sent(browser, key.split()[0], sending, form), browsers))
    assert _difference(before, office.counts()) == one
    led = [_leads_to(answer, sending) for answer in answers]
    assert sending.ahead or led[0] == led[1]


def _difference(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    sessions = {"account_session", "known_device", "login_throttle", "sign_in_tally"}  # signing in for the test
    return {name: after[name] - before[name] for name in after if after[name] != before[name]
            and name not in sessions}  # fmt: skip


def test_an_act_on_a_record_that_is_sent_twice_is_done_once(office: Office) -> None:
    world, faults, done = office.world, [], 0
    tried = {*CREATES, *CREATES_NOTHING, *_looks(office), *_made_by_the_base(office)}
    for step in world.steps("POST", "PATCH"):
        if step.key in tried:
            continue
        role = min(step.expected.may, key=lambda each: (each != FOCAL, each != MANAGER, each))
        walker = world.walkers[role]
        tenant = (walker.own or office.ours).tenant
        records = office.panel.records(tenant) if step.expected.names else office.ours
        walker = replace(walker, own=records)
        sending = Sending(walker.somebody, world.path(step, records), world.fields(step, walker))
        form = uuid.uuid4().hex
        first = _sent(walker.browser, step.method, sending, form)
        after, state = office.counts(), office.panel.state()
        second = _sent(walker.browser, step.method, sending, form)
        if office.counts() != after or office.panel.state() != state:
            faults.append(f"{step.key}: the second changed something")
        led = first.headers.get("Location", "")
        if first.status_code == 303 and step.key not in ENDS:
            done += bool(office.actions(first) - LOOKS)
            if second.headers.get("Location") != led:
                faults.append(f"{step.key}: {led} {second.status_code}")
    assert not faults, "\n".join(faults)
    assert done > 10, done

"""A referral from its draft to a case of the receiver's: who reads what, when, and what both ledgers hold."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask_babel import Babel
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from itm_admin.foundation.errors import CannotDecrypt, Conflict, Invalid, Locked, NotFound
from itm_admin.referrals import contents, services
from itm_admin.referrals.models import Referral, ReferralDraft
from itm_admin.referrals.services import DRAFTS, REFERRALS
from tests.conftest import Database
from tests.factories import Factory, Somebody, without_rules
from tests.panel.erasing import erased

WHY = ("CASE_WORK", None)


class World:
    """A person of one institution, and a receiver."""

    def __init__(self, make: Factory) -> None:
        self.make, self.ring = make, make.keyring
        self.sender, self.receiver = make.focal_point(), make.focal_point(make.other_institution())
        self.case = make.case(self.sender, narrative="Anlatı")
        self.link = make.person(
            self.sender, self.case, given_name="Zehra", family_name="Öztürk", phone="+905321234567", language="uz"
        )

    def draft(self, **data: Any) -> ReferralDraft:
        values = {
            "receiver_id": str(self.receiver.tenant.id), "services": ["SAFE_PLACE"], "urgency": "NORMAL",
            "case_id": str(self.case.id), "scopes": [], **data,
        }  # fmt: skip
        with self.make.working(self.sender) as session:
            return DRAFTS.add(session, self.ring, self.link.person_id, values, tuple(values))

    def send(self, draft: ReferralDraft, who: Somebody | None = None) -> list[uuid.UUID]:
        with self.make.working(who or self.sender) as session:
            found = DRAFTS.get(session, draft.id)
            seen = DRAFTS.parcel(session, self.ring, found).seen
            return DRAFTS.send(session, self.ring, draft.id, found.row_version, seen)

    def received(self) -> list[uuid.UUID]:
        with self.make.working(self.receiver) as session:
            return [each.id for each in session.scalars(REFERRALS.query()).unique() if each.party == "to"]

    def sent(self, **data: Any) -> uuid.UUID:
        """The receiver's side of a referral on a legal ground."""
        before = set(self.received())
        self.send(self.draft(**{"ground": "LIFE_DANGER", "words": "Hayati tehlike", **data}))
        return next(each for each in self.received() if each not in before)

    def act(self, who: Somebody, side: uuid.UUID, act: str, **data: Any) -> Referral:
        with self.make.working(who) as session:
            version = session.get_one(Referral, side).row_version
            return REFERRALS.move(session, self.ring, side, act, data, version)

    def ours(self, theirs: uuid.UUID) -> uuid.UUID:
        with self.make.superuser() as connection:
            statement = (
                "select o.id from referral o join referral t on t.common = o.common where t.id = :id and o.id <> t.id"
            )
            return uuid.UUID(str(connection.scalar(text(statement), {"id": theirs})))

    def content(self, who: Somebody, side: uuid.UUID) -> dict[str, Any]:
        with self.make.working(who) as session:
            return REFERRALS.content(session, self.ring, REFERRALS.get(session, side), WHY)


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    app = Flask("looks")
    Babel(app)
    with app.test_request_context():
        yield World(Factory(database))


def test_the_receiver_sees_the_summary_at_once_and_the_rest_after_acceptance(world: World) -> None:
    side = world.sent()
    with world.make.working(world.receiver) as session:
        found = REFERRALS.get(session, side)
        assert REFERRALS.summary(session, world.ring, found) == {
            "person.age_band": "UNK", "person.gender": "Feminine", "person.language": "uz", "case.province": "TR-06",
            contents.MESSAGE: "Hayati tehlike",
        }  # fmt: skip
    with pytest.raises(Locked):
        world.content(world.receiver, side)
    world.act(world.receiver, side, "accept")
    values = world.content(world.receiver, side)
    assert (values["person.given_name"], values["case.narrative"]) == ("Zehra", "Anlatı")


def test_a_case_of_the_receivers_own_is_opened_from_what_was_sent(world: World) -> None:
    side = world.sent()
    world.act(world.receiver, side, "accept")
    with world.make.working(world.receiver) as session:
        version = session.get_one(Referral, side).row_version
        link = REFERRALS.open_case(session, world.ring, side, {"referral_source": "GENDARMERIE"}, version)
        assert (link.person.institution_id, link.case.province) == (world.receiver.tenant.id, "TR-06")
    with world.make.working(world.receiver) as session:
        assert session.get_one(Referral, side).case_id == link.case_id
        version = session.get_one(Referral, side).row_version
    with pytest.raises(Locked), world.make.working(world.receiver) as session:
        REFERRALS.open_case(session, world.ring, side, {"referral_source": "GENDARMERIE"}, version)


def consent(world: World, *scopes: str, **values: Any) -> uuid.UUID:
    id = uuid.uuid4()
    given: dict[str, Any] = {
        "id": id, "institution_id": world.sender.tenant.id, "unit_id": world.link.unit_id,
        "person_id": world.link.person_id, "state": "recorded", "purpose": "SHARING", "answer": "GIVEN",
        "given_on": "2026-03-02", "recipients": [world.receiver.tenant.id], "scopes": list(scopes), "form": "SPOKEN",
        "language": "uz", **values,
    }  # fmt: skip
    with world.make.superuser() as connection:
        names = ", ".join(given)
        connection.execute(text(f"insert into consent ({names}) values (:{', :'.join(given)})"), given)
    return id


def withdraw(world: World, id: uuid.UUID) -> None:
    with world.make.working(world.sender) as session:
        changed = "state = 'withdrawn', withdrawal_reason = 'PERSON', withdrawn_on = current_date"
        session.execute(text(f"update consent set {changed} where id = :id"), {"id": id})


def side_of(world: World, draft: ReferralDraft) -> uuid.UUID:
    before = set(world.received())
    world.send(draft)
    return next(each for each in world.received() if each not in before)


def test_what_no_consent_lets_go_stays(world: World) -> None:
    consent(world, "IDENTITY")
    consent(world, "NUMBERS", "CONTACT", answer="REFUSED", recipients=[], scopes=[])
    side = side_of(world, world.draft())
    world.act(world.receiver, side, "accept")
    values = world.content(world.receiver, side)
    assert {"person.given_name", "person.family_name"} <= values.keys()
    assert not {"person.phone", "case.narrative"} & values.keys()


def test_a_withdrawn_consent_arrives_at_once_on_both_sides(world: World) -> None:
    asked = consent(world, "IDENTITY")
    waiting, accepted, done = (side_of(world, world.draft()) for _each in range(3))
    for each in (accepted, done):
        world.act(world.receiver, each, "accept")
    world.act(world.receiver, done, "finish", outcome="GIVEN")
    assert world.content(world.receiver, done)
    withdraw(world, asked)
    states = {}
    for each in (waiting, accepted, done):
        with world.make.working(world.receiver) as session:
            found = REFERRALS.get(session, each)
            states[each] = (found.state, found.withdrawal_reason or found.end_reason)
        with world.make.working(world.sender) as session:
            ours = REFERRALS.get(session, world.ours(each))
            assert (ours.state, ours.shared) == (found.state, found.shared)
        with pytest.raises(Locked):
            world.content(world.receiver, each)
    assert states == {
        waiting: ("withdrawn", "CONSENT_WITHDRAWN"), accepted: ("ended", "CONSENT_WITHDRAWN"),
        done: ("ended", "CONSENT_WITHDRAWN"),
    }  # fmt: skip


def test_a_consent_that_runs_out_hides_what_rests_on_it(world: World) -> None:
    asked = consent(world, "IDENTITY", expires_on="2999-01-01")
    side = side_of(world, world.draft())
    world.act(world.receiver, side, "accept")
    assert world.content(world.receiver, side)
    with world.make.superuser() as connection, without_rules(connection, "consent"):
        connection.execute(text("update consent set expires_on = current_date - 2 where id = :id"), {"id": asked})
    with pytest.raises(Locked):
        world.content(world.receiver, side)


def test_sql_sends_nothing_that_no_consent_covers(world: World) -> None:
    consent(world, "IDENTITY")
    draft = world.draft()
    with world.make.working(world.sender) as session:
        found = DRAFTS.get(session, draft.id)
        parcel = DRAFTS.parcel(session, world.ring, found)
        half = contents.pair_of(session, world.ring, world.receiver.tenant.id)
        assert half is not None
        parts = [services._service(found, half, parcel.values, {})]
    for scopes, consents in (
        (["IDENTITY", "NARRATIVE"], parcel.consents), (["IDENTITY"], ()), (["SUMMARY"], ()), ([], ()),
        (["IDENTITY"], (uuid.uuid4(),)),
    ):  # fmt: skip
        said = {"scopes": scopes, "fields": [], "consents": [str(each) for each in consents], "consent_ends": None}
        given = {"draft": draft.id, "said": json.dumps(said), "contents": json.dumps(parts)}
        with pytest.raises(DBAPIError, match="no live consent"), world.make.working(world.sender) as session:
            session.execute(services._SEND, given)


def test_nothing_else_goes_than_was_shown(world: World) -> None:
    asked, draft = consent(world, "IDENTITY"), world.draft()
    with world.make.working(world.sender) as session:
        found = DRAFTS.get(session, draft.id)
        seen = DRAFTS.parcel(session, world.ring, found).seen
    withdraw(world, asked)
    with pytest.raises(Conflict), world.make.working(world.sender) as session:
        DRAFTS.send(session, world.ring, draft.id, found.row_version, seen)
    with world.make.working(world.sender) as session:
        assert DRAFTS.get(session, draft.id).state == "draft"


@pytest.mark.parametrize(("who", "act", "data"), [
    ("receiver", "reject", {"reject_reason": "NO_CAPACITY"}), ("sender", "withdraw", {"withdrawal_reason": "NO_NEED"}),
])  # fmt: skip
def test_what_ends_unanswered_leaves_nothing_that_opens(world: World, who: str, act: str, data: dict[str, str]) -> None:
    side = world.sent()
    somebody = getattr(world, who)
    world.act(somebody, side if who == "receiver" else world.ours(side), act, **data)
    with world.make.superuser() as connection:
        left = "select count(*) from referral_content where sealed is not null or sealed_key is not null"
        assert connection.scalar(text(left)) == 0


def test_the_other_sides_acts_are_refused(world: World) -> None:
    side = world.sent()
    for who, id, act, data in (
        (world.sender, world.ours(side), "accept", {}),
        (world.receiver, side, "withdraw", {"withdrawal_reason": "NO_NEED"}),
        (world.receiver, side, "finish", {"outcome": "GIVEN"}),
    ):  # fmt: skip
        with pytest.raises(Locked):
            world.act(who, id, act, **data)
    world.act(world.receiver, side, "accept")
    with pytest.raises(Locked):
        world.act(world.sender, world.ours(side), "withdraw", withdrawal_reason="NO_NEED")


def test_nobody_but_the_receiver_reads_what_was_sent(world: World) -> None:
    side = world.sent()
    world.act(world.receiver, side, "accept")
    third = world.make.focal_point(world.make.institution("IOM", "international"))
    for who, id in ((world.sender, world.ours(side)), (third, side), (third, world.ours(side))):
        with world.make.working(who) as session:
            assert session.execute(text("select * from referral_content")).all() == []
        with pytest.raises((Locked, NotFound, CannotDecrypt)):
            world.content(who, id)


def test_sql_writes_nothing_that_both_sides_hold(world: World) -> None:
    side = world.sent()
    for who, id in ((world.sender, world.ours(side)), (world.receiver, side)):
        for statement in (
            "update referral set state = 'done' where id = :id", "update referral set due_at = now() where id = :id",
            "update referral set consents = array[gen_random_uuid()] where id = :id",
            "update referral_content set sealed = null",
            "delete from referral where id = :id",
            "update referral_draft set state = 'sent'", "select itm.end_referrals(array[:id], 'ERASED')",
        ):  # fmt: skip
            with world.make.working(who) as session:
                try:
                    done: Any = session.execute(text(statement), {"id": id})
                    assert done.rowcount == 0, statement
                except DBAPIError:
                    session.rollback()
    with world.make.superuser() as connection:
        assert set(connection.scalars(text("select state from referral"))) == {"sent"}


def test_an_erased_person_s_referrals_end_and_what_was_not_accepted_opens_no_more(world: World) -> None:
    waiting, accepted = world.sent(), world.sent()
    world.act(world.receiver, accepted, "accept")
    erased(world.make, world.make.manager(world.sender.tenant), world.link)
    for side, state in ((waiting, "withdrawn"), (accepted, "ended")):
        with world.make.working(world.receiver) as session:
            assert REFERRALS.get(session, side).state == state
        with pytest.raises(Locked):
            world.content(world.receiver, side)


def test_each_act_stands_in_both_ledgers_with_one_digest(world: World) -> None:
    side = world.sent()
    world.act(world.receiver, side, "accept")
    world.act(world.receiver, side, "finish", outcome="GIVEN")
    held = [
        [
            json.dumps(json.loads(each)["changes"]["shared"])
            for each in world.make.ledger(tenant)
            if '"kind":"referral"' in each
        ]
        for tenant in (world.sender.tenant, world.receiver.tenant)
    ]
    assert held[0] == held[1]
    assert len(set(held[0])) == 3


def test_a_child_s_referral_is_urgent_at_least(world: World) -> None:
    child = world.make.person(world.sender, world.case, birth_date="2015")
    with world.make.working(world.sender) as session:
        values = {
            "receiver_id": str(world.receiver.tenant.id),
            "services": ["LAWYER"],
            "urgency": "NORMAL",
            "case_id": str(world.case.id),
        }
        made = DRAFTS.add(session, world.ring, child.person_id, values, tuple(values))
        assert made.urgency == "URGENT"


@pytest.mark.parametrize(("data", "field"), [
    ({"services": []}, "services"), ({"receiver_id": "own"}, "receiver_id"), ({"case_id": "other"}, "case_id"),
    ({"ground": "OTHER"}, "words"),
])  # fmt: skip
def test_a_wrong_draft_is_told_by_field(world: World, data: dict[str, Any], field: str) -> None:
    own = {"own": str(world.sender.tenant.id), "other": str(world.make.case(world.sender).id)}
    with pytest.raises(Invalid) as refused:
        world.draft(
            **{name: own.get(value, value) if isinstance(value, str) else value for name, value in data.items()}
        )
    assert field in refused.value.fields


def test_data_that_go_without_consent_are_told_to_the_manager_and_the_auditors(world: World) -> None:
    world.sent()
    with world.make.superuser() as connection:
        found = connection.execute(text("select kind, holder, subject from alert")).one()
    assert tuple(found) == ("referral.unconsented", world.sender.tenant.id, world.sender.tenant.code)
    other = world.make.manager(world.receiver.tenant)
    for who, count in ((world.make.manager(world.sender.tenant), 1), (other, 0), (world.sender, 0)):
        with world.make.working(who) as session:
            seen = "select count(*) from alert where kind = 'referral.unconsented'"
            assert session.scalar(text(seen)) == count, who.username


def test_the_database_says_when_a_referral_was_answered_and_ended(world: World) -> None:
    side = world.sent()
    accepted = world.act(world.receiver, side, "accept")
    assert (accepted.answered_at is not None, accepted.ended_at) == (True, None)
    ended = world.act(world.receiver, side, "finish", outcome="GIVEN")
    assert ended.ended_at is not None
    act = text("""select itm.act_on_referral(:id, 3, '{"state": "ended"}')""")
    with pytest.raises(DBAPIError, match="for a reason"), world.make.working(world.receiver) as session:
        session.execute(act, {"id": side})


def test_without_a_consent_or_a_ground_nothing_goes_and_no_summary(world: World) -> None:
    draft = world.draft()
    with pytest.raises(Locked):
        world.send(draft)
    assert world.received() == []


def test_what_somebody_else_sealed_for_the_receiver_is_not_shown(world: World) -> None:
    """Everybody may seal for an institution: what is shown is what both ledgers hold the digest of."""
    side = world.sent()
    world.act(world.receiver, side, "accept")
    with world.make.working(world.sender) as session:
        half = contents.pair_of(session, world.ring, world.receiver.tenant.id)
    assert half is not None
    receiver, sender = world.receiver.tenant.id, world.sender.tenant.id
    forged = contents.sealed(receiver, sender, half, contents.SNAPSHOT, {"person.given_name": "Başkası"}).stored
    with world.make.superuser() as connection:
        connection.execute(
            text(
                "update referral_content set id = :id, sealed_key = cast(:sealed_key as bytea),"
                " sealed = cast(:sealed as bytea) where side_id = :side and part = 'snapshot'"
            ),
            {**forged, "side": side},
        )
    with pytest.raises(CannotDecrypt):
        world.content(world.receiver, side)

"""The rules of referrals that not every record has: what may be sent, and what its receiver makes of it.

The database holds them too (0017/20, 0017/22). Flushes, never commits.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import select, text

from itm_admin.cases import person_services
from itm_admin.cases import services as case_services
from itm_admin.cases.models import Case, CasePerson, Person
from itm_admin.cases.persons import PERSONS
from itm_admin.consent.scopes import OPENS, SUMMARY
from itm_admin.foundation import purposes
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.encryption import AnySession, Keyring
from itm_admin.foundation.errors import CannotDecrypt, Conflict, Invalid, Locked, Message
from itm_admin.foundation.transaction import wrote
from itm_admin.institutions.models import Institution
from itm_admin.record import limits
from itm_admin.record.checks import today
from itm_admin.record.datamodel import NOT_NOW, RecordInterface
from itm_admin.record.lookup import Id
from itm_admin.record.permissions import require
from itm_admin.record.two_parties import TwoParties
from itm_admin.referrals import contents
from itm_admin.referrals.models import Referral, ReferralDraft
from itm_admin.referrals.scopes import in_order, names_in

SENT = _l("This referral was sent or dropped: prepare a new one.")
OVER = _l("This referral is over.")
NOTHING_TO_READ = _l("There is nothing to read: the referral is not accepted, it is over, or its consent has ended.")
NO_PAIR = _l("The receiver's key is not made yet. It is made in the night, or when the panel is started again.")
NO_CONSENT = _l("No consent lets anything go to this receiver. Ask the person, or name a legal ground.")
CHANGED = _l("What the consent lets go has changed meanwhile. Look at it again.")
_CONSENTED = text(
    "select scope, consent_id, expires_on from itm.hold_consent(:person, :receiver, :scopes, :day) order by scope"
)
_SEND = text("select itm.send_referral(:draft, cast(:said as jsonb), cast(:contents as jsonb))")


@dataclass(frozen=True)
class Consented:
    """A scope that a consent lets go to the receiver today. `ends`: the consent's last day."""

    scope: str
    consent: uuid.UUID
    ends: date | None


@dataclass(frozen=True)
class FieldToGo:
    """One field of the page before sending: whether it goes, and by which consent or why not."""

    name: str
    scope: str
    goes: bool
    way: Consented | None
    empty: bool


@dataclass(frozen=True)
class Parcel:
    """All that would go now."""

    fields: tuple[FieldToGo, ...]
    scopes: tuple[str, ...]
    consents: tuple[uuid.UUID, ...]
    ends: date | None
    values: Mapping[str, Any]

    @property
    def names(self) -> list[str]:
        return [each.name for each in self.fields if each.goes]

    @property
    def seen(self) -> str:
        """A digest of what the page showed: sent with the form, so that nothing else goes."""
        shown = [[each.name, each.goes, str(each.way and each.way.consent)] for each in self.fields]
        return hashlib.sha256(json.dumps(shown).encode()).hexdigest()


class Drafts(RecordInterface[ReferralDraft]):
    """Referrals to prepare. Those who work on the person's case prepare them; sending is an act of its own."""

    def why_locked(self, record: Any) -> Message | None:
        return SENT if record is not None and record.state != "draft" else None

    def pre_add(self, session: AnySession, record: ReferralDraft, values: Mapping[str, Any], parent: Any) -> None:
        self._check(session, record, values, parent)

    def pre_update(self, session: AnySession, record: ReferralDraft, values: Mapping[str, Any], parent: Any) -> None:
        if self.why_locked(record) is not None:
            raise Locked(SENT)
        self._check(session, record, values, parent)

    @staticmethod
    def _check(session: AnySession, record: ReferralDraft, values: Mapping[str, Any], person: Person) -> None:
        wrong: dict[str, Message] = {}
        if (receiver := values.get("receiver_id")) is not None:
            found = session.get(Institution, receiver)
            if found is None or found.status != "active":
                wrong["receiver_id"] = _l("This institution takes no part now.")
            elif found.id == record.institution_id:
                wrong["receiver_id"] = _l("This is your own institution.")
        if (case := values.get("case_id")) is not None and case not in open_cases(session, person):
            wrong["case_id"] = _l("Choose an open case of this person.")
        if "services" in values and not values["services"]:
            wrong["services"] = _l("Choose a service.")
        ground = values.get("ground", record.ground)
        if ground is not None and not values.get("words", record.words_enc):
            wrong["words"] = _l("Write why the data go without consent.")
        if wrong:
            raise Invalid(wrong)
        urgency = values.get("urgency", record.urgency)
        if person.is_child and urgency == "NORMAL":
            record.urgency = "URGENT"
            if "urgency" in values:
                values["urgency"] = "URGENT"  # type: ignore[index]

    def parcel(self, session: AnySession, keyring: Keyring, draft: ReferralDraft) -> Parcel:
        """All that would go with this draft now, field by field."""
        wanted = tuple(draft.scopes) or tuple(OPENS)
        asked = {
            "person": draft.person_id, "receiver": draft.receiver_id, "day": today(),
            "scopes": [each for each in wanted if each != SUMMARY],
        }  # fmt: skip
        found = session.execute(_CONSENTED, asked)
        ways = {row.scope: Consented(row.scope, row.consent_id, row.expires_on) for row in found}
        values = contents.gathered(session, keyring, draft)
        fields, used = [], []
        for scope in (each for each in OPENS if each == SUMMARY or each in wanted):
            way = ways.get(scope)
            goes = scope == SUMMARY or draft.ground is not None or way is not None
            for name in names_in(scope):
                fields.append(FieldToGo(name, scope, goes and name in values, way, name not in values))
            if goes and any(name in values for name in names_in(scope)):
                used.append(scope)
        rests = [ways[each] for each in used if each in ways and each != SUMMARY] if draft.ground is None else []
        ends = [each.ends for each in rests if each.ends is not None]
        consents = tuple(sorted({each.consent for each in rests}))
        return Parcel(tuple(fields), tuple(used), consents, min(ends, default=None), values)

    def send(self, session: AnySession, keyring: Keyring, id: Id, version: int, seen: str) -> list[uuid.UUID]:
        """Sends the draft, once for each service. Conflict if something else would go than was shown."""
        draft = self.get_to_change(session, id, "send", version)
        parcel = self.parcel(session, keyring, draft)
        if parcel.seen != seen:
            raise Conflict(CHANGED)
        if not parcel.consents and draft.ground is None:
            raise Locked(NO_CONSENT)
        half = contents.pair_of(session, keyring, draft.receiver_id)
        if half is None:
            raise Locked(NO_PAIR)
        said = {
            "scopes": parcel.scopes, "fields": parcel.names, "consents": [str(each) for each in parcel.consents],
            "consent_ends": parcel.ends and parcel.ends.isoformat(),
        }  # fmt: skip
        goes = {name: parcel.values[name] for name in parcel.names}
        parts = [_service(draft, half, goes, contents.in_summary(parcel.values)) for _each in draft.services]
        given = {"draft": draft.id, "said": json.dumps(said), "contents": json.dumps(parts)}
        sides = list(session.scalars(_SEND, given))
        for side in sides:
            wrote(str(side))
        session.expire(draft)
        return sides


def _service(draft: ReferralDraft, half: Any, goes: contents.Values, summary: contents.Values) -> dict[str, Any]:
    both = [
        contents.sealed(draft.receiver_id, draft.institution_id, half, part, values)
        for part, values in ((contents.SUMMARY, summary), (contents.SNAPSHOT, goes))
    ]
    return {
        "parts": [each.stored for each in both],
        "sealed_sha256": " ".join(each.sha256.hex() for each in both),
        "told": both[1].told.hex(),
    }


class Referrals(TwoParties[Referral]):
    """Sides of referrals that were sent."""

    def why_locked(self, record: Any) -> Message | None:
        return OVER if record is not None and record.state in ("rejected", "withdrawn", "ended") else None

    def summary(self, session: AnySession, keyring: Keyring, side: Referral) -> dict[str, Any] | None:
        """The receiver's view before it accepts: without identity. None on the sender's side."""
        return contents.opened(session, keyring, side, contents.SUMMARY) if side.party == "to" else None

    def content(
        self, session: AnySession, keyring: Keyring, side: Referral, why: tuple[str, str | None]
    ) -> dict[str, Any]:
        """The fields that were sent, for a purpose, as a reveal.

        Locked where there is nothing to read; TooMany, FactorTooOld.
        """
        actor = require("open", self.subject)
        purpose = purposes.check("reveal", actor.context.roles, *why)
        limits.heed_reveal(session, self.kind.name, side.id)
        try:
            values = contents.opened(session, keyring, side, contents.SNAPSHOT)
        except CannotDecrypt:
            record_read("record.reveal", self.kind.name, side.id, purpose=purpose, outcome="failure")
            raise
        if values is None:
            raise Locked(NOTHING_TO_READ)
        record_read("record.reveal", self.kind.name, side.id, purpose=purpose, words=why[1] or None)
        return values

    def open_case(
        self, session: AnySession, keyring: Keyring, id: Id, data: Mapping[str, Any], version: int
    ) -> CasePerson:
        """A case of the receiver's own, with the person, from what was sent. PossibleMatch as for every new person."""
        side = self.get_to_change(session, id, "open_case", version)
        if side.party != "to" or side.state != "accepted" or side.case_id is not None:
            raise Locked(NOT_NOW)
        values = contents.opened(session, keyring, side, contents.SNAPSHOT)
        if values is None:
            raise Locked(NOTHING_TO_READ)
        case, person = new_case(values, data), new_person(values)
        made = case_services.open_case(session, keyring, case)
        confirmed = {"somebody_else": data.get("somebody_else", False)}
        link = person_services.add_person_to_case(session, keyring, made.id, {**person, **confirmed}, notice=True)
        side.person_id, side.case_id = link.person_id, made.id
        session.flush()
        return link


def new_case(values: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """The input for a case, of what was sent and what the receiver chose."""
    sent = {name: values[f"case.{name}"] for name in ("exploitation_types", "industry") if f"case.{name}" in values}
    chosen = {name: data[name] for name in ("province", "referral_source") if data.get(name)}
    return {"opened_on": today().isoformat(), "province": values.get("case.province"), **sent, **chosen}


def new_person(values: Mapping[str, Any]) -> dict[str, Any]:
    names = [name for scope in ("IDENTITY", "NUMBERS", "CONTACT", "ADDRESS", "FAMILY") for name in names_in(scope)]
    wanted = [*names, "person.gender", "person.language"]
    return {"role": "VICTIM", **{name.partition(".")[2]: values[name] for name in wanted if name in values}}


def open_cases(session: AnySession, person: Person) -> list[uuid.UUID]:
    """The person's cases in which somebody may still work."""
    alive = (CasePerson.deleted_at.is_(None), Case.deleted_at.is_(None), Case.closed_on.is_(None))
    statement = (
        select(Case.id).join(CasePerson, CasePerson.case_id == Case.id).where(*alive, CasePerson.person_id == person.id)
    )
    return list(session.scalars(statement.distinct()))


def sent_from(session: AnySession, draft: uuid.UUID) -> list[Referral]:
    """The referrals that a draft became."""
    statement = REFERRALS.query().where(Referral.draft_id == draft).order_by(Referral.service)
    return list(session.scalars(statement).unique())


def sent_fields(side: Referral) -> list[str]:
    return in_order(side.fields)


DRAFTS = Drafts(ReferralDraft, parent=PERSONS)
REFERRALS = Referrals(Referral)

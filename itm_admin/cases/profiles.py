"""Victims' profiles: what is known of one victim's exploitation in one case. One for each link of a victim to a case.

A profile is reached through its link, and written by those who work on the case and are in the person's circle.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from itm_admin.cases import lookup
from itm_admin.cases.models import CasePerson, VictimProfile
from itm_admin.cases.permissions import require_circle
from itm_admin.cases.services import CASES
from itm_admin.foundation.encryption import AnySession
from itm_admin.foundation.errors import Invalid
from itm_admin.institutions.models import Institution
from itm_admin.record.datamodel import RecordInterface
from itm_admin.record.lookup import Id
from itm_admin.record.permissions import Actor, require
from itm_admin.record.protected_values import refuse_erased

VICTIM = "VICTIM"
IDENTIFIED = "ActualVictimOfTrafficking"
"""The formal status, which the Presidency alone gives; others have an opinion (DOMAIN, identification)."""


class Links(RecordInterface[CasePerson]):
    """For the kinds that are about one person in one case."""

    def get(self, session: AnySession, id: Id, *, or_deleted: bool = False, lock: bool = False) -> CasePerson:
        return lookup.get_link(session, id, lock=lock)

    def get_living(self, session: AnySession, id: Id) -> CasePerson:
        link = self.get(session, id)
        refuse_erased(link.person)
        return link

    def guard(self, session: AnySession, actor: Actor, parent: Any, record: Any) -> None:
        super().guard(session, actor, parent, record)
        refuse_erased(record.person)
        require_circle(session, record.person)


class Profiles(RecordInterface[VictimProfile]):
    def pre_add(self, session: AnySession, record: VictimProfile, values: Mapping[str, Any], parent: Any) -> None:
        self._refuse_others(parent)
        refuse_identifying(session, values)

    def pre_update(self, session: AnySession, record: VictimProfile, values: Mapping[str, Any], parent: Any) -> None:
        self._refuse_others(parent)
        refuse_identifying(session, values, record)

    @staticmethod
    def _refuse_others(link: CasePerson) -> None:
        if link.role != VICTIM:
            raise Invalid({"": _l("Only a victim has a profile.")})


LINKS = Links(CasePerson, parent=CASES, subject="Person")
PROFILES = Profiles(VictimProfile, parent=LINKS)


def identifies(session: AnySession, institution: Any) -> bool:
    """True if this institution identifies victims formally."""
    kind = session.scalar(select(Institution.kind).where(Institution.id == institution))
    return kind == "presidency"


def refuse_identifying(session: AnySession, values: Mapping[str, Any], profile: VictimProfile | None = None) -> None:
    """Invalid if another institution than the Presidency calls a victim formally identified."""
    stored = profile.trafficking_status if profile is not None else None
    if values.get("trafficking_status") != IDENTIFIED or stored == IDENTIFIED:
        return
    if not identifies(session, require("show", "VictimProfile").institution):
        raise Invalid({"trafficking_status": _l("Only the Presidency identifies victims formally. Give your opinion.")})

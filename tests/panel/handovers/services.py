"""The rules that not every record has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from itm_admin.foundation.encryption import AnySession
from itm_admin.foundation.errors import Invalid, Message
from itm_admin.record.datamodel import RecordInterface
from itm_admin.record.two_parties import TwoParties
from tests.panel.handovers.models import Handover, Visit
from tests.panel.handovers.words import said

OVER = said("Devir sona erdi.", "The handover is over.")


class Handovers(TwoParties[Handover]):
    def why_locked(self, record: Any) -> Message | None:
        return OVER if record is not None and record.state in ("refused", "withdrawn", "ended") else None

    def pre_update(self, session: AnySession, record: Handover, values: Mapping[str, Any], parent: Any) -> None:
        if record.person_id is not None and values.get("person_id", record.person_id) != record.person_id:
            raise Invalid({"person_id": said("Devrin kişisi değişmez.", "The person of a handover stays.")})


class Visits(RecordInterface[Visit]):
    def pre_add(self, session: AnySession, record: Visit, values: Mapping[str, Any], parent: Handover) -> None:
        if record.day > parent.due_day:
            raise Invalid({"day": said("Devrin son gününden sonradır.", "This is after the handover is due.")})


HANDOVERS = Handovers(Handover)
VISITS = Visits(Visit, parent=HANDOVERS)

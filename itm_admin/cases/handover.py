"""The open cases of somebody who leaves, and how a colleague takes them over. Works as a manager of the cases."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select

from itm_admin.accounts import open_work
from itm_admin.cases import choices, permissions
from itm_admin.cases.models import OPEN_STATUSES, Case, CaseAssignment
from itm_admin.foundation.encryption import AnySession
from itm_admin.foundation.errors import Invalid


def _open_ones(session: AnySession, account: uuid.UUID) -> Sequence[tuple[uuid.UUID, str]]:
    """Id and reference, oldest first."""
    rows = session.execute(
        select(Case.id, Case.reference)
        .join(CaseAssignment, CaseAssignment.case_id == Case.id)
        .where(
            CaseAssignment.account_id == account,
            CaseAssignment.ended_at.is_(None),
            Case.deleted_at.is_(None),
            Case.status.in_(OPEN_STATUSES),
        )
        .order_by(Case.reference)
    )
    return [(row.id, row.reference) for row in rows]


def _hand_over(session: AnySession, account: uuid.UUID, colleague: uuid.UUID) -> None:
    """The colleague is assigned to each open case, unless it is so already; the person's own assignments end."""
    if not permissions.can_be_assigned(session, colleague):
        raise Invalid({"successor": _l("This person's roles do not include work on cases.")})
    wanted = [id for id, _reference in _open_ones(session, account)]
    standing = select(CaseAssignment).where(CaseAssignment.case_id.in_(wanted), CaseAssignment.ended_at.is_(None))
    rows = list(session.scalars(standing))
    with_colleague = {each.case_id for each in rows if each.account_id == colleague}
    for each in rows:
        if each.account_id == account:
            each.ended_at = func.now()
            if each.case_id not in with_colleague:
                session.add(
                    CaseAssignment(institution_id=each.institution_id, case_id=each.case_id, account_id=colleague)
                )
    session.flush()


KEEPER = open_work.Keeper("case", _open_ones, choices.offer_colleagues, _hand_over)

"""The home page of those who work on cases: their own cases, and what waits for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import url_for
from flask_babel import gettext, ngettext
from flask_babel import lazy_gettext as _l
from sqlalchemy import and_, func, select

from itm_admin.accounts import grants
from itm_admin.accounts.models import Account
from itm_admin.cases import conditions, lookup
from itm_admin.cases.models import Case
from itm_admin.foundation import tenancy
from itm_admin.foundation.actor import me
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.encryption import AnySession
from itm_admin.foundation.list_parts import Cell, Column
from itm_admin.foundation.lists import Listing
from itm_admin.foundation.roles import may
from itm_admin.record.draft_views import waiting as drafts
from itm_admin.record.listing import column, named

SHOWN = 8
OWN: Listing[Case] = Listing(
    caption=_l("Assigned to me"),
    tie=(Case.reference, Case.id),
    identify=lambda case: str(case.id),
    link=lambda case: url_for("CaseView.show", id=case.id),
    columns=(
        named(Case, "reference"),
        column(Case, "status"),
        column(Case, "province"),
        column(Case, "exploitation_types", label=_l("Exploitation")),
        Column("updated", _l("Last change"), lambda case: Cell("moment", case.updated_at)),
    ),
)
_FILTERS: Mapping[str, Mapping[str, Any]] = {
    "follow": {"status": "FollowUp"}, "quiet": {"quiet": "yes"}, "empty": {"empty": "yes"},
    "profiles": {"without_profile": "yes"},
}  # fmt: skip
"""The filters of the case list that show what a sentence counts."""
Waiting = Callable[[AnySession], list[tuple[str, str]]]
WAITING: list[Waiting] = []
"""Kinds of waiting work that other areas add: sentences, each with an address."""


def institution_home(session: AnySession) -> dict[str, Any]:
    """The newest own open cases, and counts of what waits, each with a link to where it is dealt with."""
    own = session.scalars(
        lookup.list_cases()
        .where(conditions.mine(), conditions.is_open())
        .order_by(Case.updated_at.desc(), Case.id)
        .limit(SHOWN)
    ).all()
    record_read("record.list", "case", subjects=[case.id for case in own], detail={"page": "home"})
    roles = tenancy.current().roles
    return {
        "own": OWN.all(own),
        "figures": _figures(session) if tenancy.current().manage else [],
        "waiting": [*_others(session), *_confirmations(session), *_waiting(session)],
        "drafts": drafts(session) if may(roles, "edit", "Draft") else [],
        "may_add": may(roles, "add", "Case"),
        "first_day": may(roles, "add", "Account") and _alone(session),
    }


def _others(session: AnySession) -> list[tuple[str, str]]:
    return [each for found in WAITING for each in found(session)]


def _alone(session: AnySession) -> bool:
    """True if nobody else in the institution could open a case yet."""
    context = tenancy.current()
    others = select(Account.id).where(
        Account.institution_id == context.institution, Account.active, Account.id != context.account
    )
    return session.scalar(others.limit(1)) is None


def _figures(session: AnySession) -> list[tuple[str, int, str]]:
    """(name, count, address) of what a manager answers for, counted in one statement."""
    there, opened = Case.deleted_at.is_(None), and_(Case.deleted_at.is_(None), conditions.is_open())
    people = select(func.count()).select_from(Account).where(Account.institution_id == tenancy.current().institution)
    row = session.execute(
        select(
            func.count().filter(there).label("cases"),
            func.count().filter(opened).label("open"),
            func.count().filter(and_(opened, conditions.assigned(False))).label("nobodys"),
            func.count().filter(Case.deleted_at.is_not(None)).label("deleted"),
            people.scalar_subquery().label("people"),
        ).select_from(Case)
    ).one()
    return [
        (gettext("Cases"), row.cases, url_for("CaseView.list")),
        (gettext("Open cases"), row.open, url_for("CaseView.list", open="yes")),
        (
            gettext("Open cases that nobody is assigned to"),
            row.nobodys,
            url_for("CaseView.list", open="yes", assigned="no"),
        ),
        (gettext("Deleted cases"), row.deleted, url_for("CaseView.deleted")),
        (gettext("Accounts"), row.people, url_for("AccountView.list")),
    ]


def _waiting(session: AnySession) -> list[tuple[str, str]]:
    """(sentence, address) for each kind of waiting work that there is, counted in one statement."""
    open_and_mine = and_(Case.deleted_at.is_(None), conditions.is_open(), conditions.mine())
    counts = session.execute(
        select(
            func.count().filter(Case.status == "FollowUp").label("follow"),
            func.count().filter(conditions.quiet()).label("quiet"),
            func.count().filter(conditions.empty()).label("empty"),
            func.count().filter(conditions.without_profile()).label("profiles"),
        )
        .select_from(Case)
        .where(open_and_mine)
    ).one()
    return [
        (_sentence(kind, count), url_for("CaseView.list", mine="yes", open="yes", sort="updated", **_FILTERS[kind]))
        for kind, count in counts._asdict().items()
        if count
    ]


def _confirmations(session: AnySession) -> list[tuple[str, str]]:
    return [(said, url_for(page)) for said, page in grants.what_waits(session, me())]


def _sentence(kind: str, count: int) -> str:
    """One whole sentence for each number: what a language does with a number is the catalogue's business."""
    if kind == "follow":
        said = ngettext("%(num)s case is to be followed up", "%(num)s cases are to be followed up", count)
    elif kind == "empty":
        said = ngettext("%(num)s case has nobody in it yet", "%(num)s cases have nobody in them yet", count)
    elif kind == "profiles":
        said = ngettext(
            "%(num)s case has a victim without a profile", "%(num)s cases have a victim without a profile", count
        )
    else:
        said = ngettext(
            "%(num)s case has not been touched for %(days)s days",
            "%(num)s cases have not been touched for %(days)s days",
            count,
            days=conditions.QUIET_DAYS,
        )
    return str(said)

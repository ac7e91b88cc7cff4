"""Several accounts suspended at once: the page asks for each person with open cases who takes them over.

All are suspended or none (foundation/bulk.py), so nobody's work is left behind unseen.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from flask import g, request
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from marshmallow import fields
from sqlalchemy import select
from sqlalchemy.orm import Session
from wtforms import SelectField

from itm_admin.accounts import open_work, reasons, services
from itm_admin.accounts.forms import ActForm
from itm_admin.accounts.models import Account
from itm_admin.foundation import bulk, tenancy
from itm_admin.foundation.actor import me
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.bulk import Chosen
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import Invalid
from itm_admin.foundation.roles import INSTITUTION
from itm_admin.record.checks import ChoiceCheck
from itm_admin.record.schema import Input

_MOST_NAMED = 5
_FIELD = "successor_"
Work = Sequence[tuple[uuid.UUID, str]]


class SuspendTogetherForm(ActForm):
    """The reason, and a field for each person who leaves open cases."""

    def payload(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        values = super().payload(*args, **kwargs)
        chosen = {name: values.pop(name) for name in list(values) if name.startswith(_FIELD)}
        return {**values, "successors": {name.removeprefix(_FIELD): heir for name, heir in chosen.items() if heir}}


class SuspendTogetherInput(Input):
    reason = ChoiceCheck(reasons.REASONS["suspend"], required=True)
    successors = fields.Dict(keys=fields.String(), values=fields.String(), load_default=dict)


def form() -> SuspendTogetherForm:
    """The form for the accounts that this request names. Raises Invalid if they are no list's boxes."""
    boxes = bulk.read([*request.form.getlist(bulk.OFFERED), *request.form.getlist(bulk.NAME)])
    asked = {_FIELD + account.id.hex: _question(account, work) for account, work in _leavers([b.id for b in boxes])}
    return type("SuspendTogetherForm", (SuspendTogetherForm,), asked)()  # type: ignore[no-any-return]


def offer(form: SuspendTogetherForm) -> None:
    """The colleagues who can take over: none of those who are suspended with it. The named cases are an entry."""
    form.offer_reasons("suspend")
    leaving = _leaving()
    for field in form:
        if field.name.startswith(_FIELD):
            open_work.offer(field, uuid.UUID(field.name.removeprefix(_FIELD)))
            field.choices = [pair for pair in field.choices if pair[0] not in leaving]
    named = [id for _account, work in g.get("leavers", ()) for id, _name in work]
    if named:
        record_read("record.list", "case", subjects=named, detail={"page": "suspend"})


def one(session: Session, chosen: Chosen, data: Mapping[str, Any]) -> None:
    """Suspends one of them. What is wrong with the choice of a colleague stands beside this person's field."""
    heir = data["successors"].get(chosen.id.hex)
    if heir in _leaving():
        raise Invalid({_FIELD + chosen.id.hex: _l("This person is suspended as well: choose somebody else.")})
    try:
        services.suspend(session, me(), chosen.id, chosen.version, data["reason"], heir)
    except Invalid as error:
        told = {_FIELD + chosen.id.hex if name == "successor" else name: words for name, words in error.fields.items()}
        raise Invalid(told) from None


def _leaving() -> set[str]:
    """The ids of all who are chosen."""
    return {str(each.id) for each in bulk.read(request.form.getlist(bulk.NAME))}


def _leavers(ids: Sequence[uuid.UUID]) -> list[tuple[Account, Work]]:
    """Those of the accounts who have open cases, with them."""
    if tenancy.current().scope != INSTITUTION:
        return []
    wanted = select(Account).where(*services.REACHED.reach(), Account.id.in_(ids), Account.active)
    found = [
        (account, open_work.open_ones(db.session, account.id))
        for account in db.session.scalars(wanted.order_by(Account.username)).unique()
    ]
    g.leavers = [(account, work) for account, work in found if work]
    return g.leavers  # type: ignore[no-any-return]


def _question(account: Account, work: Work) -> SelectField:
    names = ", ".join(name for _id, name in work[:_MOST_NAMED])
    more = len(work) - _MOST_NAMED
    cases = _("%(names)s and %(num)s more", names=names, num=more) if more > 0 else names
    return SelectField(
        _("Takes the open cases of %(name)s over", name=account.get_full_name()), choices=[], validate_choice=False,
        description=_("Open cases: %(cases)s", cases=cases),
    )  # fmt: skip

"""What the forms of this area offer: only units, institutions, colleagues and persons that the actor may use."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TypeVar

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import Row, select

from itm_admin.accounts.models import Account
from itm_admin.cases.forms import SourceForm
from itm_admin.cases.models import Person
from itm_admin.foundation import tenancy
from itm_admin.foundation.database import db
from itm_admin.foundation.encryption import AnySession
from itm_admin.foundation.errors import Invalid
from itm_admin.foundation.forms import offer_records
from itm_admin.foundation.i18n import language
from itm_admin.foundation.turkish import turkish_sort_key
from itm_admin.institutions.models import Institution, Unit

Form = TypeVar("Form", bound=SourceForm)


def units(session: AnySession) -> list[Unit]:
    """The units in which the actor may open cases."""
    context = tenancy.current()
    wanted = select(Unit).where(Unit.institution_id == context.institution)
    if context.create != "*":
        wanted = wanted.where(Unit.id.in_(context.create))
    return sorted(session.scalars(wanted), key=lambda unit: (unit.parent_id is not None, turkish_sort_key(unit.name)))


def institutions(session: AnySession) -> Sequence[Row[uuid.UUID, str, str, str]]:
    """The register, by code."""
    columns = (Institution.id, Institution.code, Institution.name_tr, Institution.name_en)
    return session.execute(select(*columns).order_by(Institution.code)).all()


def colleagues(session: AnySession) -> list[Account]:
    """The active accounts of the actor's institution."""
    wanted = select(Account).where(Account.institution_id == tenancy.current().institution, Account.active)
    return sorted(session.scalars(wanted).unique(), key=lambda account: turkish_sort_key(account.get_full_name()))


def offered(form: Form) -> Form:
    """The form with its units and institutions to choose from."""
    offer_records(form.unit_id, units(db.session), lambda unit: unit.name)
    english = language() == "en"
    offer_records(
        form.lead_institution_id,
        institutions(db.session),
        lambda row: f"{row.code} – {row.name_en if english else row.name_tr}",
        _("Our institution"),
    )
    return form


def person_called(session: AnySession, pseudonym: str | None) -> uuid.UUID:
    """The visible person with this pseudonym. Invalid under `pseudonym` if there is none."""
    wanted = select(Person.id).where(Person.pseudonym == (pseudonym or "").upper(), Person.deleted_at.is_(None))
    found = session.scalar(wanted)
    if found is None:
        raise Invalid({"pseudonym": _l("No person that you may see has this pseudonym.")})
    return found

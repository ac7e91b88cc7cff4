"""The list of a case's persons, on the case's page: pseudonyms and codes, never a name."""

from __future__ import annotations

from collections.abc import Sequence

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from itm_admin.cases.models import CasePerson
from itm_admin.foundation.formats import HIDDEN, day, label
from itm_admin.foundation.list_parts import Cell, Column
from itm_admin.foundation.lists import Listing
from itm_admin.foundation.shown_list import Shown

_NOTHING = Cell("markup", "")


def _name(link: CasePerson) -> Cell:
    if link.person.masked_name:
        return Cell("text", HIDDEN)
    if link.person.erased_at:
        return Cell("badge", _("erased on %(day)s", day=day(link.person.erased_at)))
    return Cell("text", None)


def _profile(link: CasePerson) -> Cell:
    if link.role != "VICTIM":
        return _NOTHING
    words = _("Profile of %(pseudonym)s", pseudonym=link.person.pseudonym)
    return Cell("text", words, url=url_for("ProfileView.show", link=link.id))


def _unlink(link: CasePerson) -> Cell:
    words = _("Take %(pseudonym)s out of the case", pseudonym=link.person.pseudonym)
    return Cell("text", words, url=url_for("PersonView.unlink", link=link.id))


_COLUMNS: tuple[Column[CasePerson], ...] = (
    Column("pseudonym", _l("Pseudonym"), lambda link: Cell("link", link.person.pseudonym)),
    Column("role", _l("Role"), lambda link: Cell("text", label(link.role, "case_role"))),
    Column("gender", _l("Gender"), lambda link: Cell("text", label(link.person.gender, "gender"))),
    Column("age", _l("Age"), lambda link: Cell("text", label(link.age_band, "age_band"))),
    Column("name", _l("Name"), _name),
)
_PROFILE = Column[CasePerson]("profile", _l("Profile"), _profile)
_UNLINK = Column[CasePerson]("unlink", _l("Action"), _unlink)


def people_list(links: Sequence[CasePerson], *, profiles: bool, unlinks: bool) -> Shown[CasePerson]:
    """The persons with links to their profiles, and out of the case, for those who may follow them."""
    listing: Listing[CasePerson] = Listing(
        caption=_l("Persons"),
        empty_text=_l("Nobody is in this case yet."),
        identify=lambda link: str(link.person_id),
        link=lambda link: url_for("PersonView.show", id=link.person_id),
        columns=(*_COLUMNS, *((_PROFILE,) if profiles else ()), *((_UNLINK,) if unlinks else ())),
    )
    return listing.all(links)

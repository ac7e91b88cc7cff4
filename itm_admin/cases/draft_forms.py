"""The forms of this area whose typed values are kept as drafts."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l

from itm_admin.cases import lookup
from itm_admin.record.draft_views import DraftForm, register


def register_all() -> None:
    register("case.new", DraftForm("NewCaseView.source", "draft", _l("A new case"), None))
    register("case", DraftForm("CaseView.edit", "id", _l("Changes to a case"), lookup.get_case))
    register("person", DraftForm("PersonView.edit", "id", _l("Changes to a person"), lookup.get_person))
    register("new-person", DraftForm("PersonView.add", "case", _l("A new person"), lookup.get_case))
    register("profile", DraftForm("ProfileView.edit", "link", _l("A victim's profile"), lookup.get_link))

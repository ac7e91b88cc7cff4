"""The forms of cases, persons and victims' profiles. Field names are the schemas'."""

from __future__ import annotations

from typing import Any, ClassVar

from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, StringField

from itm_admin.cases.models import Case, CaseAssignment, CasePerson, Person, VictimProfile
from itm_admin.cases.schemas import (
    ABOUT_COLUMNS,
    CONTACT_COLUMNS,
    EVENT_COLUMNS,
    IDENTITY_COLUMNS,
    PERSON_COLUMNS,
    PLACE_COLUMNS,
    SOURCE_COLUMNS,
)
from itm_admin.foundation.errors import Invalid, Locked
from itm_admin.foundation.forms import Asks, CodeField, PanelForm, ProtectedLine
from itm_admin.record.derive import control_of, form_class
from itm_admin.record.kind import kind_of

_CASE, _PERSON, _LINK = kind_of(Case), kind_of(Person), kind_of(CasePerson)
_IF_KNOWN = _l("required if somebody is known")
_ONE_OF_TWO = _l("one of the two is required")
_REASON = _l("Choose a reason.")
CASE_LABELS = {"shared": _l("The Presidency may see this case's key facts")}
CASE_HINTS = {
    "confidentiality": _l("Confidential and special cases are seen only by assigned persons and managers."),
    "shared": _l("Without this the Presidency sees the case only in counts."),
}
SOURCE_FIELDS = (
    (_l("Source"), {"fields": SOURCE_COLUMNS}),
    (_l("Responsibility"), {"fields": PLACE_COLUMNS}),
)
EVENT_FIELDS = ((_l("What happened"), {"fields": (*EVENT_COLUMNS, "clear")}),)
RISK_FIELDS = ((_l("Risk to the first person"), {"fields": ("trafficking_status", "control_methods")}),)
_ABOUT_PERSON = (_l("About the person"), {"fields": ABOUT_COLUMNS})
_KEPT = _l("Stored encrypted. Leave empty to keep what is stored.")
NEW_PERSON_FIELDS = (
    (None, {"fields": ("role",)}),
    (
        _l("Identity"),
        {"fields": IDENTITY_COLUMNS, "description": _l("Stored encrypted, shown as dots, and found by search.")},
    ),
    _ABOUT_PERSON,
    (_l("Contact"), {"fields": CONTACT_COLUMNS}),
)
PERSON_FIELDS = (
    (_l("Identity"), {"fields": IDENTITY_COLUMNS, "description": _KEPT}),
    _ABOUT_PERSON,
    (_l("Contact"), {"fields": CONTACT_COLUMNS, "description": _KEPT}),
    (None, {"fields": ("clear",)}),
)
PERSON_HINTS = {"guardian": _l("For a child: who has custody, and how to reach them.")}


class MatchForm(PanelForm):
    """The question that is asked if a new person may be known already."""

    somebody_else = BooleanField(_l("It is somebody else"))


_Role: Any = form_class(_LINK, ("role",))
_Person: Any = form_class(_PERSON, PERSON_COLUMNS, hints=PERSON_HINTS, base=MatchForm)
_FirstPerson: Any = form_class(_PERSON, (*IDENTITY_COLUMNS, *ABOUT_COLUMNS))
SourceForm: Any = form_class(
    _CASE,
    (*SOURCE_COLUMNS, *PLACE_COLUMNS),
    labels=CASE_LABELS,
    hints=CASE_HINTS,
)
"""The source of a case, and its unit."""
_Event: Any = form_class(
    _CASE,
    EVENT_COLUMNS,
    hints={"narrative": _l("Stored encrypted and shown only after a purpose is chosen.")},
)
_Risk: Any = form_class(kind_of(VictimProfile), ("trafficking_status", "control_methods"))


class RiskForm(_Risk, _Event):
    """The facts of the case, and of the first person if that is a victim."""

    only_if: ClassVar[Asks] = {"trafficking_status": _l("required with means of control")}


class NewPersonForm(_Role, _Person):
    """A person who is new, and their role in the case."""


class FirstPersonForm(_Role, _FirstPerson):
    """The first facts about a person; the rest is added on the person's own page."""

    only_if: ClassVar[Asks] = {"role": _IF_KNOWN, "gender": _IF_KNOWN}


class LinkForm(PanelForm):
    asks: ClassVar[Asks] = {"pseudonym": _l("Write a pseudonym."), "role": _l("Choose a role in the case.")}

    pseudonym = ProtectedLine(_l("Pseudonym"), description=_l("As on the person's page, for example JGK-K-7F3A9."))
    role = control_of(_LINK.field("role"))


class CloseSeveralForm(PanelForm):
    """The answers that closing takes, for one case or several."""

    asks: ClassVar[Asks] = {"reason": _REASON}

    reason = control_of(_CASE.field("closure_reason"))
    closed_on = control_of(_CASE.field("closed_on"), description=_l("Leave empty for today."))


class CloseForm(CloseSeveralForm):
    note = control_of(_CASE.field("closure_note"), label=_l("Note"), description=_l("Stored encrypted."))


class LowerForm(PanelForm):
    asks: ClassVar[Asks] = {"confidentiality": _l("Choose a confidentiality."), "reason": _REASON}

    confidentiality = control_of(_CASE.field("confidentiality"))
    reason = control_of(_CASE.field("lowering_reason"))


class UnlinkForm(PanelForm):
    asks: ClassVar[Asks] = {"reason": _REASON}
    only_if: ClassVar[Asks] = {
        "then": _l("required for the last case"), "case": _l("required if the person is moved"),
    }  # fmt: skip

    reason = CodeField(_l("Reason"), "deletion_reason")
    then = CodeField(
        _l("If this is the person's last case"),
        "last_unlinking",
        description=_l("Nobody is left in no case: choose where the person goes."),
    )
    case = StringField(_l("Other case"), description=_l("Its reference, if the person is moved to another case."))


class HoldForm(PanelForm):
    asks: ClassVar[Asks] = {"reason": _REASON}

    reason = control_of(_CASE.field("hold_reason"))


class ReleaseForm(PanelForm):
    asks: ClassVar[Asks] = {"reason": _REASON}

    reason = CodeField(_l("Reason for lifting it"), "hold_release")


class EraseForm(PanelForm):
    """The cases' narratives are answered for beside it; what is wrong with them is kept in `wrong`."""

    asks: ClassVar[Asks] = {"ground": _l("Choose a legal ground."), "pseudonym": _l("Write the pseudonym.")}

    ground = control_of(_PERSON.field("erasure_ground"))
    pseudonym = StringField(_l("Type the pseudonym to confirm"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.wrong: dict[str, str] = {}

    def take(self, error: Invalid | Locked) -> None:
        self.wrong = {name: str(message) for name, message in error.fields.items() if name.startswith("case_")}
        others = {name: message for name, message in error.fields.items() if name not in self.wrong}
        if others or not error.fields:
            super().take(Invalid(others, error.message))
        if self.wrong:
            self.told.append(str(_l("There are narratives that nobody has answered for.")))


class AssignForm(PanelForm):
    asks: ClassVar[Asks] = {"account_id": _l("Choose a person.")}

    account_id = control_of(kind_of(CaseAssignment).field("account_id"), label=_l("Who is assigned"))


class SearchForm(PanelForm):
    """A search on personal values: always posted, never in an address."""

    only_if: ClassVar[Asks] = {"name": _ONE_OF_TWO, "number": _ONE_OF_TWO}

    name = ProtectedLine(_l("Name"))
    number = ProtectedLine(_l("Identity, passport or telephone number"))

"""The forms of cases, persons and victims' profiles. Field names are the schemas'."""

from __future__ import annotations

from typing import Any, ClassVar

from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, SelectField, StringField

from itm_admin.cases.models import Case, CasePerson, Person
from itm_admin.cases.schemas import PERSON_COLUMNS
from itm_admin.foundation.errors import Invalid
from itm_admin.foundation.forms import (
    Asks,
    CodeField,
    CodesField,
    DayField,
    PanelForm,
    ProtectedLine,
    ProtectedText,
)
from itm_admin.record.derive import form_class
from itm_admin.record.kind import kind_of

_CONFIDENTIALITY = _l("Choose a confidentiality.")
_IF_KNOWN = _l("required if somebody is known")
_ONE_OF_TWO = _l("one of the two is required")
_REASON = _l("Choose a reason.")
_ROLE = _l("Choose a role in the case.")
_STATUS = _l("Choose a trafficking status.")


_Source: Any = form_class(kind_of(Case), ("opened_on", "referral_source", "province", "confidentiality"))
_Event: Any = form_class(kind_of(Case), ("exploitation_types", "industry", "narrative"))
_Role: Any = form_class(kind_of(CasePerson), ("role",))
_FirstPerson: Any = form_class(
    kind_of(Person), ("given_name", "family_name", "birth_date", "gender", "citizenships", "language")
)
_Person: Any = form_class(kind_of(Person), PERSON_COLUMNS)


class SourceForm(_Source):
    """The source of a case, and its unit."""

    unit_id = SelectField(_l("Unit"), validate_choice=False)
    lead_institution_id = SelectField(_l("Lead institution"), validate_choice=False)
    shared = BooleanField(_l("The Presidency may see this case's key facts"), default=True)


class EventForm(_Event):
    """The facts of the case."""


class CaseForm(SourceForm, EventForm):
    pass


class RiskForm(EventForm):
    """The facts of the case, and of the first person if that is a victim."""

    asks: ClassVar[Asks] = {"trafficking_status": _STATUS}
    only_if: ClassVar[Asks] = {"trafficking_status": _l("required with means of control")}

    trafficking_status = CodeField(_l("Trafficking status"), "trafficking_status")
    control_methods = CodesField(_l("Means of control"), "method_of_control")


class PersonForm(_Person):
    somebody_else = BooleanField(_l("It is somebody else"))


class NewPersonForm(_Role, PersonForm):
    """A person who is new, and their role in the case."""


class MatchForm(PanelForm):
    """The question that is asked if a new person may be known already."""

    somebody_else = BooleanField(_l("It is somebody else"))


class FirstPersonForm(_Role, _FirstPerson):
    """The first facts about a person; the rest is added on the person's own page."""

    only_if: ClassVar[Asks] = {"role": _IF_KNOWN, "gender": _IF_KNOWN}


class LinkForm(PanelForm):
    asks: ClassVar[Asks] = {"pseudonym": _l("Write a pseudonym."), "role": _ROLE}

    pseudonym = ProtectedLine(_l("Pseudonym"), description=_l("As on the person's page, for example JGK-K-7F3A9."))
    role = CodeField(_l("Role in the case"), "case_role")


class CloseForm(PanelForm):
    asks: ClassVar[Asks] = {"reason": _REASON}

    reason = CodeField(_l("Reason for closing"), "case_closure_reason")
    closed_on = DayField(_l("Date closed"))
    note = ProtectedText(_l("Note"))


class LowerForm(PanelForm):
    asks: ClassVar[Asks] = {"confidentiality": _CONFIDENTIALITY, "reason": _REASON}

    confidentiality = CodeField(_l("Confidentiality"), "confidentiality")
    reason = CodeField(_l("Reason for lowering it"), "lowering_reason")


class UnlinkForm(PanelForm):
    asks: ClassVar[Asks] = {"reason": _REASON}

    reason = CodeField(_l("Reason"), "deletion_reason")
    then = CodeField(_l("If this is the person's last case"), "last_unlinking")
    case = StringField(_l("Other case"), description=_l("Its reference, if the person is moved to another case."))


class HoldForm(PanelForm):
    asks: ClassVar[Asks] = {"reason": _REASON}

    reason = CodeField(_l("Reason for the hold"), "hold_reason")


class ReleaseForm(PanelForm):
    asks: ClassVar[Asks] = {"reason": _REASON}

    reason = CodeField(_l("Reason for lifting it"), "hold_release")


class EraseForm(PanelForm):
    """The cases' narratives are answered for beside it; what is wrong with them is kept in `wrong`."""

    asks: ClassVar[Asks] = {"ground": _l("Choose a legal ground."), "pseudonym": _l("Write the pseudonym.")}

    ground = CodeField(_l("Legal ground"), "erasure_ground")
    pseudonym = StringField(_l("Type the pseudonym to confirm"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.wrong: dict[str, str] = {}

    def take(self, error: Invalid) -> None:
        self.wrong = {name: str(message) for name, message in error.fields.items() if name.startswith("case_")}
        others = {name: message for name, message in error.fields.items() if name not in self.wrong}
        if others or not error.fields:
            super().take(Invalid(others, error.message))
        if self.wrong:
            self.told.append(str(_l("There are narratives that nobody has answered for.")))


class AssignForm(PanelForm):
    asks: ClassVar[Asks] = {"account_id": _l("Choose a person.")}

    account_id = SelectField(_l("Who is assigned"), validate_choice=False)


class SearchForm(PanelForm):
    """A search on personal values: always posted, never in an address."""

    only_if: ClassVar[Asks] = {"name": _ONE_OF_TWO, "number": _ONE_OF_TWO}

    name = ProtectedLine(_l("Name"))
    number = ProtectedLine(_l("Identity, passport or telephone number"))

"""The forms of cases, persons and victims' profiles. Field names are the schemas'."""

from __future__ import annotations

from typing import Any, ClassVar

from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, RadioField, SelectField, StringField

from itm_admin.foundation import purposes, tenancy
from itm_admin.foundation.errors import Invalid
from itm_admin.foundation.forms import (
    Asks,
    BirthField,
    CodeField,
    CodesField,
    DayField,
    KeptCodes,
    KeptField,
    KeptLine,
    PanelForm,
)

_CONFIDENTIALITY = _l("Choose a confidentiality.")
_GENDER = _l("Choose a gender.")
_IF_KNOWN = _l("required if somebody is known")
_ONE_OF_TWO = _l("one of the two is required")
_REASON = _l("Choose a reason.")
_ROLE = _l("Choose a role in the case.")
_STATUS = _l("Choose a trafficking status.")


class SourceForm(PanelForm):
    """Where a case comes from, and whose it is."""

    asks: ClassVar[Asks] = {
        "opened_on": _l("Write the date on which the case was opened."),
        "referral_source": _l("Choose a source of the referral."),
        "province": _l("Choose a province."),
        "confidentiality": _CONFIDENTIALITY,
    }

    opened_on = DayField(_l("Date opened"))
    referral_source = CodeField(_l("Source of the referral"), "referral_source")
    province = CodeField(_l("Province"), "province")
    unit_id = SelectField(_l("Unit"), validate_choice=False)
    lead_institution_id = SelectField(_l("Lead institution"), validate_choice=False)
    confidentiality = CodeField(_l("Confidentiality"), "confidentiality")
    shared = BooleanField(_l("The Presidency may see this case's key facts"), default=True)


class EventForm(PanelForm):
    """What happened."""

    exploitation_types = CodesField(_l("Types of exploitation"), "exploitation_type")
    industry = CodeField(_l("Sector"), "industry_isic")
    narrative = KeptField(_l("Narrative"))


class CaseForm(SourceForm, EventForm):
    pass


class RiskForm(EventForm):
    """What happened, and what was done to a first person who is a victim."""

    asks: ClassVar[Asks] = {"trafficking_status": _STATUS}
    only_if: ClassVar[Asks] = {"trafficking_status": _l("required with means of control")}

    trafficking_status = CodeField(_l("Trafficking status"), "trafficking_status")
    control_methods = CodesField(_l("Means of control"), "method_of_control")


class PersonForm(PanelForm):
    asks: ClassVar[Asks] = {"gender": _GENDER}

    somebody_else = BooleanField(_l("It is somebody else"))
    given_name = KeptLine(_l("Given names"))
    family_name = KeptLine(_l("Family names"))
    birth_date = BirthField(_l("Date of birth"))
    gender = CodeField(_l("Gender"), "gender")
    citizenships = CodesField(_l("Citizenships"), "citizenship")
    language = CodeField(_l("Language"), "language")
    tckn = KeptLine(_l("Turkish identity number (TCKN)"))
    ykn = KeptLine(_l("Foreigner identity number (YKN)"))
    passport = KeptLine(_l("Passport number"))
    phone = KeptLine(_l("Telephone"))
    email = KeptLine(_l("E-mail"))
    address = KeptField(_l("Address"))
    guardian = KeptField(_l("Guardian"))


class NewPersonForm(PersonForm):
    asks: ClassVar[Asks] = {"role": _ROLE}

    role = CodeField(_l("Role in the case"), "case_role")


class MatchForm(PanelForm):
    """What is asked where a new person may be known already."""

    somebody_else = BooleanField(_l("It is somebody else"))


class FirstPersonForm(PanelForm):
    """What is known of somebody at the beginning; the rest is added on the person's own page."""

    asks: ClassVar[Asks] = {"role": _ROLE, "gender": _GENDER}
    only_if: ClassVar[Asks] = {"role": _IF_KNOWN, "gender": _IF_KNOWN}

    role = CodeField(_l("Role in the case"), "case_role")
    given_name = KeptLine(_l("Given names"))
    family_name = KeptLine(_l("Family names"))
    birth_date = BirthField(_l("Date of birth"))
    gender = CodeField(_l("Gender"), "gender")
    citizenships = CodesField(_l("Citizenships"), "citizenship")
    language = CodeField(_l("Language"), "language")


class LinkForm(PanelForm):
    asks: ClassVar[Asks] = {"pseudonym": _l("Write a pseudonym."), "role": _ROLE}

    pseudonym = KeptLine(_l("Pseudonym"), description=_l("As on the person's page, for example JGK-K-7F3A9."))
    role = CodeField(_l("Role in the case"), "case_role")


class ProfileForm(PanelForm):
    asks: ClassVar[Asks] = {"trafficking_status": _STATUS}

    trafficking_status = CodeField(_l("Trafficking status"), "trafficking_status")
    status_decision_maker = CodeField(_l("Decided by"), "status_decision_maker")
    recruitment_methods = CodesField(_l("How recruited"), "method_of_recruitment")
    control_methods = CodesField(_l("Means of control"), "method_of_control")
    age_when_trafficked = StringField(_l("Age when trafficked"))
    relation_to_trafficker = CodeField(_l("Relation to the trafficker"), "relation_to_trafficker")
    sex_exploitation = KeptCodes(_l("Kinds of sexual exploitation"), "sex_exploitation_type")
    health = KeptField(_l("Health"))
    needs = KeptCodes(_l("Needs"), "support_need")


class CloseForm(PanelForm):
    asks: ClassVar[Asks] = {"reason": _REASON}

    reason = CodeField(_l("Reason for closing"), "case_closure_reason")
    closed_on = DayField(_l("Date closed"))
    note = KeptField(_l("Note"))


class LowerForm(PanelForm):
    asks: ClassVar[Asks] = {"confidentiality": _CONFIDENTIALITY, "reason": _REASON}

    confidentiality = CodeField(_l("Confidentiality"), "confidentiality")
    reason = CodeField(_l("Reason for lowering it"), "lowering_reason")


class UnlinkForm(PanelForm):
    asks: ClassVar[Asks] = {"reason": _REASON}

    reason = CodeField(_l("Reason"), "deletion_reason")
    then = CodeField(_l("If this is the person's last case"), "last_unlinking")
    case = StringField(_l("Other case"), description=_l("Its reference, if the person is moved to another case."))


class ReasonForm(PanelForm):
    asks: ClassVar[Asks] = {"reason": _REASON}

    reason = CodeField(_l("Reason"), "deletion_reason")


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


class PurposeForm(PanelForm):
    """Why protected values are to be seen. Nothing is chosen beforehand."""

    asks: ClassVar[Asks] = {"purpose": _l("Choose a purpose.")}

    act = "reveal"
    purpose = CodeField(_l("Purpose"), "access_purpose")
    words = KeptField(
        _l("Reason in words"),
        description=_l("For an emergency or a judicial request. The manager and the auditors read it."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        codes = purposes.offered(self.act, tenancy.current().roles)
        self.purpose.among(codes)


class ExportForm(PurposeForm):
    act = "export"
    asks: ClassVar[Asks] = {"format": _l("Choose a file format.")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.words

    format = RadioField(
        _l("Format"), choices=[("csv", "CSV"), ("xlsx", "Excel (XLSX)")], default="xlsx", validate_choice=False
    )


class SearchForm(PanelForm):
    """A search on personal values: always posted, never in an address."""

    only_if: ClassVar[Asks] = {"name": _ONE_OF_TWO, "number": _ONE_OF_TWO}

    name = KeptLine(_l("Name"))
    number = KeptLine(_l("Identity, passport or telephone number"))

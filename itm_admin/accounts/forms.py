"""The forms of accounts. They keep people's input (passwords excepted); the services decide what is allowed."""

from __future__ import annotations

from typing import Any, ClassVar

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import EmailField, HiddenField, PasswordField, SelectField, StringField

from itm_admin.accounts.services import AccountHolder
from itm_admin.foundation import record_picker
from itm_admin.foundation.errors import Invalid
from itm_admin.foundation.forms import Asks, PanelForm, chosen_id
from itm_admin.foundation.i18n import LANGUAGES
from itm_admin.foundation.roles import ROLES
from itm_admin.record.checks import ChoiceCheck, IdCheck
from itm_admin.record.schema import Input

_EMAIL = _l("Write the e-mail address.")
_ROLE = _l("Choose a role.")


class LanguageField(SelectField):
    """The panel's languages, each in its own name."""

    def __init__(self, label: Any = None, **kwargs: Any) -> None:
        super().__init__(label, choices=[], validate_choice=False, **kwargs)
        self.choices = list(LANGUAGES.items())


class SignInForm(PanelForm):
    asks: ClassVar[Asks] = {"username": _l("Write the user name."), "password": _l("Write the password.")}

    username = StringField(
        _l("User name"), render_kw={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}
    )
    password = PasswordField(_l("Password"), render_kw={"autocomplete": "current-password"})
    next = HiddenField()
    held = HiddenField()


class PasswordForm(PanelForm):
    """A new password, typed twice."""

    asks: ClassVar[Asks] = {"password": _l("Write a new password."), "again": _l("Write the same password again.")}

    password = PasswordField(_l("New password"), render_kw={"autocomplete": "new-password"})
    again = PasswordField(_l("The same password again"), render_kw={"autocomplete": "new-password"})

    def chosen(self) -> str:
        """The password. Raises Invalid if the two differ."""
        if self.password.data != self.again.data:
            raise Invalid({"again": _("The two passwords differ.")})
        return self.password.data or ""


class OwnPasswordForm(PasswordForm):
    asks: ClassVar[Asks] = {"current": _l("Write your current password.")}

    current = PasswordField(_l("Current password"), render_kw={"autocomplete": "current-password"})


class OwnDataForm(PanelForm):
    asks: ClassVar[Asks] = {"email": _EMAIL}

    email = EmailField(_l("E-mail"))
    title = StringField(_l("Title"))
    language = LanguageField(_l("Language"))
    current = PasswordField(
        _l("Current password"),
        description=_l("Needed only for another e-mail address."),
        render_kw={"autocomplete": "current-password"},
    )


class AccountForm(PanelForm):
    """The person behind an account."""

    asks: ClassVar[Asks] = {
        "first_name": _l("Write the given name."),
        "last_name": _l("Write the family name."),
        "email": _EMAIL,
    }

    first_name = StringField(_l("Given name"))
    last_name = StringField(_l("Family name"))
    email = EmailField(_l("E-mail"))
    title = StringField(_l("Title"))
    language = LanguageField(_l("Language"))
    unit = SelectField(_l("Unit"), choices=[], validate_choice=False)

    def person(self) -> AccountHolder:
        return AccountHolder(
            first_name=self.first_name.data or "",
            last_name=self.last_name.data or "",
            email=self.email.data or "",
            title=self.title.data,
            language=self.language.data or "",
            unit=chosen_id(self.unit),
        )

    def typed(self) -> dict[str, str]:
        """Label and shown value of each field, to compare two versions."""
        return {str(field.label.text): _shown(field) for field in self if field.name in _PERSON}


class NewAccountForm(AccountForm):
    asks: ClassVar[Asks] = {"institution": _l("Choose an institution."), "role": _ROLE}

    institution = SelectField(_l("Institution"), choices=[], validate_choice=False)
    username = StringField(_l("User name"), description=_l("Left empty, it is made from the name."))
    role = SelectField(_l("Role"), choices=[], validate_choice=False)
    role_unit = SelectField(_l("The role covers"), choices=[], validate_choice=False)


class GrantForm(PanelForm):
    asks: ClassVar[Asks] = {"role": _ROLE}

    role = SelectField(_l("Role"), choices=[], validate_choice=False)
    unit = SelectField(_l("The role covers"), choices=[], validate_choice=False)


class GrantInput(Input):
    """The rules of roles decide which of them may be given, and where."""

    role = ChoiceCheck({code: role.label for code, role in ROLES.items()}, required=True)
    unit = IdCheck()


_PERSON = ("first_name", "last_name", "email", "title", "language", "unit")


def role_choices(codes: list[str]) -> list[tuple[str, str]]:
    return [("", _("— choose —")), *((code, str(ROLES[code].label)) for code in codes)]


def _shown(field: Any) -> str:
    if isinstance(field, SelectField):
        return record_picker.shown(field, field.data) or ""
    return str(field.data or "")

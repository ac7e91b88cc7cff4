"""The forms of signing in and of roles. Those of accounts follow from the declared fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import HiddenField, PasswordField, SelectField, StringField

from itm_admin.accounts import reasons, services
from itm_admin.accounts.models import Account
from itm_admin.foundation import tenancy
from itm_admin.foundation.errors import Invalid
from itm_admin.foundation.forms import Asks, PanelForm
from itm_admin.foundation.roles import INSTITUTION, ROLES
from itm_admin.record.checks import ChoiceCheck, IdCheck
from itm_admin.record.derive import form_class
from itm_admin.record.kind import kind_of
from itm_admin.record.schema import Input, load

_ROLE = _l("Choose a role.")


class WaitingForm(PanelForm):
    """A page of signing in: the page that was wanted, and a form that was sent too late, wait behind it."""

    next = HiddenField()
    held = HiddenField()


class SignInForm(WaitingForm):
    asks: ClassVar[Asks] = {"username": _l("Write the user name."), "password": _l("Write the password.")}

    username = StringField(
        _l("User name"), render_kw={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}
    )
    password = PasswordField(_l("Password"), render_kw={"autocomplete": "current-password"})


class CodeForm(WaitingForm):
    """A code of an authenticator app, or a recovery code."""

    asks: ClassVar[Asks] = {"code": _l("Write the code.")}

    code = StringField(
        _l("Code"),
        render_kw={"autocomplete": "one-time-code", "autocapitalize": "characters", "spellcheck": "false"},
    )


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


def own_data_form() -> type[PanelForm]:
    """The own account's fields that its person changes, and the password that another e-mail address takes."""
    below = form_class(kind_of(Account), services.OWN)
    current = PasswordField(
        _l("Current password"),
        render_kw={"autocomplete": "current-password"},
    )
    only_if = {"current": _l("required for another e-mail address")}
    return type("OwnDataForm", (below,), {"current": current, "only_if": only_if})


def new_account_form(columns: Sequence[str]) -> type[PanelForm]:
    """A new account with its first role."""
    below = form_class(kind_of(Account), columns)
    role: dict[str, Any] = {
        "asks": {"role": _ROLE, "reason": _l("Choose a reason.")},
        "role": SelectField(_l("Role"), choices=[], validate_choice=False),
    }
    role["reason"] = SelectField(_l("Reason for the role"), choices=[], validate_choice=False)
    if tenancy.current().scope == INSTITUTION:
        role["role_unit"] = SelectField(_l("The role covers"), choices=[], validate_choice=False)
    return type("NewAccountForm", (below,), role)


class ActForm(PanelForm):
    """An act on an account asks for its reason, and for who takes over the open work where there is some."""

    asks: ClassVar[Asks] = {"reason": _l("Choose a reason.")}

    reason = SelectField(_l("Reason"), choices=[], validate_choice=False)

    def offer_reasons(self, kind: str) -> None:
        self.reason.choices = reason_choices(kind)

    def chosen_reason(self, kind: str) -> str:
        """The code. Raises Invalid without one of the list."""
        return str(load(_REASON_INPUTS[kind], {"reason": self.reason.data or ""})["reason"])


class LeavingForm(ActForm):
    asks: ClassVar[Asks] = {"successor": _l("Choose who takes the open cases over.")}

    successor = SelectField(_l("Takes the open cases over"), choices=[], validate_choice=False)


class FocalPointForm(ActForm):
    asks: ClassVar[Asks] = {"rank": _l("Choose a rank.")}

    rank = SelectField(_l("Rank"), choices=[], validate_choice=False)


class GrantForm(ActForm):
    asks: ClassVar[Asks] = {"role": _ROLE}

    role = SelectField(_l("Role"), choices=[], validate_choice=False)
    unit = SelectField(_l("The role covers"), choices=[], validate_choice=False)


_REASON_INPUTS: Mapping[str, type[Input]] = {
    kind: type(f"Reason{kind}Input", (Input,), {"reason": ChoiceCheck(codes, required=True)})
    for kind, codes in reasons.REASONS.items()
}


class GrantInput(Input):
    """The rules of roles decide which of them may be given, and where."""

    role = ChoiceCheck({code: role.label for code, role in ROLES.items()}, required=True)
    unit = IdCheck()
    reason = ChoiceCheck(reasons.REASONS["give"], required=True)


def reason_choices(kind: str) -> list[tuple[str, str]]:
    return [("", _("— choose —")), *((code, str(label)) for code, label in reasons.REASONS[kind].items())]


def role_choices(codes: list[str]) -> list[tuple[str, str]]:
    return [("", _("— choose —")), *((code, str(ROLES[code].label)) for code in codes)]

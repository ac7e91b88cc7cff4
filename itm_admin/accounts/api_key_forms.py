"""The forms of API keys. Their values are judged by the services."""

from __future__ import annotations

from typing import Any, ClassVar

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, RadioField, SelectField, StringField, TextAreaField

from itm_admin.accounts import api_keys
from itm_admin.accounts.api_key_model import ANYWHERE, REASONS, ApiKey
from itm_admin.foundation.forms import Asks, CodesField, PanelForm


class KeyForm(PanelForm):
    """A new key. What it may do is chosen act by act."""

    asks: ClassVar[Asks] = {
        "name": _l("Write a name."),
        "account_id": _l("Choose the responsible person."),
        "scopes": _l("Choose at least one act."),
        "networks": _l("Write at least one network address, or allow any address."),
        "days": _l("Choose for how long."),
    }
    only_if: ClassVar[Asks] = {
        "scopes": _l("at least one is required"),
        "networks": _l("required unless any address is allowed"),
    }

    name = StringField(
        _l("Name"),
        description=_l("Which program uses it, in a few words and without a person's name: it stands in the ledger."),
    )
    account_id = SelectField(
        _l("Responsible person"),
        choices=[],
        validate_choice=False,
        description=_l("Takes the secret and answers for the program, which may never do more than this person."),
    )
    scopes = CodesField(_l("What it may do"))
    networks = TextAreaField(
        _l("Network addresses"),
        description=_l("From where the program may come, one a line: 10.20.0.0/16 or 10.20.1.5."),
        render_kw={"rows": 3, "spellcheck": "false"},
    )
    anywhere = BooleanField(_l("Any address. Choose it only if the program has no address of its own."))
    days = SelectField(_l("Valid for"), choices=[], validate_choice=False)


class KeyEditForm(KeyForm):
    """The limits of a key that is there, without its responsible person: that is another key."""

    needed: ClassVar = frozenset()
    account_id = None  # type: ignore[assignment]  # WTForms leaves a field out that a class sets to None
    days = SelectField(_l("Valid for, from now on"), choices=[], validate_choice=False)

    def fill(self, key: ApiKey) -> None:
        """Limits that are asked for already stand there, so that saving once more takes nothing back."""
        networks = key.wanted_networks or key.networks
        self.version.data, self.name.data = str(key.row_version), key.name
        self.scopes.data = list(key.wanted_scopes or key.scopes)
        self.anywhere.data = set(ANYWHERE) <= set(networks)
        self.networks.data = "" if self.anywhere.data else "\n".join(networks)


class EndForm(PanelForm):
    asks: ClassVar[Asks] = {"reason": _l("Choose a reason.")}

    reason = RadioField(_l("Why"), choices=[], validate_choice=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.reason.choices = [(code, str(words)) for code, words in REASONS.items()]


class TakeForm(PanelForm):
    asks: ClassVar[Asks] = {"overlap": _l("Choose for how long.")}

    overlap = SelectField(
        _l("How long the former secret still works"), choices=[], validate_choice=False, default="24",
        description=_l("So that the program can be changed over. If others may know it, end it now."),
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.overlap.choices = [(code, str(words)) for code, words in api_keys.OVERLAPS.items()]


def days() -> list[tuple[str, str]]:
    """The terms that a manager chooses from."""
    most = api_keys.most_days()
    terms = [each for each in (7, 30, 90, 180, 366) if each < most]
    return [(str(each), _("%(days)s days", days=each)) for each in (*terms, most)]

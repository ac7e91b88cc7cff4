"""Lists of API keys: the own ones, with what can be done, and what was done with one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from itm_admin.accounts.access_lists import OUTCOMES
from itm_admin.accounts.api_key_model import ApiKey
from itm_admin.foundation.formats import label, moment
from itm_admin.foundation.list_parts import Cell, Column
from itm_admin.foundation.lists import Listing


@dataclass(frozen=True)
class _KeyButton:
    url: str
    label: str
    question: str
    values: Mapping[str, str] = field(default_factory=dict)


def _end(key: ApiKey) -> Cell:
    if key.is_over:
        return Cell("markup", "")
    question = _("End this key? The program that uses it stops at once.")
    return Cell("button", _KeyButton(url_for("OwnKeyView.end"), _("End"), question, {"key": str(key.id)}))


def _secret(key: ApiKey) -> Cell:
    if key.is_over:
        return Cell("text", "")
    words = _("Another secret") if key.secret_at else _("Take the secret")
    return Cell("link", words, url=url_for("OwnKeyView.take", key=key.id))


def _wanted(key: ApiKey) -> Cell:
    if key.is_over or key.wanted_at is None:
        return Cell("text", "")
    return Cell("link", _("Look and answer"), url=url_for("OwnKeyView.wider", key=key.id))


OWN: Listing[ApiKey] = Listing(
    caption=_l("Keys that you are responsible for"),
    empty_text=_l("You are responsible for no API key. Your institution's manager makes one."),
    identify=lambda key: str(key.id),
    columns=(
        Column("name", _l("Name"), lambda key: Cell("text", key.name)),
        Column("state", _l("Status"), lambda key: key.state),
        Column("until", _l("Valid until"), lambda key: Cell("moment", key.expires_at)),
        Column("used", _l("Last used"), lambda key: Cell("text", key.last_use)),
        Column("secret", _l("Secret"), _secret),
        Column("wanted", _l("Wider limits that are asked for"), _wanted),
        Column("act", _l("What can be done"), _end),
    ),
)

USES: Listing[Any] = Listing(
    caption=_l("Last uses"),
    empty_text=_l("No entry that you may see."),
    identify=lambda row: str(row.at),
    columns=(
        Column("when", _l("When"), lambda row: Cell("text", moment(row.at, seconds=True))),
        Column("what", _l("What"), lambda row: Cell("text", label(row.action, "audit_event"))),
        Column("result", _l("Result"), lambda row: Cell("badge", *OUTCOMES[row.outcome])),
        Column("address", _l("Network address"), lambda row: Cell("text", row.address)),
    ),
)

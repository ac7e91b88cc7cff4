"""Records of any kind, of values that follow from its declared fields: a new kind needs no word here."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import inspect

from itm_admin.foundation import vocabulary
from itm_admin.record import fields
from itm_admin.record.api import RecordApi
from itm_admin.record.kind import BoundField, Kind, kind_of
from tests.panel.panel_app import Browser, RunningPanel

DAY = "2026-04-01"
SIMPLE: Mapping[type, Any] = {fields.Day: DAY, fields.Flag: False}
MADE_OTHERWISE = {
    "case": "with a wizard", "person": "in a case", "case_person": "with its person",
    "victim_profile": "once for a link", "institution": "by the Presidency", "unit": "by a manager",
    "account": "by two people", "api_key": "by a manager, for a person", "referral": "from a draft that is sent",
}  # fmt: skip
"""Kinds whose records the factories make, with the reason. Records of all others are made by their interface."""


def _any_text(_kind: Kind, found: BoundField) -> str:
    return "1999" if isinstance(found.field, fields.Birth) else "Örnek"


@dataclass(frozen=True)
class Samples:
    """Values that the fields of a kind take."""

    link: Callable[[Kind, BoundField], str]
    """The id of a record that a field may name."""
    text: Callable[[Kind, BoundField], str] = _any_text

    def values(self, kind: Kind, columns: Iterable[str]) -> dict[str, Any]:
        return {name: self.value(kind, kind.field(name)) for name in columns}

    def value(self, kind: Kind, found: BoundField) -> Any:
        declared = found.field
        if isinstance(declared, fields.Link):
            return self.link(kind, found)
        if isinstance(declared, fields.ManyLinks):
            return []
        if isinstance(declared, fields.Code):
            return (declared.among or tuple(vocabulary.codes(declared.codes)))[0]
        if isinstance(declared, fields.Codes):
            return [next(iter(vocabulary.codes(declared.codes)))]
        if isinstance(declared, fields.Whole):
            return declared.low
        return SIMPLE[type(declared)] if type(declared) in SIMPLE else self.text(kind, found)


def of_known(panel: RunningPanel, made: Mapping[str, uuid.UUID]) -> Samples:
    """Samples that name these records, and an institution that is none of the tests' own."""

    def link(kind: Kind, found: BoundField) -> str:
        target = kind_of(inspect(kind.model).relationships[str(found.field.shown)].mapper.class_).name  # type: ignore[attr-defined]
        return str(panel.make.institution("ASHB").id if target == "institution" else made[target])

    return Samples(link)


def make(panel: RunningPanel, browser: Browser, known: Mapping[str, uuid.UUID]) -> dict[str, uuid.UUID]:
    """A record of each kind with an interface that is not known yet, parents first, by that person."""
    made = dict(known)
    for view in panel.app.extensions["appbuilder"].baseviews:
        if isinstance(view, RecordApi) and view.datamodel.kind.name not in {*made, "referral"}:
            kind, above = view.datamodel.kind, view.datamodel.parent
            columns = [name for name in view.page.add_columns if kind.field(name).field.needs is None]
            content = of_known(panel, made).values(kind, columns)
            inside = f"in/{made[above.kind.name]}" if above is not None else ""
            answer = browser.send("POST", f"/api/v1/{view.resource_name}/{inside}", content)
            assert answer.status_code == 201, (kind.name, answer.text)
            made[kind.name] = uuid.UUID(json.loads(answer.text)["id"])
    made["referral"] = sent_referral(browser, made["person"], made["case"], panel.make.institution("ASHB").id)
    return {name: id for name, id in made.items() if name not in known}


def sent_referral(browser: Browser, person: Any, case: Any, receiver: Any) -> uuid.UUID:
    """The sender's side of a referral that somebody sends on a legal ground, from a draft of its own."""
    values = {
        "receiver_id": str(receiver), "services": ["LAWYER"], "case_id": str(case), "ground": "LIFE_DANGER",
        "words": "Örnek",
    }  # fmt: skip
    draft = json.loads(browser.send("POST", f"/api/v1/referral-drafts/in/{person}", values).text)["id"]
    parcel = json.loads(browser.get(f"/api/v1/referral-drafts/{draft}/parcel").text)
    seen = {name: parcel[name] for name in ("seen", "row_version")}
    answer = browser.send("POST", f"/api/v1/referral-drafts/{draft}/send", seen)
    assert answer.status_code == 200, answer.text
    return uuid.UUID(json.loads(answer.text)["items"][0])

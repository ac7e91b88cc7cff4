"""A record of any kind, as its declared fields allow it: made by the kind's own interface."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import inspect

from itm_admin.foundation import vocabulary
from itm_admin.record import fields
from itm_admin.record.api import RecordApi
from itm_admin.record.kind import BoundField, kind_of
from tests.panel.panel_app import Browser, RunningPanel

SIMPLE: Mapping[type, Any] = {fields.Day: "2026-04-01", fields.Flag: False, fields.Birth: "1999"}


def make(panel: RunningPanel, browser: Browser, known: Mapping[str, uuid.UUID]) -> dict[str, uuid.UUID]:
    """A record of each kind with an interface that is not known yet, parents first, by that person."""
    made = dict(known)
    for view in panel.app.extensions["appbuilder"].baseviews:
        if isinstance(view, RecordApi) and view.datamodel.kind.name not in made:
            model = view.datamodel
            columns = [model.kind.field(name) for name in view.page.add_columns]
            content = {each.name: value(panel, model.model, each, made) for each in columns if each.field.needs is None}
            inside = f"in/{made[model.parent.kind.name]}" if model.parent is not None else ""
            answer = browser.send("POST", f"/api/v1/{view.resource_name}/{inside}", content)
            assert answer.status_code == 201, (model.kind.name, answer.text)
            made[model.kind.name] = uuid.UUID(json.loads(answer.text)["id"])
    return {name: id for name, id in made.items() if name not in known}


def value(panel: RunningPanel, model: type[Any], found: BoundField, made: Mapping[str, uuid.UUID]) -> Any:
    """A value of the field that its schema takes."""
    declared = found.field
    if isinstance(declared, fields.Link):
        target = inspect(model).relationships[str(declared.shown)].mapper.class_
        kind = kind_of(target).name
        return str(panel.make.institution("ASHB").id if kind == "institution" else made[kind])
    if isinstance(declared, fields.Code):
        return (declared.among or tuple(vocabulary.codes(declared.codes)))[0]
    if isinstance(declared, fields.Codes):
        return [vocabulary.codes(declared.codes)[0]]
    if isinstance(declared, fields.Whole):
        return declared.low
    return SIMPLE.get(type(declared), "Örnek")

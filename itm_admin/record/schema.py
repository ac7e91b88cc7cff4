"""The base of all schemas of input, which forms and REST APIs share, and how they are loaded.

Unknown fields are refused. `load` turns every complaint into `Invalid` with a message per field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext as _l
from marshmallow import RAISE, Schema, ValidationError

from itm_admin.foundation.api_schemas import versioned
from itm_admin.foundation.errors import Invalid, Message
from itm_admin.record.checks import MESSAGES, CodeCheck, TextCheck

_UNKNOWN = _l("There is no such field.")


class Input(Schema):
    error_messages = {"unknown": _UNKNOWN, "type": _l("A set of fields is expected.")}

    class Meta:
        unknown = RAISE


class DeleteInput(Input):
    """A code and no text: the reason stays in the ledger for good."""

    reason = CodeCheck("deletion_reason", required=True)


class RevealInput(Input):
    purpose = CodeCheck("access_purpose", required=True)
    words = TextCheck(most=1_000, lines=True)


DeleteChange = versioned(DeleteInput, "DeleteChange")
"""A deletion by the programming interface, with the version that was seen."""


def load(schema: type[Schema], data: Any, *, partial: bool = False) -> dict[str, Any]:
    """The checked values. Invalid names each wrong field; `partial` asks for no field and sets no default."""
    if not isinstance(data, Mapping):
        raise Invalid({"": _l("A set of fields is expected.")})
    try:
        loaded: dict[str, Any] = schema(partial=partial).load(dict(data))
    except ValidationError as error:
        messages = error.normalized_messages()  # type: ignore[no-untyped-call]
        raise Invalid({_shown(str(name)): _first(told) for name, told in messages.items()}) from None
    return loaded


def _shown(name: str) -> str:
    """A field's name, as far as it may be repeated: an unknown one was typed by somebody."""
    return name if name.isascii() and name.isidentifier() and len(name) <= 40 else ""


def _first(told: Any) -> Message:
    while isinstance(told, Mapping | list):
        told = next(iter(told.values() if isinstance(told, Mapping) else told), MESSAGES["invalid"])
    return told  # type: ignore[no-any-return]

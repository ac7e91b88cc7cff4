"""Statements that state who is at work, past the services: as a command, whose rights the owner's login opens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from itm_admin.foundation.tenancy import DOOR

_SAY = text("select set_config('audit.context', :said, true)")
_ENTER = text("select itm.enter_command(:secret)")


def say(work: Connection | Session, at_work: Mapping[str, Any] | None = None, **told: Any) -> None:
    """For this transaction: `told` is the ledger's context, `at_work` what row-level security reads."""
    connection = work.connection() if isinstance(work, Session) else work
    connection.execute(_SAY, {"said": json.dumps(told)})
    door = connection.info.get(DOOR)
    if door is not None:
        assert connection.scalar(_ENTER, {"secret": door.secret(json.dumps(dict(at_work or {})), json.dumps(told))})

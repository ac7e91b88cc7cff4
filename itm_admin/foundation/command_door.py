"""Commands and jobs work as itm_app without a session: the owner's login states what they may, and gives a secret.

Who has the owner's login may everything anyhow; who has the application's alone opens nothing with this.
"""

from __future__ import annotations

import json

from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import Engine
from sqlalchemy.pool import NullPool

from itm_admin.foundation.config import Settings
from itm_admin.foundation.database import engine_options
from itm_admin.foundation.tenancy import DOOR, Context

_PROVED = ("ledger", "actor", "reads", "on_behalf_of")
_OPEN = text(
    "select itm.open_for_command(:name, cast(:at_work as jsonb), cast(:told as jsonb), make_interval(hours => 24))"
)


class CommandDoor:
    """Opens what a command states, as the owner; each thing that is stated once."""

    def __init__(self, owner: Engine, name: str) -> None:
        self._owner, self._name = owner, name
        self._secrets: dict[tuple[str, str], bytes] = {}

    def __call__(self, context: Context) -> bytes:
        return self.secret(context.panel_json(), context.ledger_json())

    def secret(self, at_work: str, told: str) -> bytes:
        """Of what is stated for row-level security and for the ledger."""
        facts = json.loads(told)
        stated = (at_work, json.dumps({name: facts[name] for name in _PROVED if name in facts}))
        if stated not in self._secrets:
            values = {"name": self._name, "at_work": stated[0], "told": stated[1]}
            with self._owner.begin() as connection:
                self._secrets[stated] = bytes(connection.scalar(_OPEN, values))
        return self._secrets[stated]

    def open(self, app: Engine) -> None:
        """From now on the connections of this engine, which is the application's, have the door."""

        @event.listens_for(app, "connect")
        def _connected(_driver: object, record: object) -> None:
            record.info[DOOR] = self  # type: ignore[attr-defined]


def engine(settings: Settings, name: str, *, pooled: bool = True) -> Engine:
    """The application's engine of a command that has the owner's address too. Raises a Refusal without one."""
    settings.require("ITM_DATABASE_URL", "ITM_DATABASE_OWNER_URL")
    options = engine_options() if pooled else {"poolclass": NullPool, "hide_parameters": True}
    app = create_engine(settings.database_url or "", **options)
    owner = create_engine(settings.owner_url or "", poolclass=NullPool, hide_parameters=True)
    CommandDoor(owner, name).open(app)
    return app

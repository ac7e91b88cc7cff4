"""The panel's database: one session for each request, one engine for each process.

Only the modules below know which server it is, and that it may be embedded. `db` is made on first use: commands and the
supervisor start without the web framework.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from itm_admin.foundation.database.session import db as db

from audit.store.session import OPTIONS
from itm_admin.foundation.database import checkout, pooler

pooler.install()

__all__ = ["db", "engine_options"]


def __getattr__(name: str) -> Any:
    if name == "db":
        from itm_admin.foundation.database.session import db

        return db
    raise AttributeError(name)


def engine_options(threads: int = 8) -> dict[str, Any]:
    """For `create_engine` and SQLALCHEMY_ENGINE_OPTIONS: a connection per thread, looked at before it is used.

    Parameters of statements appear in no log and no exception. The search path and the planner's settings are fixed
    here: no setting of a role or of the database changes them.
    """
    return {
        "pool_events": [(checkout.look, "checkout")],
        "hide_parameters": True,
        "isolation_level": "READ COMMITTED",
        "pool_size": threads + 1,
        "max_overflow": 1,
        "pool_timeout": 10,
        "connect_args": {"connect_timeout": 5, "application_name": "itm", "options": OPTIONS},
    }

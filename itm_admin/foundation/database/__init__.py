"""The database as the panel sees it: one session per request, one engine per process.

Which server it is, and that there may be a server of our own, is known only to the modules below. `db` is
made when it is first asked for: commands and the supervisor start without the web frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from itm_admin.foundation.database.session import db as db

from audit.store.session import OPTIONS

__all__ = ["db", "engine_options"]


def __getattr__(name: str) -> Any:
    if name == "db":
        from itm_admin.foundation.database.session import db

        return db
    raise AttributeError(name)


def engine_options(threads: int = 8) -> dict[str, Any]:
    """For `create_engine` and SQLALCHEMY_ENGINE_OPTIONS: a connection per thread, tested before it is used.

    Statements' parameters appear in no log and no exception's text. Names and the ways to rows are this program's to
    choose: no setting of a role or of the database changes them.
    """
    return {
        "pool_pre_ping": True,
        "hide_parameters": True,
        "isolation_level": "READ COMMITTED",
        "pool_size": threads + 1,
        "max_overflow": 1,
        "pool_timeout": 10,
        "connect_args": {"connect_timeout": 5, "application_name": "itm", "options": OPTIONS},
    }

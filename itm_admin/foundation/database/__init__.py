"""The database as the panel sees it: one session per request, one engine per process.

`db.session` begins every transaction by telling PostgreSQL who is at work (see tenancy). Which server it is,
and that there may be a server of our own, is known only to the modules below.
"""

from __future__ import annotations

from typing import Any

from flask_appbuilder.utils.legacy import get_sqla_class

from itm_admin.foundation import tenancy

__all__ = ["db", "engine_options"]

db: Any = get_sqla_class()(session_options={"expire_on_commit": False})  # what was saved may still be named
tenancy.install(db.session)


def engine_options(threads: int = 8) -> dict[str, Any]:
    """For `create_engine` and SQLALCHEMY_ENGINE_OPTIONS: a connection per thread, tested before it is used.

    Statements' parameters appear in no log and no exception's text.
    """
    return {
        "pool_pre_ping": True,
        "hide_parameters": True,
        "isolation_level": "READ COMMITTED",
        "pool_size": threads + 1,
        "max_overflow": 1,
        "pool_timeout": 10,
        "connect_args": {"connect_timeout": 5, "application_name": "itm"},
    }

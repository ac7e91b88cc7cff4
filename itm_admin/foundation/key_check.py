"""Checks that the master key is the one of the stored keys: before the panel serves, and in the health page.

With another master key lists work and each record fails. Knows one institution's wrapped key and no record.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from itm_admin.foundation import tenancy
from itm_admin.foundation.config import SettingError, Settings
from itm_admin.foundation.encryption import Keyring
from itm_admin.foundation.errors import CannotDecrypt

_INSTITUTIONS = text("select id from institution order by id")
_WRAPPED = text("select wrapped from institution_key where institution_id = :id")


def opens(connection: Connection, keyring: Keyring) -> bool:
    """True if a stored key opens, or none is stored yet. Leaves the connection without a context."""
    tenancy.apply(connection, tenancy.Context(scope="presidency", national=True))
    try:
        for id in connection.scalars(_INSTITUTIONS).all():
            tenancy.apply(connection, tenancy.Context(scope="institution", institution=id, manage="*"))
            wrapped = connection.scalar(_WRAPPED, {"id": id})
            if wrapped is not None:
                keyring.unwrap(id, wrapped)
                return True
    except CannotDecrypt:
        return False
    finally:
        tenancy.apply(connection, tenancy.NOBODY)
    return True


def check(engine: Engine, settings: Settings) -> None:
    """Raises SettingError if the master key is not that of the data. `engine` is the application's."""
    with engine.begin() as connection:
        if not opens(connection, Keyring.from_settings(settings)):
            raise SettingError(
                "ITM_MASTER_KEY_FILE", "is another master key than the one that the data is encrypted with"
            )

"""The master key is the one under which the stored keys are: asked before people come in, and by the health page.

With another master key lists work and each record is a fault. Knows one institution's wrapped key and no record.
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
    """Whether a stored key opens; True where none is stored yet. Ends with the connection's context as nobody's."""
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
    """SettingError if the master key is not that of the data. `engine` is the application's."""
    with engine.begin() as connection:
        if not opens(connection, Keyring.from_settings(settings)):
            raise SettingError(
                "ITM_MASTER_KEY_FILE", "is another master key than the one that the data is encrypted with"
            )

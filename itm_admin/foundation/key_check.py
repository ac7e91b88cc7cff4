"""Checks that the master key is the one of the stored keys: before the panel serves, and in the health page.

With another master key lists work and each record fails. Knows one institution's wrapped key and no record.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from itm_admin.foundation.config import SettingError, Settings
from itm_admin.foundation.encryption import Keyring
from itm_admin.foundation.errors import CannotDecrypt

_WRAPPED = text("select institution, wrapped from itm.a_wrapped_key()")


def opens(connection: Connection, keyring: Keyring) -> bool:
    """True if a stored key opens, or none is stored yet."""
    row = connection.execute(_WRAPPED).one_or_none()
    try:
        if row is not None:
            keyring.unwrap(row.institution, row.wrapped)
    except CannotDecrypt:
        return False
    return True


def check(engine: Engine, settings: Settings) -> None:
    """Raises SettingError if the master key is not that of the data. `engine` is the application's."""
    with engine.begin() as connection:
        if not opens(connection, Keyring.from_settings(settings)):
            raise SettingError(
                "ITM_MASTER_KEY_FILE", "is another master key than the one that the data is encrypted with"
            )

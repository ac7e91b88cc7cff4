"""An installation's checkpoint folder, signing key and witnesses, from its settings.

Only for the scheduler's process and `itm ledger`: the web server gets none of it.
"""

from __future__ import annotations

import os
from contextlib import suppress

from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from audit import keyfile
from audit.authority import Trusted
from audit.checkpoint_comparison import Evidence, Witnesses
from audit.checkpoint_folder import CheckpointFolder, CheckpointFolderError
from audit.resume_mark import Watermarks
from audit.store import checkpoints
from audit.store.session import OPTIONS
from audit.witness_client import Witness
from itm_admin.foundation import secret_files
from itm_admin.foundation.config import SettingError, Settings
from itm_admin.ledger.keyring import KeyTrouble, SigningKeyFile
from itm_admin.ledger.signing import SigningPlace
from itm_admin.ledger.stamping import Authority, Stamping
from itm_admin.local import ownership


def evidence(settings: Settings) -> Evidence:
    """The checkpoints held now."""
    witnesses = tuple(Witness.parse(each).key for each in settings.witnesses)
    return Evidence.now(_outside(settings), Witnesses(witnesses, settings.quorum))


def watermarks(settings: Settings) -> Watermarks:
    """The resume marks; new ones are written only if the signing key is at hand."""
    outside = _outside(settings)
    file = settings.signing_key_file or secret_files.path(settings.home, secret_files.SIGNING_KEY)
    return Watermarks(outside, SigningKeyFile(file, outside).active())


def of(settings: Settings) -> SigningPlace:
    """The signing place. Raises SettingError if an external server is used and no key file is named."""
    if not settings.embedded:
        settings.require("ITM_SIGNING_KEY_FILE")
    outside = _outside(settings)
    file = settings.signing_key_file or secret_files.path(settings.home, secret_files.SIGNING_KEY)
    witnesses = tuple(Witness.parse(each) for each in settings.witnesses)
    return SigningPlace(outside, SigningKeyFile(file, outside), witnesses, settings.quorum)


def check_key(settings: Settings) -> None:
    """Raises SettingError if the key's file exists and cannot be used. The first round makes a missing one."""
    try:
        if settings.signing_key_file is not None:
            keyfile.load(settings.signing_key_file)
    except FileNotFoundError:
        return
    except keyfile.KeyRefused as reason:
        raise SettingError("ITM_SIGNING_KEY_FILE", str(reason)) from None


def prepare_key(settings: Settings) -> None:
    """Makes the key as root if the scheduler cannot write to the folder; otherwise its first round makes it."""
    if os.geteuid() or settings.embedded or settings.signing_key_file is None:
        return
    engine = create_engine(
        str(settings.signer_url), poolclass=NullPool, hide_parameters=True, connect_args={"options": OPTIONS}
    )
    with engine.connect() as connection:
        deployment = checkpoints.deployment(connection)
    with suppress(KeyTrouble, CheckpointFolderError):  # the scheduler raises the alert
        of(settings).keyring.first(deployment)
    ownership.give_key(settings.signing_key_file)


def stamping(settings: Settings) -> Stamping | None:
    """None if no authority is configured."""
    if settings.timestamp_url is None or settings.timestamp_certificates is None:
        return None
    trusted = Trusted.parse(settings.timestamp_certificates.read_bytes())
    return Stamping(_outside(settings), Authority(settings.timestamp_url, trusted))


def _outside(settings: Settings) -> CheckpointFolder:
    return CheckpointFolder(settings.checkpoints or settings.home / "checkpoints")

"""Where an installation holds its checkpoints, and what it signs them with, as its settings say.

Only for the scheduler's process and `itm ledger`: the web server is told none of it.
"""

from __future__ import annotations

from audit import keyfile
from audit.attested import Evidence, Witnesses
from audit.authority import Trusted
from audit.outside import Outside
from audit.watermark import Watermarks
from audit.witnessing import Witness
from itm_admin.assurance.keyring import Keyring
from itm_admin.assurance.signing import Place
from itm_admin.assurance.stamping import Authority, Stamping
from itm_admin.foundation.config import SettingError, Settings


def evidence(settings: Settings) -> Evidence:
    """What is held outside now."""
    witnesses = tuple(Witness.parse(each).key for each in settings.witnesses)
    return Evidence.now(_outside(settings), Witnesses(witnesses, settings.quorum))


def watermarks(settings: Settings) -> Watermarks:
    """Where a full run that was stopped goes on; kept only where the signing key is at hand."""
    outside = _outside(settings)
    file = settings.signing_key_file or settings.home / "secrets" / "ledger-signing-key"
    return Watermarks(outside, Keyring(file, outside).active())


def of(settings: Settings) -> Place:
    """With an external server the key's file must be named: SettingError."""
    if not settings.embedded:
        settings.require("ITM_SIGNING_KEY_FILE")
    outside = _outside(settings)
    file = settings.signing_key_file or settings.home / "secrets" / "ledger-signing-key"
    witnesses = tuple(Witness.parse(each) for each in settings.witnesses)
    return Place(outside, Keyring(file, outside), witnesses, settings.quorum)


def check_key(settings: Settings) -> None:
    """SettingError if the key's file is there and cannot be used. One that is not there is made at the first round."""
    try:
        if settings.signing_key_file is not None:
            keyfile.load(settings.signing_key_file)
    except FileNotFoundError:
        return
    except keyfile.KeyRefused as reason:
        raise SettingError("ITM_SIGNING_KEY_FILE", str(reason)) from None


def stamping(settings: Settings) -> Stamping | None:
    """None where no authority is named."""
    if settings.timestamp_url is None or settings.timestamp_certificates is None:
        return None
    trusted = Trusted.parse(settings.timestamp_certificates.read_bytes())
    return Stamping(_outside(settings), Authority(settings.timestamp_url, trusted))


def _outside(settings: Settings) -> Outside:
    return Outside(settings.checkpoints or settings.home / "checkpoints")

"""The settings: ITM_* environment variables, read once, validated, each with its meaning.

A value that is missing, malformed or misspelt is refused with one line that names the setting; no default is a secret.
It must never know where a secret comes from beyond its settings.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from audit.witness_client import Witness
from itm_admin.foundation.proxies import is_number
from itm_admin.foundation.settings_table import SETTINGS, TEST_SETTINGS, Setting
from itm_admin.foundation.sink_address import SinkAddress


class Refusal(Exception):
    """A reason not to go on, in one line for the person who runs the command."""


class SettingError(Refusal):
    """A setting that is missing or cannot be used. The line begins with the setting's name."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name


class SettingErrors(SettingError):
    """Several errors at once, one a line."""

    def __init__(self, errors: Sequence[SettingError]) -> None:
        Refusal.__init__(self, "\n".join(str(error) for error in errors))
        self.name = errors[0].name


def all_at_once(*checks: Callable[[], object]) -> None:
    """Makes every check, then raises all errors at once, so that one correction does not reveal the next."""
    errors: list[SettingError] = []
    for check in checks:
        try:
            check()
        except SettingErrors as several:
            errors += [_parsed(line) for line in str(several).split("\n")]
        except SettingError as error:
            errors.append(error)
    if errors:
        raise errors[0] if len(errors) == 1 else SettingErrors(errors)


def _parsed(line: str) -> SettingError:
    name, _, message = line.partition(": ")
    return SettingError(name, message)


def private(name: str, path: Path) -> None:
    """Raises SettingError if others than its owner may read or change a secret's file.

    systemd shows the right of a service's user as the group's.
    """
    try:
        mode = path.stat().st_mode & 0o777
    except OSError as error:
        raise SettingError(name, f"{path}: {error.strerror}") from None
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if mode & (0o037 if credentials and path.parent == Path(credentials) else 0o077):
        raise SettingError(name, f"{path}: others may read it (mode {mode:04o}): chmod 0600 {path}")


def default_home() -> Path:
    return Path("/var/lib/itm") if os.geteuid() == 0 else Path("var").absolute()


@dataclass(frozen=True)
class Settings:
    """An installation's settings. Secrets are left out of the repr."""

    home: Path = field(default_factory=default_home)
    host: str = "127.0.0.1"
    port: int = 8080
    database_url: str | None = field(default=None, repr=False)
    direct_url: str | None = field(default=None, repr=False)
    owner_url: str | None = field(default=None, repr=False)
    signer_url: str | None = field(default=None, repr=False)
    purger_url: str | None = field(default=None, repr=False)
    retention_years: int = 10
    full_seconds: int = 120
    secret_key: str | None = field(default=None, repr=False)
    master_key_file: Path | None = None
    master_key_share_file: Path | None = None
    master_key_command: str | None = None
    signing_key_file: Path | None = None
    checkpoints: Path | None = None
    erasures: Path | None = None
    witnesses: tuple[str, ...] = ()
    witness_quorum: int | None = None
    timestamp_url: str | None = None
    timestamp_certificates: Path | None = None
    sinks: tuple[str, ...] = field(default=(), repr=False)
    sink_secret_file: Path | None = None
    sink_authorities: Path | None = None
    smtp_url: str | None = None
    smtp_from: str | None = None
    smtp_password_file: Path | None = None
    smtp_authorities: Path | None = None
    web_workers: int = 2
    web_threads: int = 8
    web_connections: int = 1000
    web_connections_per_address: int = 200
    web_request_seconds: int = 10
    trusted_hosts: tuple[str, ...] = ("localhost", "127.0.0.1")
    trusted_proxies: tuple[str, ...] = ()
    https: bool = False
    session_idle_minutes: int = 30
    session_hours: int = 12
    api_key_days: int = 90
    identity_providers_file: Path | None = None
    embedded: bool = False
    """True if the server is embedded: set by `from_environment`, kept when the addresses are filled in."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Reads ITM_*; empty means not set. Raises SettingError."""
        environ = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        all_at_once(
            *(partial(_refuse_unknown, name) for name in sorted(environ)),
            *(partial(_take, setting, environ.get(setting.name, ""), values) for setting in SETTINGS),
        )
        _take_credentials(environ, values)
        settings = cls(**values)
        all_at_once(*(partial(settings._refuse, *each) for each in settings._contradictions()))
        return replace(settings, embedded=settings.database_url is None and settings.signer_url is None)

    def _contradictions(self) -> list[tuple[bool, str, str]]:
        """Each condition that must not hold, with the setting to correct."""
        url, certificates = self.timestamp_url, self.timestamp_certificates
        webhook = any(SinkAddress.parse(each).is_webhook for each in self.sinks)
        too_many = (self.witness_quorum or 0) > len(self.witnesses)
        half = self.database_url is None and self.owner_url is not None
        two = self.master_key_command is not None and bool(self.master_key_file or self.master_key_share_file)
        return [
            (two, "ITM_MASTER_KEY_COMMAND", "is set beside a file: the master key comes from one place"),
            (
                self.master_key_share_file is not None and self.master_key_file is None,
                "ITM_MASTER_KEY_FILE",
                "is missing, while ITM_MASTER_KEY_SHARE_FILE is set",
            ),
            (half, "ITM_DATABASE_URL", "is missing, while ITM_DATABASE_OWNER_URL is set"),
            (
                self.database_url is None and self.direct_url is not None,
                "ITM_DATABASE_URL",
                "is missing, while ITM_DATABASE_DIRECT_URL is set",
            ),
            (
                bool(url) and not certificates,
                "ITM_TIMESTAMP_CERTIFICATES",
                "is missing, while ITM_TIMESTAMP_URL is set",
            ),
            (
                bool(certificates) and not url,
                "ITM_TIMESTAMP_URL",
                "is missing, while ITM_TIMESTAMP_CERTIFICATES is set",
            ),
            (bool(self.smtp_url) and not self.smtp_from, "ITM_SMTP_FROM", "is missing, while ITM_SMTP_URL is set"),
            (bool(self.smtp_from) and not self.smtp_url, "ITM_SMTP_URL", "is missing, while ITM_SMTP_FROM is set"),
            (too_many, "ITM_WITNESS_QUORUM", f"is more than the {len(self.witnesses)} witnesses"),
            (
                self.sink_secret_file is None and webhook,
                "ITM_SINK_SECRET_FILE",
                "is missing, while ITM_SINKS names an https:// sink",
            ),
        ]

    @staticmethod
    def _refuse(wrong: bool, name: str, message: str) -> None:
        if wrong:
            raise SettingError(name, message)

    @property
    def quorum(self) -> int:
        """The number of cosignatures that make a checkpoint witnessed; 0: there are no witnesses."""
        return self.witness_quorum or (len(self.witnesses) // 2 + 1 if self.witnesses else 0)

    @property
    def witnessed_here(self) -> bool:
        """True if witnesses on this machine suffice for *witnessed*: a second process, but no second party."""
        here = sum(Witness.parse(each).is_here for each in self.witnesses)
        return bool(self.witnesses) and here >= self.quorum

    def require(self, *names: str) -> Settings:
        """Itself. Raises SettingError for those of these variables that have no value."""
        needed = [setting for setting in SETTINGS if setting.name in names]
        absent = [each for each in needed if getattr(self, each.attribute) is None]
        if self.master_key_command:
            absent = [each for each in absent if each.name != "ITM_MASTER_KEY_FILE"]
        all_at_once(*(partial(self._refuse, True, each.name, f"is missing ({each.meaning})") for each in absent))
        return self

    def master_key(self) -> bytes:
        """The 32 bytes that wrap every institution's key, wherever the settings have them from."""
        from itm_admin.foundation import master_key

        return master_key.read(self)

    def sink_secret(self) -> bytes:
        """The key that signs batches for webhooks, read from its file."""
        path = self.require("ITM_SINK_SECRET_FILE").sink_secret_file or Path()
        private("ITM_SINK_SECRET_FILE", path)
        try:
            secret = path.read_bytes().strip()
        except OSError as error:
            raise SettingError("ITM_SINK_SECRET_FILE", f"{path}: {error.strerror}") from None
        if len(secret) < 32:
            raise SettingError("ITM_SINK_SECRET_FILE", f"{path}: at least 32 bytes are expected")
        return secret

    @property
    def origin(self) -> str:
        """The address at which browsers reach the panel, without a path: by a name, as passkeys need one."""
        hosts = self.trusted_hosts
        host = next((each for each in hosts if not is_number(each)), hosts[0])
        usual = bool(self.trusted_proxies) or self.port == (443 if self.https else 80) or ":" in host.rpartition("]")[2]
        port = "" if usual else f":{self.port}"  # a proxy in front uses the standard port
        return f"http{'s' if self.https else ''}://{host}{port}"

    def environment(self, *names: str) -> dict[str, str]:
        """A child's clean environment: those of these variables that have a value, and the bare system's."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ") if name in os.environ}
        if "ITM_MASTER_KEY_FILE" in names and "CREDENTIALS_DIRECTORY" in os.environ:
            kept["CREDENTIALS_DIRECTORY"] = os.environ["CREDENTIALS_DIRECTORY"]
        ours = {s.name: _written(getattr(self, s.attribute), s.separator) for s in SETTINGS if s.name in names}
        return {"LANG": "C.UTF-8", **kept, **{name: value for name, value in ours.items() if value}}


def _refuse_unknown(name: str) -> None:
    if name.startswith("ITM_") and name not in TEST_SETTINGS and name not in {setting.name for setting in SETTINGS}:
        raise SettingError(name, "there is no such setting")


def _take(setting: Setting, value: str, values: dict[str, Any]) -> None:
    """Reads one value; empty means not set."""
    try:
        if value:
            values[setting.attribute] = setting.parse(value)
    except ValueError as error:
        raise SettingError(setting.name, str(error)) from None


CREDENTIALS = {"itm-master-key": "master_key_file", "itm-master-key-share": "master_key_share_file"}


def _take_credentials(environ: Mapping[str, str], values: dict[str, Any]) -> None:
    """Takes the files of systemd's LoadCredential=, where no setting names another place."""
    folder = environ.get("CREDENTIALS_DIRECTORY")
    if folder and not {"master_key_file", "master_key_command"} & set(values):
        given = {name: Path(folder) / each for each, name in CREDENTIALS.items() if (Path(folder) / each).exists()}
        values.update(given)


def _written(value: Any, separator: str) -> str:
    if value is None or value is False:
        return ""
    if value is True:
        return "yes"
    return separator.join(value) if isinstance(value, tuple) else str(value)

"""The settings: ITM_* environment variables, read once, validated, each with its meaning.

A value that is missing, malformed or misspelt is refused with one line that names the setting; nothing
has a default that is a secret. It must never know where a secret comes from besides what it was told.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from audit import authority
from audit.witness_client import Witness
from itm_admin.foundation import smtp_address
from itm_admin.foundation.sink_address import SinkAddress, addresses


class Refusal(Exception):
    """A reason not to go on, said in one line to whoever runs the command."""


class SettingError(Refusal):
    """A setting that is missing or cannot be used. The line begins with the setting's name."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name


class SettingErrors(SettingError):
    """Several at once, each in a line of its own."""

    def __init__(self, errors: Sequence[SettingError]) -> None:
        Refusal.__init__(self, "\n".join(str(error) for error in errors))
        self.name = errors[0].name


def all_at_once(*checks: Callable[[], object]) -> None:
    """Makes every check, and then refuses with everything that is wrong: nobody mends one to meet the next."""
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
    """SettingError if others than its owner may read or change a secret's file."""
    try:
        mode = path.stat().st_mode & 0o777
    except OSError as error:
        raise SettingError(name, f"{path}: {error.strerror}") from None
    if mode & 0o077:
        raise SettingError(name, f"{path}: others may read it (mode {mode:04o}): chmod 0600 {path}")


def default_home() -> Path:
    return Path("/var/lib/itm") if os.geteuid() == 0 else Path("var").absolute()


def _text(value: str) -> str:
    return value


def _folder(value: str) -> Path:
    return Path(value).expanduser().absolute()


def _between(least: int, most: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not (value.isascii() and value.isdigit()) or not least <= int(value) <= most:
            raise ValueError(f"a whole number from {least} to {most} is expected")
        return int(value)

    return parse


def _yes_or_no(value: str) -> bool:
    words = {"1": True, "yes": True, "true": True, "0": False, "no": False, "false": False}
    if value.lower() not in words:
        raise ValueError("yes or no is expected")
    return words[value.lower()]


def _names(value: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in value.split(",") if name.strip())
    if any("/" in name or "*" in name or " " in name for name in names):
        raise ValueError("host names are expected, with commas between them, without scheme or path")
    return names


def _secret(value: str) -> str:
    if len(value) < 32:
        raise ValueError("at least 32 characters are expected")
    return value


def _mail(value: str) -> str:
    local, at, domain = value.rpartition("@")
    if not (local and at and domain) or not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("an e-mail address is expected")
    return value


def _witnesses(value: str) -> tuple[str, ...]:
    """Each as it was written, once it can be used."""
    found = tuple(part.strip() for part in value.split(",") if part.strip())
    keys = [Witness.parse(part).key for part in found]
    if len({key.name for key in keys}) < len(keys) or len({key.public for key in keys}) < len(keys):
        raise ValueError("each witness once, with a name and a key of its own, is expected")
    return found


def _authority(value: str) -> str:
    authority.address(value)
    return value


def _certificates(value: str) -> Path:
    """A file that can be used now: whoever starts without one would learn of it only when a stamp is needed."""
    path = _folder(value)
    try:
        authority.Trusted.parse(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except ValueError:
        raise ValueError(f"{path}: a PEM file with the authority's root certificate is expected") from None
    return path


def _database(value: str) -> str:
    try:
        url = make_url(value)
    except ArgumentError:
        raise ValueError("an address like postgresql://itm_app:password@host/itm is expected") from None
    if url.drivername not in ("postgresql", "postgresql+psycopg"):
        raise ValueError("only postgresql:// is supported")
    if not url.username or not url.database:
        raise ValueError("the address must name a role and a database")
    if not _stays_here(url) and url.query.get("sslmode") != "verify-full":
        raise ValueError("the server is on another machine: add sslmode=verify-full (and sslrootcert=…) to the address")
    return url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def _stays_here(url: URL) -> bool:
    """Whether every server that the address names is this machine: all others must show who they are."""
    named = [url.host, *(url.query.get(key) for key in ("host", "hostaddr"))]
    hosts = [host for each in named if each for host in (each.split(",") if isinstance(each, str) else each)]
    hosts = hosts or [os.environ.get("PGHOST", ""), os.environ.get("PGHOSTADDR", "")]  # as libpq does
    here = ("", "localhost", "127.0.0.1", "::1")
    return "service" not in url.query and all(host in here or host.startswith(("/", "@")) for host in hosts)


@dataclass(frozen=True)
class Setting:
    """One variable: where it lands in Settings, how it is read and what it means."""

    name: str
    attribute: str
    parse: Callable[[str], Any]
    default: str
    """As shown in the README; '' = none."""
    meaning: str
    separator: str = ","
    """Between the parts of a value that has several."""


SETTINGS: tuple[Setting, ...] = (
    Setting("ITM_HOME", "home", _folder, "var/ (root: /var/lib/itm)", "Data folder of an installation on this machine"),
    Setting("ITM_HOST", "host", _text, "127.0.0.1", "Address that the web server listens on"),
    Setting("ITM_PORT", "port", _between(1, 65535), "8080", "Port that the web server listens on"),
    Setting(
        "ITM_DATABASE_URL", "database_url", _database, "", "Application role on an external server (none: embedded)"
    ),
    Setting(
        "ITM_DATABASE_OWNER_URL", "owner_url", _database, "", "Owner role: migrations only (needed beside the former)"
    ),
    Setting(
        "ITM_DATABASE_SIGNER_URL",
        "signer_url",
        _database,
        "",
        "Signer role: the scheduler's ledger work (needed beside the former)",
    ),
    Setting(
        "ITM_DATABASE_PURGER_URL",
        "purger_url",
        _database,
        "",
        "Purger role: itm ledger purge alone; set it for that command only",
    ),
    Setting(
        "ITM_RETENTION_YEARS",
        "retention_years",
        _between(5, 100),
        "10",
        "Years after which the ledger's content may be purged",
    ),
    Setting(
        "ITM_FULL_SECONDS",
        "full_seconds",
        _between(0, 86_400),
        "120",
        "All entries are verified every hour while that takes no more seconds, else every night",
    ),
    Setting(
        "ITM_SECRET_KEY",
        "secret_key",
        _secret,
        "",
        "Signs session cookies, 32 characters or more (embedded: made once, kept in ITM_HOME/secrets)",
    ),
    Setting(
        "ITM_MASTER_KEY_FILE",
        "master_key_file",
        _folder,
        "",
        "File with the master key, 32 bytes in base64 (embedded: made once, kept in ITM_HOME/secrets)",
    ),
    Setting(
        "ITM_SIGNING_KEY_FILE",
        "signing_key_file",
        _folder,
        "",
        "File with the key that signs checkpoints, made at the first round (embedded: in ITM_HOME/secrets)",
    ),
    Setting(
        "ITM_CHECKPOINTS",
        "checkpoints",
        _folder,
        "",
        "Folder of signed checkpoints, best where files cannot be changed (none: ITM_HOME/checkpoints)",
    ),
    Setting(
        "ITM_ERASURES",
        "erasures",
        _folder,
        "",
        "Folder of the list of erasures, outside every backup of the database (none: ITM_HOME/erasures)",
    ),
    Setting(
        "ITM_WITNESSES",
        "witnesses",
        _witnesses,
        "",
        "Who is asked to cosign checkpoints: URL=VKEY, commas between them",
    ),
    Setting(
        "ITM_WITNESS_QUORUM",
        "witness_quorum",
        _between(1, 100),
        "",
        "How many cosignatures make a checkpoint witnessed (none: more than half of the witnesses)",
    ),
    Setting(
        "ITM_TIMESTAMP_URL",
        "timestamp_url",
        _authority,
        "",
        "RFC 3161 authority that stamps the Presidency's checkpoints",
    ),
    Setting(
        "ITM_TIMESTAMP_CERTIFICATES",
        "timestamp_certificates",
        _certificates,
        "",
        "PEM file with the authority's root certificate, and those between (needed beside the former)",
    ),
    Setting(
        "ITM_SINKS",
        "sinks",
        addresses,
        "",
        "Where entries are passed on to, spaces between: file:/folder, syslog+tcp://host:port, syslog+tls://…,"
        " syslog+udp://…, https://…",
        separator=" ",
    ),
    Setting(
        "ITM_SINK_SECRET_FILE",
        "sink_secret_file",
        _folder,
        "",
        "File with the secret that signs what https:// sinks get, 32 bytes or more",
    ),
    Setting(
        "ITM_SINK_AUTHORITIES",
        "sink_authorities",
        _folder,
        "",
        "File with the certificates of the authorities that sinks' servers are checked against (none: the system's)",
    ),
    Setting(
        "ITM_SMTP_URL",
        "smtp_url",
        smtp_address.address,
        "",
        "Server that takes our mails: smtp://user@host:587 (STARTTLS) or smtps://… (none: links are handed over)",
    ),
    Setting("ITM_SMTP_FROM", "smtp_from", _mail, "", "Address that mails come from (needed beside the former)"),
    Setting("ITM_SMTP_PASSWORD_FILE", "smtp_password_file", _folder, "", "File with that user's password"),
    Setting(
        "ITM_SMTP_AUTHORITIES",
        "smtp_authorities",
        _folder,
        "",
        "File with the certificates of the authorities that this server is checked against (none: the system's)",
    ),
    Setting("ITM_WEB_WORKERS", "web_workers", _between(1, 64), "2", "Processes of the web server"),
    Setting("ITM_WEB_THREADS", "web_threads", _between(1, 128), "8", "Threads of each of them"),
    Setting(
        "ITM_WEB_CONNECTIONS",
        "web_connections",
        _between(50, 20000),
        "1000",
        "Connections that each of them holds; beyond, the one that waited longest is closed",
    ),
    Setting(
        "ITM_WEB_CONNECTIONS_PER_ADDRESS",
        "web_connections_per_address",
        _between(10, 20000),
        "200",
        "The same of one address (with ITM_TRUSTED_PROXIES: not bounded here)",
    ),
    Setting(
        "ITM_WEB_REQUEST_SECONDS",
        "web_request_seconds",
        _between(1, 600),
        "10",
        "Seconds for a request's header to arrive; twice that, and a second for each 1000 bytes, with its body",
    ),
    Setting("ITM_TRUSTED_HOSTS", "trusted_hosts", _names, "localhost,127.0.0.1", "Host names that requests may name"),
    Setting(
        "ITM_TRUSTED_PROXIES", "trusted_proxies", _between(0, 8), "0", "Number of reverse proxies in front, exactly"
    ),
    Setting("ITM_HTTPS", "https", _yes_or_no, "no", "Whether people reach it by HTTPS: cookies are then Secure"),
)

TEST_SETTINGS: Mapping[str, str] = {
    "ITM_TEST_DATABASE_URL": "Superuser's address of a server that the tests use instead of an embedded one",
    "ITM_TEST_CHROMIUM": "Chromium's path for the tests (none: the system's, or the one that make test downloaded)",
}


@dataclass(frozen=True)
class Settings:
    """What an installation was told. Secrets are kept out of its representation."""

    home: Path = field(default_factory=default_home)
    host: str = "127.0.0.1"
    port: int = 8080
    database_url: str | None = field(default=None, repr=False)
    owner_url: str | None = field(default=None, repr=False)
    signer_url: str | None = field(default=None, repr=False)
    purger_url: str | None = field(default=None, repr=False)
    retention_years: int = 10
    full_seconds: int = 120
    secret_key: str | None = field(default=None, repr=False)
    master_key_file: Path | None = None
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
    trusted_proxies: int = 0
    https: bool = False
    embedded: bool = False
    """Whether the server is ours: set by `from_environment`, kept when the addresses are filled in."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Reads ITM_*; empty means not set. Raises SettingError."""
        environ = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        all_at_once(
            *(partial(_refuse_unknown, name) for name in sorted(environ)),
            *(partial(_take, setting, environ.get(setting.name, ""), values) for setting in SETTINGS),
        )
        settings = cls(**values)
        all_at_once(*(partial(settings._refuse, *each) for each in settings._contradictions()))
        return replace(settings, embedded=settings.database_url is None and settings.signer_url is None)

    def _contradictions(self) -> list[tuple[bool, str, str]]:
        """Each condition that must not hold, with the setting that mends it."""
        url, certificates = self.timestamp_url, self.timestamp_certificates
        webhook = any(SinkAddress.parse(each).is_webhook for each in self.sinks)
        too_many = (self.witness_quorum or 0) > len(self.witnesses)
        half = self.database_url is None and self.owner_url is not None
        return [
            (half, "ITM_DATABASE_URL", "is missing, while ITM_DATABASE_OWNER_URL is set"),
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
        """How many cosignatures make a checkpoint witnessed; 0: there are no witnesses."""
        return self.witness_quorum or (len(self.witnesses) // 2 + 1 if self.witnesses else 0)

    @property
    def witnessed_here(self) -> bool:
        """Whether witnesses on this machine are enough for *witnessed*: a second process, and no second party."""
        here = sum(Witness.parse(each).is_here for each in self.witnesses)
        return bool(self.witnesses) and here >= self.quorum

    def require(self, *names: str) -> Settings:
        """Itself, or SettingError for those of these variables that have no value."""
        needed = [setting for setting in SETTINGS if setting.name in names]
        absent = [each for each in needed if getattr(self, each.attribute) is None]
        all_at_once(*(partial(self._refuse, True, each.name, f"is missing ({each.meaning})") for each in absent))
        return self

    def master_key(self) -> bytes:
        """The 32 bytes that wrap every institution's key, read from their file."""
        path = self.master_key_file
        if path is None:
            raise SettingError("ITM_MASTER_KEY_FILE", "is missing")
        private("ITM_MASTER_KEY_FILE", path)
        try:
            key = base64.b64decode(path.read_text("ascii").strip(), validate=True)
        except OSError as error:
            raise SettingError("ITM_MASTER_KEY_FILE", f"{path}: {error.strerror}") from None
        except (UnicodeError, binascii.Error):
            key = b""
        if len(key) != 32:
            raise SettingError("ITM_MASTER_KEY_FILE", f"{path}: 32 bytes in base64 are expected")
        return key

    def sink_secret(self) -> bytes:
        """What signs batches for webhooks, read from its file."""
        path = self.require("ITM_SINK_SECRET_FILE").sink_secret_file or Path()
        private("ITM_SINK_SECRET_FILE", path)
        try:
            secret = path.read_bytes().strip()
        except OSError as error:
            raise SettingError("ITM_SINK_SECRET_FILE", f"{path}: {error.strerror}") from None
        if len(secret) < 32:
            raise SettingError("ITM_SINK_SECRET_FILE", f"{path}: at least 32 bytes are expected")
        return secret

    def environment(self, *names: str) -> dict[str, str]:
        """A child's clean environment: these variables, as far as they have a value, and the bare system's."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ") if name in os.environ}
        ours = {s.name: _written(getattr(self, s.attribute), s.separator) for s in SETTINGS if s.name in names}
        return {"LANG": "C.UTF-8", **kept, **{name: value for name, value in ours.items() if value}}


def _refuse_unknown(name: str) -> None:
    if name.startswith("ITM_") and name not in TEST_SETTINGS and name not in {setting.name for setting in SETTINGS}:
        raise SettingError(name, "there is no such setting")


def _take(setting: Setting, value: str, values: dict[str, Any]) -> None:
    """Empty means not set."""
    try:
        if value:
            values[setting.attribute] = setting.parse(value)
    except ValueError as error:
        raise SettingError(setting.name, str(error)) from None


def _written(value: Any, separator: str) -> str:
    if value is None or value is False:
        return ""
    if value is True:
        return "yes"
    return separator.join(value) if isinstance(value, tuple) else str(value)

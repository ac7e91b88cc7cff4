"""Every setting: its variable, how its value is read and what it means. README's table is made from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from itm_admin.foundation import identity_providers, smtp_address
from itm_admin.foundation import setting_values as read
from itm_admin.foundation.sink_address import addresses


@dataclass(frozen=True)
class Setting:
    """One variable: its name in Settings, its parser and its meaning."""

    name: str
    attribute: str
    parse: Callable[[str], Any]
    default: str
    """As shown in the README; '' = none."""
    meaning: str
    separator: str = ","
    """The separator of a value with several parts."""


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "ITM_HOME",
        "home",
        read.folder,
        "var/ (root: /var/lib/itm)",
        "Data folder of an installation on this machine",
    ),
    Setting("ITM_HOST", "host", read.text, "127.0.0.1", "Address that the web server listens on"),
    Setting("ITM_PORT", "port", read.between(1, 65535), "8080", "Port that the web server listens on"),
    Setting(
        "ITM_DATABASE_URL",
        "database_url",
        read.database,
        "",
        "Application role on an external server (none: embedded)",
    ),
    Setting(
        "ITM_DATABASE_DIRECT_URL",
        "direct_url",
        read.database,
        "",
        "The same on the server itself, if ITM_DATABASE_URL leads through a pooler: for what needs a whole session",
    ),
    Setting(
        "ITM_DATABASE_OWNER_URL",
        "owner_url",
        read.database,
        "",
        "Owner role: migrations, and commands that work for nobody in the panel (needed beside the former)",
    ),
    Setting(
        "ITM_DATABASE_SIGNER_URL",
        "signer_url",
        read.database,
        "",
        "Signer role: the scheduler's ledger work (needed beside the former)",
    ),
    Setting(
        "ITM_DATABASE_PURGER_URL",
        "purger_url",
        read.database,
        "",
        "Purger role: itm ledger purge alone; set it for that command only",
    ),
    Setting(
        "ITM_RETENTION_YEARS",
        "retention_years",
        read.between(5, 100),
        "10",
        "Years after which the ledger's content may be purged",
    ),
    Setting(
        "ITM_FULL_SECONDS",
        "full_seconds",
        read.between(0, 86_400),
        "120",
        "All entries are verified every hour while that takes no more seconds, else every night",
    ),
    Setting(
        "ITM_SECRET_KEY",
        "secret_key",
        read.secret,
        "",
        "Signs session cookies, 32 characters or more (embedded: made once, kept in ITM_HOME/secrets); "
        "itm migrate tells the database its part of it",
    ),
    Setting(
        "ITM_MASTER_KEY_FILE",
        "master_key_file",
        read.folder,
        "",
        "File with the master key, 32 bytes in base64 (embedded: made once, kept in ITM_HOME/secrets)",
    ),
    Setting(
        "ITM_MASTER_KEY_SHARE_FILE",
        "master_key_share_file",
        read.folder,
        "",
        "File with the second share, if the master key is kept in two (itm keys split)",
    ),
    Setting(
        "ITM_MASTER_KEY_COMMAND",
        "master_key_command",
        read.text,
        "",
        "Command that prints the master key instead, for a KMS or an HSM; no shell reads it",
    ),
    Setting(
        "ITM_SIGNING_KEY_FILE",
        "signing_key_file",
        read.folder,
        "",
        "File with the key that signs checkpoints, made at the first round (embedded: in ITM_HOME/secrets)",
    ),
    Setting(
        "ITM_CHECKPOINTS",
        "checkpoints",
        read.folder,
        "",
        "Folder of signed checkpoints, best where files cannot be changed (none: ITM_HOME/checkpoints)",
    ),
    Setting(
        "ITM_ERASURES",
        "erasures",
        read.folder,
        "",
        "Folder of the list of erasures, outside every backup of the database (none: ITM_HOME/erasures)",
    ),
    Setting(
        "ITM_WITNESSES",
        "witnesses",
        read.witnesses,
        "",
        "Who is asked to cosign checkpoints: URL=VKEY, commas between them",
    ),
    Setting(
        "ITM_WITNESS_QUORUM",
        "witness_quorum",
        read.between(1, 100),
        "",
        "How many cosignatures make a checkpoint witnessed (none: more than half of the witnesses)",
    ),
    Setting(
        "ITM_TIMESTAMP_URL",
        "timestamp_url",
        read.timestamp_authority,
        "",
        "RFC 3161 authority that stamps the Presidency's checkpoints",
    ),
    Setting(
        "ITM_TIMESTAMP_CERTIFICATES",
        "timestamp_certificates",
        read.timestamp_certificates,
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
        read.folder,
        "",
        "File with the secret that signs what https:// sinks get, 32 bytes or more",
    ),
    Setting(
        "ITM_SINK_AUTHORITIES",
        "sink_authorities",
        read.folder,
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
    Setting("ITM_SMTP_FROM", "smtp_from", read.mail, "", "Address that mails come from (needed beside the former)"),
    Setting("ITM_SMTP_PASSWORD_FILE", "smtp_password_file", read.folder, "", "File with that user's password"),
    Setting(
        "ITM_SMTP_AUTHORITIES",
        "smtp_authorities",
        read.folder,
        "",
        "File with the certificates of the authorities that this server is checked against (none: the system's)",
    ),
    Setting("ITM_WEB_WORKERS", "web_workers", read.between(1, 64), "2", "Processes of the web server"),
    Setting("ITM_WEB_THREADS", "web_threads", read.between(1, 128), "8", "Threads of each of them"),
    Setting(
        "ITM_WEB_CONNECTIONS",
        "web_connections",
        read.between(50, 20000),
        "1000",
        "Connections that each of them holds; beyond, the one that waited longest is closed",
    ),
    Setting(
        "ITM_WEB_CONNECTIONS_PER_ADDRESS",
        "web_connections_per_address",
        read.between(10, 20000),
        "200",
        "The same of one address (a trusted proxy: not bounded here)",
    ),
    Setting(
        "ITM_WEB_REQUEST_SECONDS",
        "web_request_seconds",
        read.between(1, 600),
        "10",
        "Seconds for a request's header to arrive; twice that, and a second for each 1000 bytes, with its body",
    ),
    Setting(
        "ITM_TRUSTED_HOSTS",
        "trusted_hosts",
        read.names,
        "localhost,127.0.0.1",
        "Host names that requests may name, each exactly; with ITM_HTTPS a port other than 443 too",
    ),
    Setting(
        "ITM_TRUSTED_PROXIES",
        "trusted_proxies",
        read.proxies,
        "0",
        "Reverse proxies in front (127.0.0.1,10.0.0.0/24): only they may say for whom, for which host and how they ask",
    ),
    Setting(
        "ITM_HTTPS",
        "https",
        read.yes_or_no,
        "no",
        "Whether people reach it by HTTPS: cookies are then Secure",
    ),
    Setting(
        "ITM_SESSION_IDLE_MINUTES",
        "session_idle_minutes",
        read.between(5, 120),
        "30",
        "Minutes without an act after which a session ends",
    ),
    Setting("ITM_SESSION_HOURS", "session_hours", read.between(1, 24), "12", "Hours after which it ends in any case"),
    Setting(
        "ITM_IDENTITY_PROVIDERS_FILE",
        "identity_providers_file",
        identity_providers.checked_path,
        "",
        "TOML file with the institutions' own providers of sign-in and their secrets (none: passwords and passkeys)",
    ),
    Setting(
        "ITM_API_KEY_DAYS", "api_key_days", read.between(1, 366), "90", "Days for which an API key is valid at most"
    ),
)

TEST_SETTINGS: Mapping[str, str] = {
    "ITM_TEST_DATABASE_URL": "Superuser's address of a server that the tests use instead of an embedded one",
    "ITM_TEST_CHROMIUM": "Chromium's path for the tests (none: the system's, or the one that make test downloaded)",
}

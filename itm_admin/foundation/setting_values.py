"""Parsers of settings' values. Each raises ValueError that states the expected form."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from audit import authority
from audit.witness_client import Witness
from itm_admin.foundation.proxies import network


def text(value: str) -> str:
    return value


def folder(value: str) -> Path:
    return Path(value).expanduser().absolute()


def between(least: int, most: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not (value.isascii() and value.isdigit()) or not least <= int(value) <= most:
            raise ValueError(f"a whole number from {least} to {most} is expected")
        return int(value)

    return parse


def yes_or_no(value: str) -> bool:
    words = {"1": True, "yes": True, "true": True, "0": False, "no": False, "false": False}
    if value.lower() not in words:
        raise ValueError("yes or no is expected")
    return words[value.lower()]


def names(value: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in value.split(",") if name.strip())
    if not names or any(name.startswith(".") or set(name) & set("/* @") for name in names):
        raise ValueError("host names are expected, with commas between them, without scheme, path or pattern")
    return names


def proxies(value: str) -> tuple[str, ...]:
    """Addresses and networks; 0 for none."""
    return () if value == "0" else tuple(network(part.strip()) for part in value.split(","))


def secret(value: str) -> str:
    if len(value) < 32:
        raise ValueError("at least 32 characters are expected")
    return value


def mail(value: str) -> str:
    local, at, domain = value.rpartition("@")
    if not (local and at and domain) or not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("an e-mail address is expected")
    return value


def witnesses(value: str) -> tuple[str, ...]:
    """The witnesses as written, after a check that each can be used."""
    found = tuple(part.strip() for part in value.split(",") if part.strip())
    keys = [Witness.parse(part).key for part in found]
    if len({key.name for key in keys}) < len(keys) or len({key.public for key in keys}) < len(keys):
        raise ValueError("each witness once, with a name and a key of its own, is expected")
    return found


def timestamp_authority(value: str) -> str:
    authority.address(value)
    return value


def timestamp_certificates(value: str) -> Path:
    """A file that can be used now: otherwise the fault would show only when a stamp is needed."""
    path = folder(value)
    try:
        authority.Trusted.parse(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except ValueError:
        raise ValueError(f"{path}: a PEM file with the authority's root certificate is expected") from None
    return path


def database(value: str) -> str:
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
    """True if every server in the address is this machine: all others must prove their identity."""
    named = [url.host, *(url.query.get(key) for key in ("host", "hostaddr"))]
    hosts = [host for each in named if each for host in (each.split(",") if isinstance(each, str) else each)]
    hosts = hosts or [os.environ.get("PGHOST", ""), os.environ.get("PGHOSTADDR", "")]  # as libpq does
    here = ("", "localhost", "127.0.0.1", "::1")
    return "service" not in url.query and all(host in here or host.startswith(("/", "@")) for host in hosts)

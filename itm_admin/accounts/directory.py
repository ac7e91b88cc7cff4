"""An institution's directory (LDAP, Active Directory): proves a name and a password, and finds people by their id.

Promises: nothing is sent before the server has proved its name by TLS; one connection for each proof; no referral and
no alias is followed; exactly one entry, or nobody; no name or password stands in a filter, an address or an error as
it was typed. Knows no database. It may hang as long as its server lets it: callers go through directory_calls.
"""

from __future__ import annotations

import re
import socket
import ssl
import unicodedata
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import ldap3
from ldap3.core.exceptions import LDAPExceptionError
from ldap3.utils.conv import escape_filter_chars
from ldap3.utils.dn import escape_rdn
from pyasn1.error import PyAsn1Error

from itm_admin.accounts import directory_answers
from itm_admin.accounts.directory_answers import CLOSED_BY, Refused
from itm_admin.foundation.directories import NAME, Directory

LONGEST = 256
"""Characters of a typed name or password."""
_PEOPLE = ("givenName", "sn", "displayName", "cn", "mail")
_SUCCESS = 0
_UNREADABLE = (PyAsn1Error, TypeError, ValueError, AttributeError, LookupError)
"""Raised where the library cannot read an answer."""
_TURKISH = str.maketrans("İı", "ii")
_OTHERS = re.compile(r"[^\w.\-]")
"""Letters that may not stand in a name such as name@institution, where nothing escapes them."""


class Unreachable(Exception):
    """The directory gave no answer that counts: it is down, slow, not who it should be, or set up differently."""


@dataclass(frozen=True)
class DirectoryPerson:
    """Somebody whom a directory knows. `closed`: why the directory lets the person in no more."""

    subject: str
    name: str
    given_name: str
    family_name: str
    email: str | None
    closed: str | None = None


class Wire:
    """The open socket of a question, so that another thread can end it."""

    def __init__(self) -> None:
        self._connection: ldap3.Connection | None = None

    def is_at(self, connection: ldap3.Connection) -> None:
        self._connection = connection

    def cut(self) -> None:
        open_one = getattr(self._connection, "socket", None)
        if open_one is not None:
            with suppress(OSError):
                open_one.shutdown(socket.SHUT_RDWR)


def prove(directory: Directory, name: str, password: str, wire: Wire) -> DirectoryPerson:
    """The person of a name and a password. Raises Refused or Unreachable, without either of the two."""
    name = name.strip()
    if not fit(name) or not fit(password):  # an empty password would be an anonymous bind, which is always right
        raise Refused("directory_refused")
    if directory.bind_name:
        _bind(directory, _bound_name(directory.bind_name, name), password, wire)
        with _serving(directory, wire) as connection:
            return _only_one(_found(connection, directory, *_place_of(directory, name)), directory)[1]
    with _serving(directory, wire) as connection:
        entries = _found(connection, directory, directory.base, _filter(directory.filter, name), ldap3.SUBTREE)
    try:
        place, person = _only_one(entries, directory)
    except Refused:  # as long as for a name that is there
        with suppress(Refused):
            _bind(directory, f"cn={uuid.uuid4()},{directory.base}", password, wire)
        raise
    _bind(directory, place, password, wire)
    return person


def look_up(directory: Directory, subjects: Sequence[str], wire: Wire) -> Mapping[str, DirectoryPerson | None]:
    """The people of these ids; None for one who is not there. Raises Unreachable, also if the base is not there."""
    with _serving(directory, wire) as connection:
        _base_is_there(connection, directory)
        people: dict[str, DirectoryPerson | None] = {}
        for subject in subjects:
            entries = _found(connection, directory, directory.base, _by_id(directory.id, subject), ldap3.SUBTREE)
            people[subject] = _person(entries[0][1], directory) if len(entries) == 1 else None
    return people


def fit(typed: str) -> bool:
    """True if this can be a name or a password: not empty, no control character, not endless."""
    return 0 < len(typed) <= LONGEST and not any(ord(each) < 32 or ord(each) == 127 for each in typed)


class _Verified(ldap3.Tls):
    """The library's own check of names is older than Python's; this one is Python's."""

    def __init__(self, directory: Directory) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self.host = directory.host
        self.context = ssl.create_default_context(cadata=directory.certificates or None)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2

    def wrap_socket(self, connection: ldap3.Connection, do_handshake: bool = False) -> None:
        connection.socket = self.context.wrap_socket(connection.socket, server_hostname=self.host)


@contextmanager
def _connected(directory: Directory, name: str, password: str, wire: Wire) -> Iterator[ldap3.Connection]:
    """A connection on which TLS stands, and nothing was said yet. Its errors are Unreachable, by their kind alone."""
    try:
        server = ldap3.Server(
            directory.host, directory.port, use_ssl=not directory.start_tls, get_info=ldap3.NONE,
            tls=_Verified(directory), connect_timeout=directory.connect_seconds,
        )  # fmt: skip
        connection = ldap3.Connection(
            server, name, password.encode(), authentication=ldap3.SIMPLE, auto_bind=ldap3.AUTO_BIND_NONE, version=3,
            auto_referrals=False, read_only=True, check_names=False, receive_timeout=directory.seconds,
        )  # fmt: skip
        wire.is_at(connection)
        try:
            connection.open(read_server_info=False)
            if directory.start_tls and not connection.start_tls(read_server_info=False):
                raise Unreachable("StartTLS")
            if not isinstance(connection.socket, ssl.SSLSocket):
                raise Unreachable("no TLS")
            yield connection
        finally:
            connection.strategy.close()
    except (LDAPExceptionError, OSError, ssl.SSLError) as error:
        raise Unreachable(type(error).__name__) from None
    except _UNREADABLE as error:
        raise Unreachable(type(error).__name__) from None


@contextmanager
def _serving(directory: Directory, wire: Wire) -> Iterator[ldap3.Connection]:
    """A connection of the service account."""
    with _connected(directory, directory.service_name, directory.service_password, wire) as connection:
        if not connection.bind(read_server_info=False):
            raise Unreachable(f"service account: {connection.result['result']}")
        yield connection


def _bind(directory: Directory, name: str, password: str, wire: Wire) -> None:
    """Raises Refused unless the directory takes this password."""
    with _connected(directory, name, password, wire) as connection:
        connection.bind(read_server_info=False, controls=[directory_answers.POLICY])
        result = connection.result
    refusal = directory_answers.refusal(result)
    if refusal is None:
        raise Unreachable(f"bind: {result['result']}")
    if refusal:
        raise Refused(refusal)


def _found(
    connection: ldap3.Connection, directory: Directory, place: str, wanted: str, scope: str
) -> list[tuple[str, Mapping[str, Sequence[bytes]]]]:
    """Names and attributes of the entries, two at most. What only refers to another directory is none."""
    connection.search(
        place, wanted, scope, dereference_aliases=ldap3.DEREF_NEVER, size_limit=2, time_limit=directory.seconds,
        attributes=[directory.id, *_PEOPLE, *CLOSED_BY],
    )  # fmt: skip
    result = connection.result["result"]
    if result == directory_answers.NO_SUCH_OBJECT:
        return []
    if result not in (_SUCCESS, directory_answers.SIZE_LIMIT):
        raise Unreachable(f"search: {result}")
    entries = [each for each in connection.response if each["type"] == "searchResEntry"]
    if result == directory_answers.SIZE_LIMIT and len(entries) < 2:
        raise Unreachable("search: cut short")
    return [(each["dn"], _lowered(each["raw_attributes"])) for each in entries]


def _base_is_there(connection: ldap3.Connection, directory: Directory) -> None:
    connection.search(directory.base, "(objectClass=*)", ldap3.BASE, attributes=["1.1"], time_limit=directory.seconds)
    entries = [each for each in connection.response or () if each["type"] == "searchResEntry"]
    if connection.result["result"] != _SUCCESS or len(entries) != 1:
        raise Unreachable(f"base: {connection.result['result']}")


def _only_one(
    entries: Sequence[tuple[str, Mapping[str, Sequence[bytes]]]], directory: Directory
) -> tuple[str, DirectoryPerson]:
    if len(entries) != 1:
        raise Refused("directory_unknown" if not entries else "directory_several")
    place, attributes = entries[0]
    return place, _person(attributes, directory)


def _person(attributes: Mapping[str, Sequence[bytes]], directory: Directory) -> DirectoryPerson:
    def text(name: str) -> str:
        values = attributes.get(name.lower()) or (b"",)
        return values[0].decode("utf-8", "replace").strip()

    name = text("displayName") or text("cn")
    given, _, family = name.rpartition(" ")
    return DirectoryPerson(
        _subject(attributes, directory.id),
        name[:200],
        (text("givenName") or given or name)[:100],
        (text("sn") or family or name)[:100],
        text("mail")[:200] or None,
        directory_answers.closed(attributes),
    )


def _subject(attributes: Mapping[str, Sequence[bytes]], id: str) -> str:
    """The id as a UUID is written; an entry without exactly one is nobody's."""
    values = attributes.get(id.lower()) or ()
    if len(values) != 1:
        raise Unreachable(f"no {id}")
    try:
        return str(uuid.UUID(bytes_le=values[0]) if id == "objectGUID" else uuid.UUID(values[0].decode("ascii")))
    except ValueError:
        raise Unreachable(f"no {id}") from None


def _by_id(id: str, subject: str) -> str:
    known = uuid.UUID(subject)
    if id == "objectGUID":
        return "(objectGUID=" + "".join(f"\\{each:02x}" for each in known.bytes_le) + ")"
    return f"({id}={known})"


def _filter(pattern: str, name: str) -> str:
    """The search for a typed name, and for what it is without Caps Lock on a Turkish keyboard."""
    spellings = dict.fromkeys((name, _plain(name)))
    ways = [pattern.replace(NAME, escape_filter_chars(each)) for each in spellings]
    return ways[0] if len(ways) == 1 else f"(|{''.join(ways)})"


def _bound_name(template: str, name: str) -> str:
    name = _plain(name)
    if "=" in template:
        return template.replace(NAME, escape_rdn(name))
    if _OTHERS.search(name):
        raise Refused("directory_refused")
    return template.replace(NAME, name)


def _place_of(directory: Directory, name: str) -> tuple[str, str, str]:
    """Base, filter and scope of the entry whose name has just been bound with."""
    bound = _bound_name(directory.bind_name, name)
    if "=" in bound:
        return bound, "(objectClass=*)", ldap3.BASE
    return directory.base, f"(userPrincipalName={escape_filter_chars(bound)})", ldap3.SUBTREE


def _plain(name: str) -> str:
    """Without Caps Lock on a Turkish keyboard, where that leaves plain letters: a directory keeps the others."""
    folded = unicodedata.normalize("NFKC", name).translate(_TURKISH).lower()
    return folded if folded.isascii() else name


def _lowered(attributes: Mapping[str, Any]) -> dict[str, Sequence[bytes]]:
    return {name.lower(): values for name, values in attributes.items()}

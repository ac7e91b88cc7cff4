"""A real slapd on loopback: TLS by an authority of its own, a password policy, entries as Active Directory has them."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import ldap3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from itm_admin.foundation.directories import FILTERS, Directory
from tests.machine import environment_of, slapd

BASE = "dc=kurum,dc=example"
PEOPLE = f"ou=people,{BASE}"
SERVICE, SERVICE_PASSWORD = f"cn=reader,{BASE}", "hizmet-parolasi-1"
ROOT, ROOT_PASSWORD = f"cn=root,{BASE}", "kok-parolasi-1"
PASSWORD = "dizin parolası 7"
_SCHEMAS = ("core", "cosine", "inetorgperson")
_CONF = """
{includes}
attributetype ( 1.3.6.1.4.1.55555.1 NAME 'objectGUID' EQUALITY octetStringMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.55555.2 NAME ( 'sAMAccountName' 'userPrincipalName' ) EQUALITY caseIgnoreMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.3.6.1.4.1.55555.3 NAME 'objectCategory' EQUALITY caseIgnoreMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.3.6.1.4.1.55555.4 NAME ( 'userAccountControl' ) EQUALITY integerMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
objectclass ( 1.3.6.1.4.1.55555.9 NAME 'user' SUP top AUXILIARY
  MAY ( objectGUID $ sAMAccountName $ objectCategory $ userAccountControl ) )
modulepath {modules}
moduleload back_mdb
moduleload ppolicy
moduleload retcode
pidfile {folder}/pid
argsfile {folder}/args
TLSCACertificateFile {folder}/authority.pem
TLSCertificateFile {folder}/server.pem
TLSCertificateKeyFile {folder}/server.key
TLSVerifyClient never
disallow bind_anon
database mdb
directory {folder}/data
suffix "{base}"
rootdn "{root}"
rootpw {root_password}
index uid,entryUUID eq
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{service}" read by * none
overlay ppolicy
ppolicy_default "cn=policy,{base}"
ppolicy_use_lockout
overlay retcode
retcode-parent "ou=answers,{base}"
"""
_ANSWER = (
    'retcode-item "cn={name}" 0x31 op=bind'
    ' text="80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data {code}, v4563"\n'
)
_SUB_CODES = ("52e", "530", "532", "533", "701", "773", "775")


@dataclass(frozen=True)
class Slapd:
    """One that runs, and its administrator's hands."""

    folder: Path
    port: int
    secure: int

    @property
    def authority(self) -> str:
        return (self.folder / "authority.pem").read_text("ascii")

    def directory(self, **other: object) -> Directory:
        """The settings of this directory, by StartTLS or, with `secure`, by LDAPS."""
        by_ldaps = bool(other.pop("secure", False))
        values: dict[str, object] = {
            "issuer": "kurum.example", "host": "localhost", "port": self.secure if by_ldaps else self.port,
            "start_tls": not by_ldaps,
            "certificates": self.authority, "base": PEOPLE, "id": "entryUUID", "filter": FILTERS["entryUUID"],
            "service_name": SERVICE, "service_password": SERVICE_PASSWORD,
        }  # fmt: skip
        return Directory(**{**values, **other})  # type: ignore[arg-type]

    def add(self, name: str, place: str = PEOPLE, password: str | None = PASSWORD, **more: Any) -> str:
        """A person; gives the entryUUID."""
        attributes: dict[str, str | bytes] = {
            "uid": name, "cn": name, "sn": "Soyad", "givenName": "Ad", "mail": f"{name}@kurum.example", **more,
        }  # fmt: skip
        if password is not None:
            attributes["userPassword"] = password
        classes = ["inetOrgPerson", *(["user"] if "sAMAccountName" in more else [])]
        where = f"cn={name},{place}"
        with self.root() as connection:
            assert connection.add(where, classes, attributes), connection.result
            connection.search(where, "(objectClass=*)", ldap3.BASE, attributes=["entryUUID"])
            return str(uuid.UUID(str(connection.entries[0].entryUUID)))

    def change(self, name: str, **attributes: str | None) -> None:
        """Replaces attributes of a person; None takes one away."""
        changes = {each: [(ldap3.MODIFY_REPLACE, [] if text is None else [text])] for each, text in attributes.items()}
        with self.root() as connection:
            assert connection.modify(f"cn={name},{PEOPLE}", changes), connection.result

    def remove(self, name: str) -> None:
        with self.root() as connection:
            assert connection.delete(f"cn={name},{PEOPLE}"), connection.result

    @contextmanager
    def root(self) -> Iterator[ldap3.Connection]:
        server = ldap3.Server("127.0.0.1", self.port, get_info=ldap3.NONE)
        with ldap3.Connection(server, ROOT, ROOT_PASSWORD, auto_bind=True, check_names=False) as connection:
            yield connection


@contextmanager
def running() -> Iterator[Slapd]:
    program = slapd()
    assert program is not None, "slapd is not here: `make test` gets it"
    folder = Path(tempfile.mkdtemp(prefix="itm-slapd-"))
    (folder / "data").mkdir()
    certificates(folder)
    place = Slapd(folder, free_port(), free_port())
    system = program.parents[2] if (program.parents[2] / "etc/ldap/schema").is_dir() else Path("/")
    modules = next(
        each for each in (system / "usr/lib/ldap", Path("/usr/lib/ldap"), Path("/usr/lib64/openldap")) if each.is_dir()
    )
    text = _CONF.format(
        includes="\n".join(f"include {system / 'etc/ldap/schema'}/{each}.schema" for each in _SCHEMAS), modules=modules,
        folder=folder, base=BASE, root=ROOT, root_password=ROOT_PASSWORD, service=SERVICE,
    )  # fmt: skip
    (folder / "slapd.conf").write_text(
        text + "".join(_ANSWER.format(name=f"d{each}", code=each) for each in _SUB_CODES), "utf-8"
    )
    where = f"ldap://127.0.0.1:{place.port}/ ldaps://127.0.0.1:{place.secure}/"
    words: list[str | Path] = [program, "-f", folder / "slapd.conf", "-h", where, "-d", "0"]
    try:
        with (
            (folder / "log").open("wb") as log,
            subprocess.Popen(words, stdout=log, stderr=log, env=environment_of(program), cwd="/") as process,
        ):
            try:
                _wait_for(place.port, process, folder / "log")
                _begin(place)
                yield place
            finally:
                process.terminate()
                process.wait(30)
    finally:
        shutil.rmtree(folder)


def _begin(place: Slapd) -> None:
    policy = {"pwdAttribute": "userPassword", "pwdLockout": "TRUE", "pwdMaxFailure": "50", "pwdMustChange": "TRUE"}
    entries: list[tuple[str, list[str], Mapping[str, str]]] = [
        (BASE, ["dcObject", "organization"], {"dc": "kurum", "o": "Kurum"}),
        (PEOPLE, ["organizationalUnit"], {"ou": "people"}),
        (f"ou=elsewhere,{BASE}", ["organizationalUnit"], {"ou": "elsewhere"}),
        (SERVICE, ["organizationalRole", "simpleSecurityObject"], {"cn": "reader", "userPassword": SERVICE_PASSWORD}),
        (f"cn=policy,{BASE}", ["organizationalRole", "pwdPolicy"], {"cn": "policy", **policy}),
    ]
    with place.root() as connection:
        for where, classes, attributes in entries:
            assert connection.add(where, classes, attributes), connection.result


def certificates(folder: Path, name: str = "localhost") -> None:
    """An authority, and a server's certificate by it for a name alone: its number is not in it."""
    now = datetime.now(UTC)
    authority, server = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])

    def made(
        subject: x509.Name, key: ec.EllipticCurvePrivateKey, *more: tuple[x509.ExtensionType, bool]
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
        )  # fmt: skip
        for extension, critical in more:
            builder = builder.add_extension(extension, critical)
        return builder.sign(authority, hashes.SHA256())

    of_authority = made(issuer, authority, (x509.BasicConstraints(ca=True, path_length=None), True))
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names = x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(IPv4Address("127.0.0.9"))])
    of_server = made(subject, server, (names, False))
    (folder / "authority.pem").write_bytes(of_authority.public_bytes(serialization.Encoding.PEM))
    (folder / "server.pem").write_bytes(of_server.public_bytes(serialization.Encoding.PEM))
    key = server.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.key").write_bytes(key)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    while process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
    raise AssertionError(log.read_text("utf-8", "replace"))

"""Questions to a directory, and the answers that count: a real slapd with TLS, and servers that mean harm."""

from __future__ import annotations

import socket
import threading
import traceback
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from itm_admin.accounts import directory_answers
from itm_admin.accounts.directory import DirectoryPerson, Unreachable, Wire, look_up, prove
from itm_admin.accounts.directory_answers import Refused
from itm_admin.accounts.directory_calls import EACH, DirectoryBusy, Places
from itm_admin.foundation.directories import FILTERS, Directory
from tests import slapd
from tests.slapd import BASE, PASSWORD, PEOPLE, Slapd

PATIENCE = 20
START_TLS_REFUSED = bytes.fromhex("300c02010178070a010204000400")
"""LDAP: the extended operation ended with protocolError."""


@pytest.fixture(scope="module")
def server() -> Iterator[Slapd]:
    with slapd.running() as place:
        place.add("ayse", displayName="Ayşe Kaya")
        yield place


def asked(directory: Directory, name: str, password: str = PASSWORD) -> DirectoryPerson:
    return prove(directory, name, password, Wire())


def reason(directory: Directory, name: str, password: str = PASSWORD) -> str:
    with pytest.raises(Refused) as refused:
        asked(directory, name, password)
    return refused.value.reason


@pytest.mark.parametrize("secure", [True, False], ids=["LDAPS", "StartTLS"])
def test_the_right_password_names_the_person_by_an_id_that_stays(server: Slapd, secure: bool) -> None:
    found = asked(server.directory(secure=secure), "ayse")
    assert str(uuid.UUID(found.subject)) == found.subject
    assert (found.name, found.given_name, found.family_name, found.closed) == ("Ayşe Kaya", "Ad", "Soyad", None)
    assert reason(server.directory(secure=secure), "ayse", "yanlış") == "directory_refused"


def test_a_name_is_found_as_people_type_it(server: Slapd) -> None:
    server.add("iom.elif")
    for typed in ("iom.elif", "İOM.ELİF", "ıom.elıf", " iom.elif "):
        assert asked(server.directory(), typed).name == "iom.elif"
        assert asked(server.directory(bind_name=f"cn={{name}},{PEOPLE}"), typed).name == "iom.elif"


@pytest.mark.parametrize("secure", [True, False], ids=["LDAPS", "StartTLS"])
def test_nothing_is_said_to_a_server_that_does_not_prove_its_name(server: Slapd, secure: bool) -> None:
    """Another name than the certificate's; and an authority that nobody named."""
    for other in ({"host": "127.0.0.1"}, {"certificates": ""}):
        with pytest.raises(Unreachable):
            asked(server.directory(secure=secure, **other), "ayse")


@pytest.mark.parametrize("answer", [START_TLS_REFUSED, b"", START_TLS_REFUSED[:-7] + b"\x00" * 7])
def test_no_password_leaves_in_clear(answer: bytes) -> None:
    """A server in the middle that refuses StartTLS, says nothing, or says nonsense."""
    with listening(lambda heard, connection: connection.sendall(answer)) as (port, heard):
        with pytest.raises(Unreachable) as refused:
            asked(nowhere(port), "ayse")
        everything = b"".join(heard)
    assert b"1.3.6.1.4.1.1466.20037" in everything
    for secret in (PASSWORD, slapd.SERVICE_PASSWORD):
        assert secret.encode() not in everything
        assert secret not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize(
    "name",
    [
        "*",
        "ay*",
        "ayse)(uid=*",
        "*)(|(uid=*",
        "ayse)(|(cn=*",
        "ayse\\2a",
        "\\61yse",
        "ayse\x00",
        "ayse\x00)(uid=*",
        "",
        "a" * 300,
    ],
)
def test_a_name_is_no_part_of_a_filter(server: Slapd, name: str) -> None:
    assert reason(server.directory(), name) in ("directory_unknown", "directory_refused")


def test_a_name_with_marks_of_its_own_is_a_name(server: Slapd) -> None:
    for name in ("a*(b)\\c", "Kaya, Ayşe+1", "#1 = <x>;"):
        escaped = "".join(f"\\{each}" if each in ',+"\\<>;=#' else each for each in name)
        with server.root() as connection:
            values = {"uid": name, "sn": "Soyad", "userPassword": PASSWORD}
            assert connection.add(f"cn={escaped},{PEOPLE}", ["inetOrgPerson"], values), connection.result
        assert asked(server.directory(), name).name == name
        assert asked(server.directory(bind_name=f"cn={{name}},{PEOPLE}"), name).name == name


def test_a_name_is_no_part_of_a_place(server: Slapd) -> None:
    """Unescaped, the second name would be an entry below another branch."""
    with server.root() as connection:
        connection.add(f"ou=hidden,{PEOPLE}", ["organizationalUnit"], {"ou": "hidden"})
    server.add("boss", place=f"ou=hidden,{PEOPLE}")
    directory = server.directory(bind_name=f"cn={{name}},{PEOPLE}")
    assert asked(directory, "ayse").name == "Ayşe Kaya"
    for name in ("boss,ou=hidden", "boss\\,ou=hidden", "ayse+uid=ayse", "ayse;ou=hidden"):
        assert reason(directory, name) == "directory_refused"
    for name in ("boss@kurum.example", "KURUM\\boss", "bo ss", "boss,x"):
        nobody = replace(nowhere(slapd.free_port()), bind_name="{name}@kurum.example")
        assert reason(nobody, name) == "directory_refused", "nothing escapes it there, so nobody is asked"


def test_an_empty_password_is_refused_before_anybody_is_asked() -> None:
    """To a directory it is an anonymous bind, which always succeeds. Nobody listens at this port."""
    closed = nowhere(slapd.free_port())
    for password in ("", "\x00", "parola\x00", "p" * 300):
        assert reason(closed, "ayse", password) == "directory_refused"
    with pytest.raises(Unreachable):
        asked(closed, "ayse", "p")


def test_two_entries_of_a_name_are_nobody(server: Slapd) -> None:
    server.add("ikiz")
    server.add("ikiz2", uid="ikiz")
    assert reason(server.directory(), "ikiz") == "directory_several"


def test_an_entry_without_its_id_is_nobody(server: Slapd) -> None:
    server.add("kimliksiz")
    with pytest.raises(Unreachable):
        asked(server.directory(id="objectGUID", filter=FILTERS["entryUUID"]), "kimliksiz")


def test_no_referral_and_no_alias_is_followed(server: Slapd) -> None:
    with listening(lambda heard, connection: connection.sendall(b"")) as (port, heard):
        with server.root() as connection:
            place = f"cn=away,{PEOPLE}"
            classes = ["referral", "extensibleObject"]
            assert connection.add(place, classes, {"cn": "away", "ref": f"ldap://127.0.0.1:{port}/{place}??sub"})
            target = f"cn=elsewhere,ou=elsewhere,{BASE}"
            server.add("elsewhere", place=f"ou=elsewhere,{BASE}")
            named = {"cn": "alias", "uid": "alias", "aliasedObjectName": target}
            assert connection.add(f"cn=alias,{PEOPLE}", ["alias", "extensibleObject"], named), connection.result
        assert reason(server.directory(), "away") == "directory_unknown"
        assert reason(server.directory(), "elsewhere") == "directory_unknown"
        with pytest.raises((Refused, Unreachable)):
            asked(server.directory(bind_name=f"cn={{name}},{PEOPLE}"), "away")
        with pytest.raises(Unreachable):
            look_up(server.directory(base=place), [str(uuid.uuid4())], Wire())
        assert asked(server.directory(), "ayse").name == "Ayşe Kaya"
        with server.root() as connection:
            connection.delete(place, controls=[("2.16.840.1.113730.3.4.2", False, None)])
    assert heard == []


def test_a_name_that_is_given_again_is_another_person(server: Slapd) -> None:
    server.add("tekrar")
    first = asked(server.directory(), "tekrar").subject
    server.remove("tekrar")
    assert look_up(server.directory(), [first], Wire()) == {first: None}
    server.add("tekrar")
    assert asked(server.directory(), "tekrar").subject != first


def test_active_directorys_people_are_known_by_their_objectguid(server: Slapd) -> None:
    guid = uuid.uuid4()
    more: dict[str, Any] = {
        "objectGUID": guid.bytes_le,
        "userAccountControl": "512",
        "objectCategory": "person",
    }
    server.add("adkisi", sAMAccountName="ad.kisi", **more)
    directory = server.directory(id="objectGUID", filter=FILTERS["objectGUID"])
    assert asked(directory, "ad.kisi").subject == str(guid)
    found = look_up(directory, [str(guid)], Wire())[str(guid)]
    assert found is not None
    assert found.closed is None
    server.change("adkisi", userAccountControl="514")
    found = look_up(directory, [str(guid)], Wire())[str(guid)]
    assert found is not None
    assert found.closed == "directory_disabled"


@pytest.mark.parametrize(
    ("code", "wanted", "told"),
    [
        ("52e", "directory_refused", False), ("775", "directory_locked", False), ("530", "directory_hours", False),
        ("532", "password_expired", True), ("773", "password_must_change", True),
        ("533", "directory_disabled", True), ("701", "directory_expired", True),
    ],
)  # fmt: skip
def test_a_refusal_is_told_only_where_it_takes_the_right_password(
    server: Slapd, code: str, wanted: str, told: bool
) -> None:
    with pytest.raises(Refused) as refused:
        asked(server.directory(bind_name=f"cn={{name}},ou=answers,{BASE}"), f"d{code}")
    assert (refused.value.reason, refused.value.told) == (wanted, told)


def test_the_password_policy_is_heard(server: Slapd) -> None:
    server.add("kilitli")
    server.change("kilitli", pwdReset="TRUE")
    assert reason(server.directory(), "kilitli") == "password_must_change"
    assert reason(server.directory(), "kilitli", "yanlış") == "directory_refused"
    server.change("kilitli", pwdReset=None, pwdAccountLockedTime="000001010000Z")
    assert reason(server.directory(), "kilitli") == "directory_locked"


def test_closed_is_told_from_locked_for_a_while() -> None:
    now, of = datetime(2026, 12, 1, tzinfo=UTC), directory_answers.closed
    for closed in (
        {"useraccountcontrol": [b"514"]}, {"accountexpires": [b"133000000000000000"]},
        {"pwdaccountlockedtime": [b"000001010000Z"]}, {"nsaccountlock": [b"true"]}, {"logindisabled": [b"TRUE"]},
    ):  # fmt: skip
        assert of(closed, now), closed
    for open_one in (
        {}, {"useraccountcontrol": [b"512"]}, {"accountexpires": [b"0"]}, {"accountexpires": [b"9223372036854775807"]},
        {"pwdaccountlockedtime": [b"20261201000000Z"]}, {"nsaccountlock": [b"FALSE"]},
    ):  # fmt: skip
        assert of(open_one, now) is None, open_one


def test_a_base_that_is_gone_says_nothing_about_people(server: Slapd) -> None:
    with pytest.raises(Unreachable):
        look_up(server.directory(base=f"ou=renamed,{BASE}"), [str(uuid.uuid4())], Wire())
    with pytest.raises(Unreachable):
        look_up(server.directory(service_password="eski"), [str(uuid.uuid4())], Wire())


def test_a_directory_that_hangs_takes_two_places_and_keeps_nobody_else(server: Slapd) -> None:
    places, go_on = Places(4), threading.Event()
    answers: list[BaseException] = []

    def hangs(heard: list[bytes], connection: socket.socket) -> None:
        go_on.wait(PATIENCE)

    def asks() -> None:
        try:
            places.ask(stuck, lambda wire: prove(stuck, "ayse", PASSWORD, wire))
        except Unreachable as error:
            answers.append(error)

    with listening(hangs) as (port, heard):
        stuck = replace(nowhere(port), issuer="stuck", seconds=3)
        threads = [threading.Thread(target=asks) for _ in range(EACH)]
        for each in threads:
            each.start()
        while len(heard) < EACH:
            threads[0].join(0.01)
        with pytest.raises(DirectoryBusy):
            places.ask(stuck, lambda wire: prove(stuck, "ayse", PASSWORD, wire))
        well = server.directory()
        assert places.ask(well, lambda wire: prove(well, "ayse", PASSWORD, wire)).name == "Ayşe Kaya"
        for each in threads:
            each.join(PATIENCE)
        go_on.set()
    assert [type(each) for each in answers] == [Unreachable] * EACH


def test_a_directory_that_trickles_is_cut_off_and_gives_its_place_back() -> None:
    places, over = Places(4), threading.Event()
    gone: list[bool] = []

    def trickles(heard: list[bytes], connection: socket.socket) -> None:
        try:
            connection.sendall(b"\x30\x84\x7f\xff\xff\xff")
            while not over.wait(0.05):
                connection.sendall(b"\x00")
        except OSError:
            gone.append(True)

    with listening(trickles) as (port, _):
        slow = replace(nowhere(port), seconds=1)
        for _ in range(EACH + 1):
            with pytest.raises(Unreachable, match="in time"):
                places.ask(slow, lambda wire: prove(slow, "ayse", PASSWORD, wire))
            place = places._of(slow.issuer)
            assert place.acquire(timeout=PATIENCE)
            place.release()
        over.set()


def nowhere(port: int) -> Directory:
    """The settings of a directory at this port, which is none."""
    return Directory(
        "yok.example", "localhost", port, True, "", PEOPLE, "entryUUID", FILTERS["entryUUID"], slapd.SERVICE,
        slapd.SERVICE_PASSWORD,
    )  # fmt: skip


@contextmanager
def listening(answer: Callable[[list[bytes], socket.socket], None]) -> Iterator[tuple[int, list[bytes]]]:
    """A server that listens at a port, answers each connection's first message, and hears what comes."""
    heard: list[bytes] = []
    serving = socket.create_server(("127.0.0.1", 0))

    def attend(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(PATIENCE)
            heard.append(connection.recv(4096))
            answer(heard, connection)
            while said := connection.recv(4096):
                heard.append(said)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=attend, args=(serving.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield serving.getsockname()[1], heard
    finally:
        serving.close()

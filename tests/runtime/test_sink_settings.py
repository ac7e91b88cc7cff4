"""Addresses of sinks: what cannot work is refused at the start, and no secret is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from itm_admin.foundation.config import SettingError, Settings
from itm_admin.foundation.sink_address import SinkAddress
from itm_admin.ledger.sink_process import maker


@pytest.mark.parametrize(
    "value",
    [
        "nonsense",
        "file:relative/folder",
        "file://host/folder",
        "file:",
        "ftp://host/",
        "syslog://host",
        "syslog+tcp://",
        "syslog+tcp://:601",
        "syslog+tcp://host:0",
        "syslog+tcp://host:70000",
        "syslog+tcp://host:port",
        "syslog+udp://host/path",
        "https://",
        "https://user:password@host/",
        "https://host/#part",
        "http://host/",
        "http://192.0.2.1/",
        "syslog+tcp://[::1",
        "file:/srv/a file:/srv/a",
        "https://host/in https://host:443/in",
    ],
)
def test_an_address_that_cannot_be_used_is_refused(value: str) -> None:
    with pytest.raises(SettingError) as refused:
        Settings.from_environment({"ITM_SINKS": value, "ITM_SINK_SECRET_FILE": "/srv/secret"})
    assert str(refused.value).startswith("ITM_SINKS: ")
    assert "password" not in str(refused.value).replace("without user, password", "")


def test_a_file_where_a_folder_is_meant_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingError, match="^ITM_SINKS: file: names a folder"):
        Settings.from_environment({"ITM_SINKS": f"file:{tmp_path / 'file'}"})


@pytest.mark.parametrize(
    ("value", "name", "port"),
    [
        ("file:/srv/ledger/", "file:/srv/ledger", 0),
        ("syslog+tcp://siem.example", "syslog+tcp://siem.example:601", 601),
        ("syslog+tls://siem.example", "syslog+tls://siem.example:6514", 6514),
        ("syslog+udp://[2001:db8::1]:5514", "syslog+udp://[2001:db8::1]:5514", 5514),
        ("http://127.0.0.1:9/", "http://127.0.0.1:9#8a5edab2", 9),
    ],
)
def test_an_address_has_a_name_for_people_and_a_port(value: str, name: str, port: int) -> None:
    address = SinkAddress.parse(value)
    assert (address.name, address.port) == (name, port)


def test_a_webhooks_path_may_be_a_secret_and_is_neither_named_nor_shown() -> None:
    settings = Settings.from_environment(
        {"ITM_SINKS": "https://siem.example/in/T0K3N?key=S3CR3T", "ITM_SINK_SECRET_FILE": "/srv/secret"}
    )
    address = SinkAddress.parse(settings.sinks[0])
    assert address.path == "/in/T0K3N?key=S3CR3T"
    assert "T0K3N" not in address.name + repr(settings)
    assert address.name != SinkAddress.parse("https://siem.example/in").name


def test_several_sinks_come_through_a_childs_environment_as_they_were() -> None:
    said = {"ITM_SINKS": "file:/srv/a,b  https://siem.example/x,y?z", "ITM_SINK_SECRET_FILE": "/srv/secret"}
    settings = Settings.from_environment(said)
    again = Settings.from_environment(
        {name: value for name, value in settings.environment(*said).items() if name.startswith("ITM_")}
    )
    assert again.sinks == settings.sinks == ("file:/srv/a,b", "https://siem.example/x,y?z")


def test_a_webhook_needs_a_secret_of_32_bytes_and_nothing_else_needs_one(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="^ITM_SINK_SECRET_FILE: is missing"):
        Settings.from_environment({"ITM_SINKS": "https://siem.example/"})
    file = tmp_path / "secret"
    file.touch(0o600)
    file.write_bytes(b"short\n")
    said = {"ITM_SINKS": "https://siem.example/", "ITM_SINK_SECRET_FILE": str(file)}
    with pytest.raises(SettingError, match="^ITM_SINK_SECRET_FILE: .*at least 32 bytes"):
        maker(Settings.from_environment(said))
    file.write_bytes(b"x" * 32 + b"\n")
    assert Settings.from_environment(said).sink_secret() == b"x" * 32
    maker(Settings.from_environment({"ITM_SINKS": f"file:{tmp_path / 'out'}"}))


def test_authorities_that_are_none_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "authorities.pem"
    for content in (None, "nothing"):
        if content:
            file.write_text(content)
        with pytest.raises(SettingError, match="^ITM_SINK_AUTHORITIES: "):
            maker(Settings.from_environment({"ITM_SINKS": "syslog+tls://h", "ITM_SINK_AUTHORITIES": str(file)}))

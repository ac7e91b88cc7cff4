"""Entries passed on: at least once, in each ledger's order, with the same id, after a failure at any point."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import shutil
import socket
import ssl
import threading
import uuid
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from audit.ocsf import Sealed
from audit.store import streaming
from itm_admin.foundation.sink_address import SinkAddress
from itm_admin.ledger.alert_raising import LOST
from itm_admin.ledger.sink_file import INDEX, FileSink
from itm_admin.ledger.sink_process import SinkProcess
from itm_admin.ledger.sink_syslog import SyslogSink
from itm_admin.ledger.sink_webhook import WebhookSink
from itm_admin.ledger.sinks import BATCH, BEAT, LONGEST, Sink, Stream
from tests.conftest import Database
from tests.panel.assurance_world import until
from tests.panel.signing_world import SigningWorld
from tests.panel.sink_receivers import SyslogReceiver, certificate, webhook

NAME = "a sink"
SECRET = b"a secret of the tests, 32 bytes or more"


@pytest.fixture
def world(database: Database, superuser: Engine, tmp_path: Path) -> SigningWorld:
    world = SigningWorld(superuser, database, tmp_path)
    with database.engine("signer").begin() as connection:
        streaming.name_sinks(connection, [NAME])
    world.act_together("JGK", 3)
    return world


@pytest.fixture
def receiver() -> Iterator[SyslogReceiver]:
    with SyslogReceiver() as receiver:
        yield receiver


def _stream(world: SigningWorld, sink: Sink) -> Stream:
    """A process's stream, as it begins."""
    return Stream(world.database.engine("signer"), NAME, sink)


def _all(world: SigningWorld) -> set[str]:
    rows = world.run("select l.origin || '/' || f.seq from audit.leaf f join audit.ledger l on l.id = f.ledger_id")
    return {row[0] for row in rows}


def _ids(events: Sequence[Mapping[str, Any]]) -> list[str]:
    return [event["metadata"]["uid"] for event in events]


def _lines(folder: Path) -> list[dict[str, Any]]:
    files = [path.read_text("ascii").split("\n") for path in sorted(folder.glob("*.jsonl"))]
    return [json.loads(line) for lines in files for line in lines[:-1]]


def _in_order(events: Sequence[Mapping[str, Any]]) -> bool:
    """Of each ledger, and what came twice left out."""
    of: dict[str, list[int]] = {}
    for event in events:
        of.setdefault(event["metadata"]["log_name"], []).append(event["metadata"]["sequence"])
    return all(list(dict.fromkeys(seqs)) == list(range(max(seqs) + 1)) for seqs in of.values())


def _tls(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The sink's, which trusts the server's, and the server's."""
    file, server = certificate(folder)
    return ssl.create_default_context(cafile=file), server


class Killed(BaseException):
    """The process ends here."""


class Ending:
    """A sink of which the process is killed after it acknowledged, before anybody noted it."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def send(self, batch: Sequence[Sealed]) -> None:
        self._sink.send(batch)
        raise Killed

    def unsure(self) -> Mapping[uuid.UUID, int]:
        return {}

    def lost(self, passed_on: bool) -> Sequence[str]:
        return self._sink.lost(passed_on)

    def forget(self, names: Sequence[str]) -> None:
        self._sink.forget(names)

    def close(self) -> None:
        self._sink.close()


def test_a_new_sink_gets_every_ledger_from_its_first_entry_on(world: SigningWorld, tmp_path: Path) -> None:
    stream = _stream(world, FileSink(tmp_path / "out"))
    assert stream.step() == BEAT
    assert set(_ids(_lines(tmp_path / "out"))) == _all(world)
    world.act_together("ASHB", BATCH + 5)
    assert stream.step() == 0.0, "there is more"
    assert stream.step() == BEAT
    found = _lines(tmp_path / "out")
    assert (len(found), set(_ids(found))) == (len(_all(world)), _all(world))
    assert _in_order(found)


def test_killed_between_acknowledgement_and_cursor_repeats_and_loses_nothing(
    world: SigningWorld, tmp_path: Path
) -> None:
    dying = Ending(FileSink(tmp_path / "out"))
    with pytest.raises(Killed):
        _stream(world, dying).step()
    dying.close()
    world.act("JGK")
    _stream(world, FileSink(tmp_path / "out")).step()
    found = _lines(tmp_path / "out")
    assert set(_ids(found)) == _all(world)
    assert _in_order(found)
    twice = [event for event in found if _ids(found).count(event["metadata"]["uid"]) == 2]
    assert twice
    assert all(sum(other == event for other in twice) == 2 for event in twice), "the same id is the same event"


def test_files_are_one_for_each_day_and_another_when_one_is_large(world: SigningWorld, tmp_path: Path) -> None:
    day = [datetime(2026, 11, 24, 23, 59, tzinfo=UTC)]
    stream = _stream(world, FileSink(tmp_path / "out", lambda: day[0], largest=1))
    for _ in range(2):
        world.act("JGK")
        stream.step()
    day[0] += timedelta(minutes=2)
    world.act("JGK")
    stream.step()
    names = sorted(path.name for path in (tmp_path / "out").glob("*.jsonl"))
    assert names[-1] == "2026-11-25.0000.jsonl"
    assert names[:2] == ["2026-11-24.0000.jsonl", "2026-11-24.0001.jsonl"]
    assert _in_order(_lines(tmp_path / "out"))


def test_a_line_that_was_cut_off_stays_and_comes_whole_in_the_next_file(world: SigningWorld, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    today = lambda: datetime(2026, 11, 24, tzinfo=UTC)  # noqa: E731
    broken = folder / "2026-11-24.0000.jsonl"
    broken.write_text('{"metadata":{"ui')
    _stream(world, FileSink(folder, today)).step()
    assert broken.read_text() == '{"metadata":{"ui'
    assert set(_ids(_lines(folder))) == _all(world)


@pytest.mark.parametrize("loss", ["the file", "its end", "all files", "the folder"])
def test_a_loss_under_the_sink_is_alarmed_and_the_rest_goes_on(world: SigningWorld, tmp_path: Path, loss: str) -> None:
    """Nobody is told that all is well until somebody has acknowledged the alert."""
    folder = tmp_path / "out"
    first = FileSink(folder)
    _stream(world, first).step()
    first.close()
    (file,) = folder.glob("*.jsonl")
    if loss == "its end":
        os.truncate(file, file.stat().st_size // 2)
    elif loss == "the folder":
        shutil.rmtree(folder)
    else:
        file.unlink()
        if loss == "all files":
            (folder / INDEX).unlink()
    stream = _stream(world, FileSink(folder))
    stream.step()
    stream.step()
    (alert,) = world.alerts(LOST)
    assert alert.subject == NAME
    assert _trouble(world).startswith("lost: ")
    world.act_together("JGK", 2)
    stream.step()
    assert len(_ids(_lines(folder))) >= 2, "what came afterwards was passed on"
    assert len(world.alerts(LOST)) == 1
    assert _trouble(world).startswith("lost: ")
    world.run("update alert set acknowledged_at = now() where kind = 'sink.lost' returning id")
    stream.step()
    assert _trouble(world) is None
    assert len(world.alerts(LOST)) == 1


def test_files_of_a_time_before_the_index_are_no_loss(world: SigningWorld, tmp_path: Path) -> None:
    first = FileSink(tmp_path / "out")
    _stream(world, first).step()
    first.close()
    (tmp_path / "out" / INDEX).unlink()
    _stream(world, FileSink(tmp_path / "out")).step()
    assert world.alerts(LOST) == []


def _trouble(world: SigningWorld) -> Any:
    return world.run(f"select trouble from audit.sink where name = '{NAME}'")[0][0]


def test_a_folder_in_which_another_process_writes_is_left_to_it(world: SigningWorld, tmp_path: Path) -> None:
    first = FileSink(tmp_path / "out")
    _stream(world, first).step()
    world.act("JGK")
    before = _lines(tmp_path / "out")
    assert _stream(world, FileSink(tmp_path / "out")).step() == 1.0
    assert _lines(tmp_path / "out") == before
    assert "BlockingIOError" in world.scalar("select trouble from audit.sink")
    first.close()


def test_syslog_over_tcp_gets_every_entry_as_a_message(world: SigningWorld, receiver: SyslogReceiver) -> None:
    stream = _stream(world, SyslogSink(SinkAddress.parse(f"syslog+tcp://127.0.0.1:{receiver.port}")))
    stream.step()
    until(lambda: set(_ids(receiver.events)) == _all(world), "all entries")
    assert all(message.startswith(("<109>1 20", "<110>1 20", "<108>1 20")) for message in receiver.messages)
    assert _in_order(receiver.events)
    stream.close()


def test_what_a_killed_syslog_receiver_had_not_read_is_sent_again(world: SigningWorld) -> None:
    deaf = SyslogReceiver(reads=False)
    stream = _stream(world, SyslogSink(SinkAddress.parse(f"syslog+tcp://127.0.0.1:{deaf.port}")))
    assert stream.step() == BEAT, "its system has confirmed all"
    assert world.scalar("select sum(next_seq) from audit.sink_cursor") == len(_all(world))
    deaf.close()
    world.act("JGK")
    assert stream.step() == 1.0
    with SyslogReceiver(deaf.port) as again:
        stream.step()
        world.act("JGK")
        stream.step()
        last = f"{world.origin('JGK')}/{world.size('JGK') - 1}"
        until(lambda: last in _ids(again.events), "the last entry")
        stream.close()
    assert set(_ids(again.events)) == _all(world)
    assert _in_order(again.events)


def test_what_goes_to_a_receiver_that_has_hung_up_is_not_acknowledged(world: SigningWorld) -> None:
    with SyslogReceiver() as receiver:
        stream = _stream(world, SyslogSink(SinkAddress.parse(f"syslog+tcp://127.0.0.1:{receiver.port}")))
        stream.step()
        until(lambda: set(_ids(receiver.events)) == _all(world), "all entries")
    world.act("JGK")
    assert stream.step() == 1.0
    assert world.scalar("select count(*) from audit.sink_cursor where next_seq > 0") == 0, "all of it is in doubt"
    stream.close()


def test_a_receiver_whose_system_does_not_confirm_acknowledges_nothing(world: SigningWorld) -> None:
    world.act_together("JGK", 2 * BATCH)
    with SyslogReceiver(reads=False, buffer=4096) as deaf:
        sink = SyslogSink(SinkAddress.parse(f"syslog+tcp://127.0.0.1:{deaf.port}"), seconds=0.2)
        assert 1.0 in [_stream(world, sink).step() for _ in range(2)]
        sink.close()
    assert world.scalar("select coalesce(sum(next_seq), 0) from audit.sink_cursor") < BATCH


def test_tls_is_spoken_with_whom_the_authorities_vouch_for_and_nobody_else(world: SigningWorld, tmp_path: Path) -> None:
    client, server = _tls(tmp_path / "one")
    stranger, _ = _tls(tmp_path / "two")
    with SyslogReceiver(tls=server) as receiver:
        address = SinkAddress.parse(f"syslog+tls://127.0.0.1:{receiver.port}")
        assert _stream(world, SyslogSink(address, stranger)).step() == 1.0
        assert receiver.messages == []
        assert "certificate verify failed" in world.scalar("select trouble from audit.sink")
        stream = _stream(world, SyslogSink(address, client))
        stream.step()
        until(lambda: set(_ids(receiver.events)) == _all(world), "all entries")
        assert world.scalar("select trouble from audit.sink") is None
        stream.close()


def test_syslog_over_udp_leaves_out_the_content_that_no_datagram_holds(world: SigningWorld) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(30)
        sink = SyslogSink(SinkAddress.parse(f"syslog+udp://127.0.0.1:{listening.getsockname()[1]}"))
        batch = [_entry(0, "{}"), _entry(1, json.dumps({"action": "record.read", "detail": {"note": "x" * 64_000}}))]
        sink.send(batch)
        small, large = (listening.recv(70_000).decode("ascii") for _ in range(2))
        sink.close()
    assert '"sequence":0' in small
    assert '"sequence":1' in large
    assert '"content":"purged"' not in small
    assert len(large) < 2_000


def _entry(seq: int, content: str | None = "{}") -> Sealed:
    moment = "2026-11-24T09:00:00.000000Z"
    return Sealed(uuid.UUID(int=1), "itm-x/ledger/JGK/1", seq, moment, b"c" * 32, bytes([seq]) * 32, content)


def test_a_webhook_gets_signed_batches_and_acknowledges_by_2xx_alone(world: SigningWorld) -> None:
    with webhook(500, 302, 0) as hook:
        stream = _stream(world, WebhookSink(SinkAddress.parse(f"http://127.0.0.1:{hook.port}/in"), SECRET))
        assert [stream.step() for _ in range(4)] == [1.0, 2.0, 4.0, BEAT]
    assert _in_order(hook.events)
    assert set(_ids(hook.events)) == _all(world)
    keys = [headers["idempotency-key"] for headers, _ in hook.requests]
    assert len(set(keys[:4])) == 1, "the same entries, the same key"
    assert len(set(keys)) == len(world.run("select from audit.ledger where size > 0"))
    for headers, body in hook.requests:
        said = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        told = hmac.new(SECRET, said, hashlib.sha256).digest()
        assert headers["webhook-signature"] == "v1," + b64encode(told).decode()


def test_https_is_spoken_with_whom_the_authorities_vouch_for(world: SigningWorld, tmp_path: Path) -> None:
    stranger, server = _tls(tmp_path / "one")[0], _tls(tmp_path / "two")[1]
    with SyslogReceiver(tls=server) as receiver:
        sink = WebhookSink(SinkAddress.parse(f"https://127.0.0.1:{receiver.port}/"), SECRET, stranger)
        assert _stream(world, sink).step() == 1.0
    assert "certificate verify failed" in world.scalar("select trouble from audit.sink")


def test_pauses_double_up_to_a_bound_and_end_with_the_first_success(world: SigningWorld, tmp_path: Path) -> None:
    file = tmp_path / "out"
    file.write_text("no folder")
    stream = _stream(world, FileSink(file))
    assert [stream.step() for _ in range(8)] == [1, 2, 4, 8, 16, 32, LONGEST, LONGEST]
    since = world.scalar("select failing_since from audit.sink")
    assert since is not None
    file.unlink()
    assert stream.step() == BEAT
    assert world.run("select trouble, failing_since from audit.sink") == [(None, None)]


def test_an_entry_without_content_is_passed_on_with_its_seal(world: SigningWorld, tmp_path: Path) -> None:
    world.attack("delete from audit.event where id = (select event_id from audit.leaf where seq = 1 and"
                 " ledger_id = (select id from audit.ledger where code = :code))", code="JGK")  # fmt: skip
    _stream(world, FileSink(tmp_path / "out")).step()
    found = _lines(tmp_path / "out")
    assert set(_ids(found)) == _all(world)
    (purged,) = [event for event in found if event["unmapped"].get("content") == "purged"]
    assert purged["metadata"]["uid"] == f"{world.origin('JGK')}/1"


def test_entries_of_a_ledger_that_became_shorter_are_still_passed_on(world: SigningWorld, tmp_path: Path) -> None:
    stream = _stream(world, FileSink(tmp_path / "out"))
    stream.step()
    world.run("update audit.sink_cursor set next_seq = 999")
    stream.step()
    world.act("JGK")
    stream.step()
    assert set(_ids(_lines(tmp_path / "out"))) == _all(world)


def test_a_sink_that_never_answers_delays_no_other(world: SigningWorld, tmp_path: Path) -> None:
    answer, asked, stop = threading.Event(), threading.Event(), threading.Event()

    class Silent:
        def send(self, batch: Sequence[Sealed]) -> None:
            asked.set()
            answer.wait()

        def unsure(self) -> Mapping[uuid.UUID, int]:
            return {}

        def lost(self, passed_on: bool) -> Sequence[str]:
            return ()

        def forget(self, names: Sequence[str]) -> None:
            """Nothing to forget."""

        def close(self) -> None:
            """Nothing to close."""

    addresses = [SinkAddress.parse("syslog+tcp://192.0.2.1"), SinkAddress.parse(f"file:{tmp_path / 'out'}")]
    process = SinkProcess(
        world.database.url("signer"),
        addresses,
        lambda address: FileSink(Path(address.path)) if address.scheme == "file" else Silent(),
        stop,
    )
    running = threading.Thread(target=process.run)
    running.start()
    try:
        assert asked.wait(60)
        world.act_together("ASHB", BATCH + 1)
        until(lambda: set(_ids(_lines(tmp_path / "out"))) == _all(world), "all entries in the file")
    finally:
        stop.set()
        answer.set()
        running.join()
    cursors = world.run("select sum(next_seq) from audit.sink_cursor where sink like 'syslog%'")
    assert cursors[0][0] is None or cursors[0][0] < len(_all(world))

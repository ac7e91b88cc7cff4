"""The process that passes entries on: `itm sinks`. Any number may run, one works; as itm_signer, without a key.

It is a process of its own, because a slow, dead or hostile receiver must delay no signature and no verification, and
because a process that talks to other machines must not hold the signing key.
"""

from __future__ import annotations

import logging
import signal
import ssl
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from audit.store import streaming
from audit.store.session import OPTIONS
from itm_admin.foundation.config import Refusal, SettingError, Settings
from itm_admin.foundation.database import engine_options
from itm_admin.foundation.sink_address import SinkAddress
from itm_admin.ledger.sink_file import FileSink
from itm_admin.ledger.sink_syslog import SyslogSink
from itm_admin.ledger.sink_webhook import WebhookSink
from itm_admin.ledger.sinks import BEAT, Sink, Stream

log = logging.getLogger("itm.sinks")
LEADER = 0x49544D03
"""The advisory lock's number; advisory locks are per database."""
PATIENCE = 15.0
"""Seconds that a thread may take to end while it waits for its receiver."""
Make = Callable[[SinkAddress], Sink]


class SinkProcess:
    """One such process, from its start until `stop` is set."""

    def __init__(self, signer_url: str, sinks: Sequence[SinkAddress], make: Make, stop: threading.Event) -> None:
        url = make_url(signer_url)
        self._conninfo = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._engine = create_engine(url, **engine_options(threads=len(sinks) + 1))
        self._sinks, self._make, self._stop = sinks, make, stop
        self._halt = threading.Event()

    def run(self) -> None:
        """Works when no other process does, until told to stop. Raises Refusal if a thread did not end."""
        while not self._stop.is_set():
            try:
                with psycopg.connect(
                    self._conninfo, autocommit=True, connect_timeout=5, application_name="itm-sinks",
                    keepalives_idle=10, keepalives_interval=5, keepalives_count=3, options=OPTIONS,
                ) as connection:  # fmt: skip
                    if self._alone(connection):
                        self._work(connection)
            except (psycopg.Error, SQLAlchemyError) as fault:
                log.warning("no connection to work on (%s); trying again", type(fault).__name__)
            self._stop.wait(BEAT)
        self._engine.dispose()

    def _alone(self, connection: psycopg.Connection[tuple[object, ...]]) -> bool:
        while not self._stop.is_set():
            row = connection.execute("SELECT pg_try_advisory_lock(%s)", [LEADER]).fetchone()
            if row and row[0]:
                return True
            self._stop.wait(BEAT)
        return False

    def _work(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        """Works until told to stop, or until the connection, and with it the lock, is lost."""
        self._halt = threading.Event()
        with self._engine.begin() as naming:
            streaming.name_sinks(naming, [sink.name for sink in self._sinks])
        threads = [
            threading.Thread(target=self._pass_on, args=(sink, self._halt), name=sink.name, daemon=True)
            for sink in self._sinks
        ]
        for thread in threads:
            thread.start()
        try:
            while not self._stop.wait(BEAT):
                connection.execute("SELECT 1")
        finally:
            self._halt.set()
            for thread in threads:
                thread.join(PATIENCE)
        stuck = [thread.name for thread in threads if thread.is_alive()]
        if stuck and not self._stop.is_set():
            raise Refusal(f"a sink does not let go: {', '.join(stuck)}")

    def _pass_on(self, address: SinkAddress, halt: threading.Event) -> None:
        stream = Stream(self._engine, address.name, self._make(address), halt.is_set)
        try:
            while not halt.is_set():
                halt.wait(stream.step())
        finally:
            stream.close()


def maker(settings: Settings) -> Make:
    """Gives the factory of sinks. Raises SettingError if a file that one needs cannot be used."""
    addresses = [SinkAddress.parse(each) for each in settings.sinks]
    secret = settings.sink_secret() if any(each.is_webhook for each in addresses) else b""
    tls = _tls(settings.sink_authorities)

    def make(address: SinkAddress) -> Sink:
        if address.scheme == "file":
            return FileSink(Path(address.path))
        if address.is_webhook:
            return WebhookSink(address, secret, tls)
        return SyslogSink(address, tls)

    return make


def _tls(authorities: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=authorities)
    except (OSError, ssl.SSLError) as fault:
        raise SettingError("ITM_SINK_AUTHORITIES", f"{authorities}: {fault.strerror or 'no certificates'}") from None


def main(settings: Settings) -> None:
    """Runs until SIGTERM or Ctrl-C."""
    if not settings.sinks:
        raise SettingError("ITM_SINKS", "is missing")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    make = maker(settings)
    url = settings.require("ITM_DATABASE_SIGNER_URL").signer_url or ""
    SinkProcess(url, [SinkAddress.parse(each) for each in settings.sinks], make, stop).run()

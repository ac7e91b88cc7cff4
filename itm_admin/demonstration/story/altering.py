"""The story's only act past the panel: somebody at the database changes a row, with triggers off.

The former row is stored in the data folder first, so that the next story can revert an interrupted one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

FILE = "demo-story-altered.json"


class Altering:
    """The province of one case, as the database's superuser."""

    def __init__(self, url: str, home: Path) -> None:
        self._url, self._file = url, home / FILE

    def alter(self, case: str, province: str) -> None:
        with self._past_the_triggers() as connection:
            before = connection.execute("select province from public.case_file where id = %s", [case]).fetchone()
            self._file.write_text(json.dumps({"case": case, "province": before[0] if before else None}), "utf-8")
            self._set(connection, case, province)

    def undo(self) -> bool:
        """Reverts the alteration. True if there was one."""
        try:
            kept = json.loads(self._file.read_text("utf-8"))
        except FileNotFoundError:
            return False
        with self._past_the_triggers() as connection:
            self._set(connection, kept["case"], kept["province"])
        self._file.unlink()
        return True

    def signed_size(self, ledger: str) -> int:
        """Entries of a ledger that are signed; asked here, since asking a page would be an entry each time."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            asked = "select coalesce(max(size), 0) from audit.checkpoint where ledger_id = %s"
            row = connection.execute(asked, [ledger]).fetchone()
        return int(row[0]) if row else 0

    @staticmethod
    def _set(connection: psycopg.Connection, case: str, province: str) -> None:
        connection.execute("update public.case_file set province = %s where id = %s", [province, case])

    @contextmanager
    def _past_the_triggers(self) -> Iterator[psycopg.Connection]:
        """One transaction in which the table's own triggers are off; they are as they were at its end."""
        with psycopg.connect(self._url) as connection:
            armed = connection.execute(
                "select tgname, tgenabled from pg_catalog.pg_trigger"
                " where tgrelid = 'public.case_file'::regclass and not tgisinternal"
            ).fetchall()
            connection.execute("alter table public.case_file disable trigger user")
            yield connection
            words = {"A": "enable always", "R": "enable replica", "O": "enable", "D": "disable"}
            for name, state in armed:
                how = sql.SQL(words[state if isinstance(state, str) else state.decode()])
                statement = sql.SQL("alter table public.case_file {} trigger {}")
                connection.execute(statement.format(how, sql.Identifier(name)))

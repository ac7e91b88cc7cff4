"""A ledger whose beginning is old enough to be purged, and two people who decide it."""

from __future__ import annotations

import json
import shutil
import uuid
from copy import copy
from pathlib import Path
from typing import Any

from sqlalchemy import text

from audit.leaf import EMPTY, leaf_hash
from tests.conftest import Database
from tests.panel.generation_world import GenerationWorld
from tests.panel.signing_world import Clock

_HERE = "ledger_id = (select id from audit.ledger where code = :code and closed_at is null)"


class PurgeWorld(GenerationWorld):
    """JGK's ledger: `old` entries of eleven years ago, then what came since."""

    def filled(self, old: int = 512, since: int = 8, code: str = "JGK") -> None:
        """A record is told of once among the old entries, and never since; another was deleted there."""
        self.unit = self.scalar(
            "insert into unit (institution_id, name) values (:id, 'Merkez') returning id", id=self.ids[code]
        )
        self.run("insert into case_counter (institution_id, year, last) values (:id, 2020, 1)", id=self.ids[code])
        self.act_together(code, old - self.size(code))
        self.aged(code, old, 11)
        self.act_together(code, since)
        self.round()
        assert self.verify(code)["verdict"] == "intact"

    def aged(self, code: str, stop: int, years: int) -> None:
        """Entries before this one were recorded so many years earlier, with fresh hashes, as if it had been so."""
        origin, prev, rows = self.origin(code), EMPTY, []
        for row in self.run(f"select * from audit.leaf where {_HERE} order by seq", code=code):
            at = f"{int(row.recorded_at[:4]) - years}{row.recorded_at[4:]}" if row.seq < stop else row.recorded_at
            hash = leaf_hash(origin, row.seq, at, prev, bytes(row.commitment))
            rows.append({"seq": row.seq, "at": at, "prev": prev.hex(), "hash": hash.hex()})
            prev = hash
        self.attack(
            "update audit.leaf f set recorded_at = v.at, prev = decode(v.prev, 'hex'), hash = decode(v.hash, 'hex')"
            " from jsonb_to_recordset(cast(:rows as jsonb)) v(seq bigint, at text, prev text, hash text)"
            f" where f.seq = v.seq and f.{_HERE}",
            "update audit.ledger l set head = f.hash, recorded_at = f.recorded_at::timestamptz from audit.leaf f"
            " where f.ledger_id = l.id and f.seq = l.size - 1 and l.code = :code and l.closed_at is null",
            rows=json.dumps(rows),
            code=code,
        )

    def copied(self, database: Database, folder: Path) -> PurgeWorld:
        """The same in a copy of its database, where nothing was kept in this object but ids and the time."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        made = copy(self)
        made.superuser = database.engine("superuser")
        made.database, made.folder, made.clock = database, folder, Clock(self.clock.seconds)
        return made

    def approved(self, first: int = 0, last: int = 255, code: str = "JGK") -> uuid.UUID:
        return self.decided(self.segment(first, last, code))

    def segment(self, first: int = 0, last: int = 255, code: str = "JGK") -> uuid.UUID:
        """Proposed by one person."""
        found: uuid.UUID = self.scalar(
            "insert into ledger_decision (institution_id, kind, reason, first_seq, last_seq, proposed_by,"
            " proposer_institution_id) values (:id, 'purge', 'RETENTION', :first, :last, :by, :home) returning id",
            id=self.ids[code], first=first, last=last, by=self.people["supervisor"], home=self.ids["GIB"],
        )  # fmt: skip
        return found

    def purge(self, decision: uuid.UUID, years: int = 10, role: str = "purger") -> int:
        with self.database.engine(role).begin() as connection:
            return int(connection.scalar(text("select itm.purge(:id, :years)"), {"id": decision, "years": years}))

    def content(self, code: str = "JGK") -> set[int]:
        """The entries whose events are there."""
        rows = self.run(
            f"select f.seq from audit.leaf f join audit.event e on e.id = f.event_id where f.{_HERE}", code=code
        )
        return {row.seq for row in rows}

    def purge_entry(self, code: str = "JGK") -> dict[str, Any]:
        """The findings about the ledger's last purge, with their places."""
        row = self.run(
            f"select f.seq, e.content::jsonb as said from audit.leaf f join audit.event e on e.id = f.event_id"
            f" where f.{_HERE} and e.action = 'ledger.purge' order by f.seq desc limit 1",
            code=code,
        )[0]
        return {"seq": row.seq, **row.said}

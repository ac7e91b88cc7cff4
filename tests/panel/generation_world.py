"""Two people, ledgers with a signer, and a database that is really restored from an older copy of itself."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.durable import DISK, Disk
from audit.generation import Closures, closures
from itm_admin.foundation.database import roles
from itm_admin.ledger.generations import OpenedGeneration, Opening
from itm_admin.ledger.signing import SigningPlace
from tests.conftest import Cluster, Database
from tests.panel.signing_world import SigningWorld

_PEOPLE = (("supervisor", "GIB"), ("auditor", "ASHB"))


class GenerationWorld(SigningWorld):
    """JGK's ledger is the one that things happen to; GIB proposes, ASHB decides."""

    def __init__(self, database: Database, folder: Path) -> None:
        super().__init__(database.engine("superuser"), database, folder)
        self.people: dict[str, uuid.UUID] = {}
        for name, code in _PEOPLE:
            self.people[name] = self.scalar(
                "insert into account (institution_id, username, first_name, last_name, email)"
                " values (:home, :name, 'Ad', 'Soyad', :email) returning id",
                home=self.ids[code], name=f"{name}.bir", email=f"{name}@example.org",
            )  # fmt: skip

    def proposed(self, code: str = "JGK", reason: str = "RESTORED", kind: str = "generation") -> uuid.UUID:
        found: uuid.UUID = self.scalar(
            "insert into ledger_decision (institution_id, kind, reason, proposed_by, proposer_institution_id)"
            " values (:id, :kind, :reason, :by, :home) returning id",
            id=self.ids[code], kind=kind, reason=reason, by=self.people["supervisor"], home=self.ids["GIB"],
        )  # fmt: skip
        return found

    def decided(self, id: uuid.UUID, decision: str = "approved") -> uuid.UUID:
        self.run(
            "update ledger_decision set decision = :decision, decided_at = now(), decided_by = :by,"
            " decider_institution_id = :home where id = :id",
            id=id, decision=decision, by=self.people["auditor"], home=self.ids["ASHB"],
        )  # fmt: skip
        return id

    def opened(
        self, code: str = "JGK", reason: str = "RESTORED", place: SigningPlace | None = None
    ) -> list[OpenedGeneration]:
        """Two people decide, and the scheduler's process carries it out."""
        self.decided(self.proposed(code, reason))
        return self.carry_out(place)

    def carry_out(self, place: SigningPlace | None = None, disk: Disk = DISK) -> list[OpenedGeneration]:
        return Opening(place or self.place(disk), self.clock).tick(self.database.engine("signer"))

    def closures(self) -> Closures:
        return closures(self.outside)

    def generations(self, code: str = "JGK") -> list[Any]:
        return self.run("select * from audit.ledger where code = :code order by generation", code=code)

    def origin(self, code: str) -> str:
        """The open one's."""
        return str(self.scalar("select origin from audit.ledger where code = :code and closed_at is null", code=code))

    def size(self, code: str) -> int:
        return int(self.scalar("select size from audit.ledger where code = :code and closed_at is null", code=code))

    def verdicts(self, code: str = "JGK", place: SigningPlace | None = None) -> dict[str, dict[str, Any]]:
        """By origin, the verdicts of a full run."""
        from audit import report

        evidence = (place or self.place()).evidence()
        rows, self.exit = report.report(self.database.engine("signer"), "full", evidence=evidence)
        return {row["origin"]: row for row in rows if row["institution"] in (code, None)}

    def first_entry(self, origin: str) -> Any:
        return self.run(
            "select e.action, e.content::jsonb -> 'detail' as detail from audit.entry e where e.origin = :origin"
            " and e.seq = 0", origin=origin,
        )[0]  # fmt: skip


@dataclass
class Backup:
    """A copy of a database at a moment, made and put back as an administrator does it."""

    cluster: Cluster
    database: Database
    name: str

    @classmethod
    def of(cls, cluster: Cluster, database: Database) -> Backup:
        backup = cls(cluster, database, f"{database.name}_backup")
        database.close()
        with cluster.connect() as connection:
            roles.make_database(connection, backup.name, database.name)
        return backup

    def restore(self) -> None:
        """The database of today is dropped, and the copy takes its name."""
        self.database.close()
        with self.cluster.connect() as connection:
            connection.execute(f'DROP DATABASE "{self.database.name}" WITH (FORCE)'.encode())
            roles.make_database(connection, self.database.name, self.name)
        self.database.close()

    def drop(self) -> None:
        with self.cluster.connect() as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)'.encode())

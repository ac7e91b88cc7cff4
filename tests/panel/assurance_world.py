"""A small world for the tests of assurance and oversight: three institutions, and waiting without sleeping."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Row, text
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from itm_admin.foundation import tenancy
from itm_admin.foundation.roles import AUDIT
from itm_admin.foundation.tenancy import Context

T = TypeVar("T")


def until(condition: Callable[[], T], what: str, seconds: float = 60) -> T:
    """The condition's first true value. Fails the test after a bound that only a broken program reaches."""
    last = time.monotonic() + seconds
    while time.monotonic() < last:
        found = condition()
        if found:
            return found
        threading.Event().wait(0.05)
    raise AssertionError(f"waited in vain for {what}")


@dataclass
class Institutions:
    """GIB (the Presidency), JGK and ASHB; statements as the superuser, past row-level security."""

    superuser: Engine
    ids: dict[str, uuid.UUID] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for code, kind in (("GIB", "presidency"), ("JGK", "law_enforcement"), ("ASHB", "ministry")):
            self.ids[code] = self.run(
                "insert into institution (code, name_tr, name_en, kind) values (:code, :code, :code, :kind)"
                " returning id",
                code=code,
                kind=kind,
            )[0].id

    def run(self, statement: str, **values: Any) -> list[Row[Any]]:
        with self.superuser.begin() as connection:
            result = connection.execute(text(statement), values)
            return list(result) if result.returns_rows else []

    def scalar(self, statement: str, **values: Any) -> Any:
        return self.run(statement, **values)[0][0]

    def events(self, action: str) -> list[Row[Any]]:
        """Entries of an action in the ledgers' order, with their ledger's code and detail; not those of the schema."""
        return self.run(
            "select code, seq, outcome, target_kind, target_id, actor_name, content::jsonb -> 'detail' as detail"
            " from audit.entry where action = :action and target_kind is distinct from 'schema' order by code, seq",
            action=action,
        )

    def alerts(self, kind: str) -> list[Row[Any]]:
        return self.run("select * from alert where kind = :kind order by raised_at", kind=kind)

    def tamper(self, code: str, seq: int) -> None:
        """Changes an old event as a superuser can, behind every guard."""
        with self.superuser.begin() as connection:
            connection.execute(text("set local session_replication_role = replica"))
            connection.execute(text("alter table audit.event disable trigger append_only"))
            connection.execute(
                text(
                    "update audit.event set content = replace(content, '\"success\"', '\"denied\"') where id ="
                    " (select f.event_id from audit.leaf f join audit.ledger l on l.id = f.ledger_id"
                    " where l.code = :code and f.seq = :seq)"
                ),
                {"code": code, "seq": seq},
            )
            connection.execute(text("alter table audit.event enable always trigger append_only"))


def auditor(home: uuid.UUID, code: str, *, national: bool = False) -> Context:
    """The context of an auditor of this institution."""
    role = "auditor_national" if national else "auditor_institution"
    return Context(
        scope=AUDIT,
        institution=home,
        institution_code=code,
        account=uuid.uuid4(),
        account_name="denetim.bir",
        roles=frozenset({role}),
        national=national,
        reads="all" if national else "ledger",
    )


class TestSession(Session):
    """Begins every transaction by saying who is at work, as the panel's session does."""

    __test__ = False


tenancy.install(TestSession)

"""The people of the journeys: one of every role, made on first use, and institutions by their real names."""

from __future__ import annotations

from functools import cached_property

from sqlalchemy import text

from itm_admin.foundation import vocabulary
from tests.factories import Somebody, Tenant
from tests.journeys.panel import Panel

FOCAL, WORKER, MANAGER, INSIDE = "focal_point", "caseworker", "institution_manager", "auditor_institution"
NATIONAL, OPERATOR, SUPERVISOR, ADMIN = (
    "auditor_national",
    "presidency_operator",
    "presidency_supervisor",
    "system_administrator",
)
_HOMES = {OPERATOR: "GIB", SUPERVISOR: "GIB", ADMIN: "GIB", NATIONAL: "TIHEK"}


class Cast:
    """`cast.of(role)` is one person of JGK, or of the role's own institution: the same one each time, in Turkish."""

    def __init__(self, panel: Panel) -> None:
        self.make = panel.make
        self._people: dict[tuple[str, str], Somebody] = {}

    @cached_property
    def jgk(self) -> Tenant:
        return self.institution("JGK")

    @cached_property
    def ashb(self) -> Tenant:
        return self.institution("ASHB")

    def institution(self, code: str) -> Tenant:
        """One of the register, with its names."""
        entry = next(entry for entry in vocabulary.institutions() if entry.code == code)
        tenant = self.make.institution(code, entry.kind)
        with self.make.superuser() as connection:
            connection.execute(
                text("update institution set name_tr = :tr, name_en = :en where id = :id and name_tr <> :tr"),
                {"id": tenant.id, "tr": entry.name_tr, "en": entry.name_en},
            )
        return tenant

    def called(self, code: str) -> str:
        """The institution's Turkish name, with its code behind it."""
        entry = next(entry for entry in vocabulary.institutions() if entry.code == code)
        return f"{entry.name_tr} ({code})"

    def of(self, role: str, code: str | None = None) -> Somebody:
        code = code or _HOMES.get(role, "JGK")
        if (role, code) not in self._people:
            self._people[role, code] = self.make.somebody(role, self.institution(code))
        person = self._people[role, code]
        with self.make.superuser() as connection:  # an earlier journey may have chosen the other language
            connection.execute(text("update account set language = 'tr' where id = :id"), {"id": person.id})
        return person

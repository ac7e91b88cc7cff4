"""The entry of an export names what is in its file, also when a record goes away while it is written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import text

from itm_admin.record import export
from tests.panel.panel_app import RunningPanel


@pytest.mark.parametrize(("kind", "column"), [("case", "reference"), ("person", "pseudonym")])
def test_the_entry_of_an_export_is_composed_from_what_is_in_the_file(
    panel: RunningPanel, monkeypatch: pytest.MonkeyPatch, kind: str, column: str
) -> None:
    make = panel.make
    focal = make.focal_point(make.institution(f"EX{kind[:4].upper()}", "agency"))
    cases = [make.case(focal) for _ in range(3)]
    people = [make.person(focal, case).person for case in cases]
    records: list[Any] = list(cases if kind == "case" else people)
    gone = records[1]
    fix = export.fix_ids

    def and_one_is_deleted(*named: Any) -> list[Any]:
        ids = fix(*named)
        table = "case_file" if kind == "case" else "person"
        with make.superuser() as connection:
            connection.execute(
                text(f"update {table} set deleted_at = now(), deletion_reason = 'DUPLICATE' where id = :id"),
                {"id": gone.id},
            )
        return ids

    monkeypatch.setattr(export, "fix_ids", and_one_is_deleted)
    answer = panel.browser(focal).post(f"/{kind}s/export", purpose="STATISTICS", format="csv")
    assert answer.status_code == 200
    assert sum(getattr(record, column) in answer.text for record in records) == 2
    # A case's persons stand in its row by their pseudonyms, a person's cases by their references
    in_file = {str(case.id) for case in cases if case.reference in answer.text}
    in_file |= {str(person.id) for person in people if person is not None and person.pseudonym in answer.text}
    assert len(in_file) == 4
    in_file |= {str(focal.tenant.root)} if "Merkez" in answer.text else set()  # its unit's name
    entry = next(each for each in panel.events(answer) if each.action == "record.export")
    assert set(entry.subjects) == in_file
    content = panel.value(
        "select content from audit.event where request_id = :id and action = 'record.export'",
        id=answer.headers["X-Request-Id"],
    )
    assert json.loads(content)["detail"]["rows"] == 2

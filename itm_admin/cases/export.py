"""Lists taken away as files: CSV and XLSX, with pseudonyms and masked values only.

The ids are fixed first, the rows are then read in batches; each row that is written names its ids to the caller (the
persons of a case stand in its row by pseudonym), who records those and no others. No protected value is decrypted here,
and no cell can act as a formula (`foundation/spreadsheet.py`).
"""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import IO, Any, Generic, TypeVar

import xlsxwriter
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import Select
from sqlalchemy.orm import selectinload

from itm_admin.cases import lookup
from itm_admin.cases.acting import require
from itm_admin.cases.models import Case, CasePerson, Person
from itm_admin.foundation import vocabulary
from itm_admin.foundation.encryption import AnySession
from itm_admin.foundation.errors import Invalid, Message
from itm_admin.foundation.formats import HIDDEN
from itm_admin.foundation.spreadsheet import marked, reads_as_more

MOST_ROWS = 10_000
BATCH = 500
DELIMITER = ";"
"""What Excel expects where the decimal sign is a comma, as in Türkiye; the byte order mark tells it UTF-8.
Quoting and line ends are those of RFC 4180. A text that begins with an apostrophe carries it as a mark: whoever
reads the file by machine takes exactly one off (`spreadsheet.unmarked`), and has every text as it was."""
CSV_TYPE = "text/csv"
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

Cell = str | int | date | None
Row = TypeVar("Row", Case, Person)


@dataclass(frozen=True)
class ExportColumn(Generic[Row]):
    label: Message
    value: Callable[[Row], Cell]


def _coded(list_name: str, codes: str | Iterable[str] | None) -> str:
    codes = [codes] if isinstance(codes, str) else codes or []
    return ", ".join(vocabulary.label(list_name, code) for code in codes)


def _yes(value: bool | None) -> str:
    return "" if value is None else _("Yes") if value else _("No")


def _hidden(stored: object) -> str:
    return "" if stored is None else str(HIDDEN)


def _people(case: Case) -> list[Person]:
    return [link.person for link in case.people if link.person is not None and link.person.erased_at is None]


def _cases(person: Person) -> list[Case]:
    return [link.case for link in person.links if link.case is not None]


def _pseudonyms(case: Case) -> str:
    return ", ".join(sorted({person.pseudonym for person in _people(case)}))


def _references(person: Person) -> str:
    return ", ".join(sorted({case.reference for case in _cases(person)}))


def _named(row: Case | Person) -> list[uuid.UUID]:
    """The record of a row, and those that its cells name beside it."""
    beside = _people(row) if isinstance(row, Case) else _cases(row)
    return [row.id, *(each.id for each in beside)]


CASE_COLUMNS: tuple[ExportColumn[Case], ...] = (
    ExportColumn(_l("Reference"), lambda case: case.reference),
    ExportColumn(_l("Status"), lambda case: _coded("case_status", case.status)),
    ExportColumn(_l("Date opened"), lambda case: case.opened_on),
    ExportColumn(_l("Date closed"), lambda case: case.closed_on),
    ExportColumn(_l("Reason for closing"), lambda case: _coded("case_closure_reason", case.closure_reason)),
    ExportColumn(_l("Province"), lambda case: _coded("province", case.province)),
    ExportColumn(_l("Unit"), lambda case: case.unit.name if case.unit else ""),
    ExportColumn(_l("Source of the referral"), lambda case: _coded("referral_source", case.referral_source)),
    ExportColumn(_l("Types of exploitation"), lambda case: _coded("exploitation_type", case.exploitation_types)),
    ExportColumn(_l("Sector"), lambda case: _coded("industry_isic", case.industry)),
    ExportColumn(_l("Confidentiality"), lambda case: _coded("confidentiality", case.confidentiality)),
    ExportColumn(_l("People"), _pseudonyms),
    ExportColumn(_l("Narrative"), lambda case: _hidden(case.narrative_enc)),
)

PERSON_COLUMNS: tuple[ExportColumn[Person], ...] = (
    ExportColumn(_l("Pseudonym"), lambda person: person.pseudonym),
    ExportColumn(_l("Gender"), lambda person: _coded("gender", person.gender)),
    ExportColumn(_l("Age band"), lambda person: _coded("age_band", person.age_band)),
    ExportColumn(_l("Child"), lambda person: _yes(person.is_child)),
    ExportColumn(_l("Citizenships"), lambda person: _coded("citizenship", person.citizenships)),
    ExportColumn(_l("Language"), lambda person: _coded("language", person.language)),
    ExportColumn(_l("Cases"), _references),
    ExportColumn(_l("Name"), lambda person: _hidden(person.given_name_enc or person.family_name_enc)),
)


def fix_ids(session: AnySession, statement: Select[Row], kind: type[Row]) -> list[uuid.UUID]:
    """The ids of the filtered and ordered list, at most MOST_ROWS (Invalid beyond). Denied without the permission."""
    require("export", kind.__name__)
    ids = list(session.scalars(statement.with_only_columns(kind.id).limit(MOST_ROWS + 1)))
    if len(ids) > MOST_ROWS:
        raise Invalid({"": _l("At most %(most)s rows can be taken away at once. Narrow the list.", most=MOST_ROWS)})
    return ids


def case_rows(
    session: AnySession, ids: Sequence[uuid.UUID], written: list[list[uuid.UUID]] | None = None
) -> Iterator[list[Cell]]:
    """The cells of these cases, in the order of the ids; what is no longer visible is left out.

    `written` gains the ids that each row names: the record's first, then those of the records beside it.
    """
    people = selectinload(Case.people.and_(CasePerson.deleted_at.is_(None))).joinedload(
        CasePerson.person.and_(Person.deleted_at.is_(None))
    )
    return _rows(session, lookup.list_cases().options(people), Case, CASE_COLUMNS, ids, written)


def person_rows(
    session: AnySession, ids: Sequence[uuid.UUID], written: list[list[uuid.UUID]] | None = None
) -> Iterator[list[Cell]]:
    """The cells of these persons; as `case_rows`."""
    return _rows(session, lookup.list_persons(), Person, PERSON_COLUMNS, ids, written)


def header(columns: Sequence[ExportColumn[Any]]) -> list[Cell]:
    """The labels, in the language of the page."""
    return [str(column.label) for column in columns]


def as_csv(rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """The rows, the header first, as pieces of a CSV file."""
    yield "\ufeff".encode()
    for row in rows:
        line = io.StringIO(newline="")
        csv.writer(line, delimiter=DELIMITER, lineterminator="\r\n").writerow([_plain(cell) for cell in row])
        yield line.getvalue().encode("utf-8", "replace")


def write_xlsx(rows: Iterable[Sequence[Cell]], file: IO[bytes]) -> None:
    """The rows, the header first, as a workbook with one sheet. Memory does not grow with their number."""
    book = xlsxwriter.Workbook(file, {"constant_memory": True})
    sheet = book.add_worksheet()
    day, bold = book.add_format({"num_format": "dd.mm.yyyy"}), book.add_format({"bold": True})
    text = book.add_format({"num_format": "@", "quote_prefix": True})  # stays text when somebody edits the cell
    sheet.freeze_panes(1, 0)
    for place, row in enumerate(rows):
        for column, cell in enumerate(row):
            if isinstance(cell, date):
                sheet.write_datetime(place, column, cell, day)
            elif isinstance(cell, int):
                sheet.write_number(place, column, cell)
            elif cell:
                sheet.write_string(place, column, cell, bold if place == 0 else text if reads_as_more(cell) else None)
    book.close()


def _plain(cell: Cell) -> str:
    if cell is None:
        return ""
    return marked(cell) if isinstance(cell, str) else str(cell)


def _rows(
    session: AnySession,
    statement: Select[Row],
    kind: type[Row],
    columns: Sequence[ExportColumn[Row]],
    ids: Sequence[uuid.UUID],
    written: list[list[uuid.UUID]] | None,
) -> Iterator[list[Cell]]:
    for start in range(0, len(ids), BATCH):
        batch = ids[start : start + BATCH]
        found = {row.id: row for row in session.scalars(statement.where(kind.id.in_(batch)))}
        for row in (found[one] for one in batch if one in found):
            cells = [column.value(row) for column in columns]
            if written is not None:
                written.append(_named(row))
            yield cells
        for row in found.values():
            session.expunge(row)

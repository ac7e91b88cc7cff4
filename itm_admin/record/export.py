"""Lists taken away as files: CSV and XLSX, with pseudonyms and masked values only.

The ids are fixed first, the rows are then read in batches; each row that is written names its ids to the caller, who
records those and no others. No protected value is decrypted here, and no cell can act as a formula
(`foundation/spreadsheet.py`). Which columns a kind has is said by its area.
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
from flask_babel import lazy_gettext as _l
from sqlalchemy import Select

from itm_admin.foundation.encryption import AnySession
from itm_admin.foundation.errors import Invalid, Message
from itm_admin.foundation.spreadsheet import marked, reads_as_more
from itm_admin.record.models import Stamped
from itm_admin.record.permissions import require

MOST_ROWS = 10_000
BATCH = 500
DELIMITER = ";"
"""The separator that Excel expects if the decimal sign is a comma, as in Türkiye. The byte order mark tells it UTF-8.
Quoting and line ends are those of RFC 4180. A text that begins with an apostrophe carries it as a mark: a
program that reads the file takes exactly one off (`spreadsheet.unmarked`), and has every text as it was."""
CSV_TYPE = "text/csv"
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

Cell = str | int | date | None
Row = TypeVar("Row", bound=Stamped)


@dataclass(frozen=True)
class ExportColumn(Generic[Row]):
    label: Message
    value: Callable[[Row], Cell]


@dataclass(frozen=True)
class Export(Generic[Row]):
    """The export of a kind of record. `named`: the ids that a row names, the record's own first."""

    kind: str
    model: type[Row]
    name: Message
    """The file's name, in its reader's language."""
    columns: tuple[ExportColumn[Row], ...]
    statement: Callable[[], Select[Row]]
    named: Callable[[Row], list[uuid.UUID]]

    def rows(
        self, session: AnySession, ids: Sequence[uuid.UUID], written: list[list[uuid.UUID]] | None = None
    ) -> Iterator[list[Cell]]:
        """The cells of these records, in the order of the ids; what is no longer visible is left out.

        `written` gains the ids that each row names.
        """
        for start in range(0, len(ids), BATCH):
            batch = ids[start : start + BATCH]
            found = {row.id: row for row in session.scalars(self.statement().where(self.model.id.in_(batch)))}
            for row in (found[one] for one in batch if one in found):
                cells = [column.value(row) for column in self.columns]
                if written is not None:
                    written.append(self.named(row))
                yield cells
            for row in found.values():
                session.expunge(row)


def fix_ids(session: AnySession, statement: Select[Row], kind: type[Row]) -> list[uuid.UUID]:
    """The ids of the filtered and ordered list, at most MOST_ROWS (Invalid beyond). Denied without the permission."""
    require("export", kind.__name__)
    ids = list(session.scalars(statement.with_only_columns(kind.id).limit(MOST_ROWS + 1)))
    if len(ids) > MOST_ROWS:
        raise Invalid({"": _l("At most %(most)s rows can be taken away at once. Narrow the list.", most=MOST_ROWS)})
    return ids


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

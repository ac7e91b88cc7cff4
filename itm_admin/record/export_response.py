"""An export as an answer: purpose asked, the file written, its rows named to the ledger.

The entry is composed from what is in the file: while one is written, a record may be deleted or leave the person's
sight. The file is whole before it leaves, and it leaves only once its entry is committed.
"""

from __future__ import annotations

import io
import uuid
from typing import Any

from flask import Response, flash, send_file, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from markupsafe import Markup
from sqlalchemy import Select, func, literal, select

from itm_admin.foundation import purposes, tenancy, vocabulary
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.encryption import AnySession
from itm_admin.foundation.errors import Invalid
from itm_admin.foundation.i18n import language
from itm_admin.foundation.turkish import turkish_lower
from itm_admin.record import export
from itm_admin.record.checks import today
from itm_admin.record.export import Export
from itm_admin.record.forms import ExportForm


def how_many(session: AnySession, statement: Select[Any]) -> int:
    """Rows that an export of the filtered list would hold now."""
    narrowed = statement.order_by(None).with_only_columns(literal(1)).subquery()
    return session.scalar(select(func.count()).select_from(narrowed)) or 0


def _taken(rows: int) -> Markup:
    """The sentence for the page that stays: how many rows, and where the export stands in the ledger."""
    place = url_for("OwnHistoryView.list", action="record.export")
    link = Markup('<a href="{}">{}</a>').format(place, _("What I did"))
    said = ngettext(
        "%(num)s row was taken away. The export is entered in the ledger, and is the newest line here: %(link)s",
        "%(num)s rows were taken away. The export is entered in the ledger, and is the newest line here: %(link)s",
        rows,
        link=link,
    )
    return Markup(said)  # noqa: S704 - the text is ours, and the link is escaped above


def answer_export(session: AnySession, kind: Export[Any], statement: Select[Any], form: ExportForm) -> Response:
    """The filtered list as a CSV or XLSX file. Invalid without a purpose, or beyond the export's bound."""
    purpose = purposes.check("export", tenancy.current().roles, form.purpose.data)
    chosen = form.format.data
    if chosen not in ("csv", "xlsx"):
        raise Invalid({"format": vocabulary.NOT_A_CHOICE})
    ids = export.fix_ids(session, statement, kind.model)
    written: list[list[uuid.UUID]] = []
    rows = (row for part in ([export.header(kind.columns)], kind.rows(session, ids, written)) for row in part)
    file = io.BytesIO()
    if chosen == "csv":
        file.writelines(export.as_csv(rows))
    else:
        export.write_xlsx(rows, file)
    file.seek(0)
    subjects = list(dict.fromkeys(id for row in written for id in row))
    detail = {"format": chosen, "rows": len(written)}
    record_read("record.export", kind.kind, subjects=subjects, purpose=purpose, detail=detail)
    words = str(kind.name)
    words = turkish_lower(words) if language() == "tr" else words.lower()
    name = f"itm-{words}-{today().isoformat()}.{chosen}"
    flash(_taken(len(written)))
    mimetype = export.CSV_TYPE if chosen == "csv" else export.XLSX_TYPE
    return send_file(file, mimetype=mimetype, as_attachment=True, download_name=name)

"""Several records at once: Flask-AppBuilder's actions on the rows that were chosen on a list.

The page asks first, and names each record. Then all of them are changed, or none: each by the rules of a single record,
with the version that the person saw and an event of its own (foundation/bulk.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from flask import request
from flask_babel import ngettext
from sqlalchemy.orm import Session
from werkzeug.utils import redirect

from itm_admin.foundation import bulk
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.bulk import Asked, Chosen, Line
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import NotFound
from itm_admin.foundation.formats import day, moment
from itm_admin.foundation.forms import PanelForm, save, tell
from itm_admin.foundation.list_parts import BulkAct, Cell
from itm_admin.foundation.views import route, safe_next_url
from itm_admin.record.page_columns import Ask
from itm_admin.record.schema import load

if TYPE_CHECKING:
    from itm_admin.record.pages import RecordPage


def add_route(cls: type[RecordPage], name: str, method: Any) -> None:
    """A page that asks and then does the action, at an address and with an act of its own."""

    def together(self: RecordPage) -> Any:
        return _page(self, name, method)

    together.__name__ = f"{name}_together"
    setattr(cls, together.__name__, route(f"/together/{name}", act=name, methods=("POST",))(together))


def offered(page: RecordPage) -> list[BulkAct]:
    """The actions on several records that the person at work may do."""
    return [
        BulkAct(text, page.address(f"{name}_together"))
        for name, text, _method in _actions(page)
        if page.may(f"{name}_together")
    ]


def _actions(page: RecordPage) -> Iterator[tuple[str, Any, Any]]:
    for method in vars(type(page)).values():
        if hasattr(method, "_action"):
            name, text, _confirmation, _icon, multiple, _single = method._action
            if multiple:
                yield name, text, method


def _page(page: RecordPage, name: str, method: Any) -> Any:
    """The first time the page asks; the second time it does what was confirmed."""
    ask = page.action_forms.get(name)
    form = ask[0]() if ask is not None else PanelForm()
    asked = bulk.asked(request.form.getlist(bulk.NAME), request.form.getlist(bulk.OFFERED))
    wanted, back = asked.chosen, safe_next_url(request.form.get("next"))
    confirmed = request.form.get("confirmed") == "yes"
    if not asked.offered:
        return bulk.back_to_the_list(back)
    if not wanted:
        form.told.append(str(bulk.NOTHING_CHOSEN))
    elif confirmed:
        try:
            if save(form, lambda session: _all(page, session, name, method, wanted, ask, form)):
                tell(page.done_words(name, len(wanted)))
                return redirect(back, 303)
        except bulk.RecordsRefused as refused:
            asked.refuse(refused, form)
    page.offer(form, None, None)
    lines, (_name, text, confirmation, *_more) = _lines(page, asked), method._action
    shown = page.render(
        "together.html", heading=confirmation or text, form=form, lines=lines, submit=confirmation or text,
        fields=[field.name for field in form if field.name not in ("version", "clear", "csrf_token")],
        tone="danger" if name in page.danger_acts else "primary", action=request.path, back=back,
        legend=ngettext("%(num)s chosen row", "%(num)s chosen rows", len(lines)),
        list_name=page.listing.caption,
    )  # fmt: skip
    return shown, asked.status(form, confirmed=confirmed)


def _all(
    page: RecordPage, session: Session, name: str, method: Any, wanted: list[Chosen], ask: Ask | None, form: PanelForm
) -> bool:
    if ask is None:
        return bulk.all_or_nothing(wanted, _found(page, session, name, method))
    data = form.payload()
    load(ask[1], data)
    return bulk.all_or_nothing(wanted, lambda each: method(page, session, each, data))


def _found(page: RecordPage, session: Session, name: str, method: Any) -> Callable[[Chosen], None]:
    def work(each: Chosen) -> None:
        method(page, session, page.datamodel.get_to_change(session, each.id, name, each.version))
        session.flush()

    return work


def _lines(page: RecordPage, asked: Asked) -> list[Line]:
    """The records to choose from, in the order of their names; NotFound if a chosen one is not there for this person.

    After a refusal the newest version stands there: a person who chooses it again has seen it.
    """
    model, columns = page.datamodel.model, page.listing.columns
    seen = {each.id: each.version for each in asked.offered}
    statement = page.datamodel.query().where(model.id.in_(seen)).order_by(*columns[0].order, model.id)
    records = list(db.session.scalars(statement, execution_options={"populate_existing": True}).unique())
    if not {each.id for each in asked.chosen} <= {record.id for record in records}:
        raise NotFound
    named = [id for record in records for column in columns[:3] if column.names for id in column.names(record)]
    shown = list(dict.fromkeys([*(str(record.id) for record in records), *named]))
    record_read("record.list", page.datamodel.kind.name, subjects=shown, detail={"page": request.endpoint or ""})
    return [
        asked.line(
            record.id,
            record.row_version if asked.reasons else seen[record.id],
            str(columns[0].cell(record).value),
            ", ".join(filter(None, (_text(column.cell(record)) for column in columns[1:3]))),
        )
        for record in records
    ]


def _text(cell: Cell) -> str:
    if cell.value is None:
        return ""
    if cell.kind == "day":
        return day(cell.value)
    return moment(cell.value) if cell.kind == "moment" else str(cell.value)

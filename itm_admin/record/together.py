"""Several records at once: Flask-AppBuilder's actions on the rows that were chosen on a list.

The page asks first, and names each record. Then all of them are changed, or none: each by the rules of a single record,
with the version that the person saw and an event of its own (foundation/bulk.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from flask import g, request, url_for
from flask_babel import ngettext
from marshmallow import Schema
from sqlalchemy.orm import Session
from werkzeug.utils import redirect

from itm_admin.foundation import access, bulk
from itm_admin.foundation.bulk import Asked, Chosen, Line
from itm_admin.foundation.errors import Message
from itm_admin.foundation.formats import day, moment
from itm_admin.foundation.forms import PanelForm, save, tell
from itm_admin.foundation.list_parts import BulkAct, Cell
from itm_admin.foundation.views import Page, route, safe_next_url
from itm_admin.record.schema import load

Ask = tuple[Callable[[], PanelForm], type[Schema]]
"""The form of what an action asks for, made for the records that the request names, and the check of its answers."""


class ActsTogether(Page):
    """A page whose list offers methods under `@action` (with `multiple`) for the rows that were chosen on it."""

    action_forms: ClassVar[Mapping[str, Ask]] = {}
    """Forms of actions on several records, by name. Such a method gets each record as it was chosen, and the answers:
    the service of a single record finds and checks it. Any other gets the record found, checked and locked.
    """
    danger_acts: ClassVar[tuple[str, ...]] = ("delete",)
    """Actions with a red button."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name, _text, _ask, method in _actions(cls):
            _add_route(cls, name, method)

    def rows_title(self) -> Message:
        """The title of the list that the rows were chosen on."""
        raise NotImplementedError

    def chosen_rows(self, asked: Asked) -> list[Line]:
        """The records to choose from, as an entry tells them. NotFound if a chosen one is not there for this person."""
        raise NotImplementedError

    def find_chosen(self, session: Session, act: str, chosen: Chosen) -> Any:
        """The record that a method without a form gets: found, checked and locked."""
        raise NotImplementedError

    def offer(self, form: PanelForm, parent: Any, record: Any) -> None:
        """Gives the form's links to other records their choices."""

    def done_words(self, action: str, count: int) -> str:
        """The answer to an action on several records."""
        words: str = ngettext("%(num)s record is changed.", "%(num)s records are changed.", count)
        return words

    def address(self, page: str, **values: Any) -> str:
        return url_for(f"{self.endpoint}.{page}", **values)

    def may(self, page: str) -> bool:
        """True if this class has the page and the person at work may enter it."""
        return access.allowed(f"{self.endpoint}.{page}", g.actor)


def offered(page: ActsTogether) -> list[BulkAct]:
    """The actions on several records that the person at work may do."""
    return [
        BulkAct(text, page.address(f"{name}_together"))
        for name, text, _ask, _method in _actions(type(page))
        if page.may(f"{name}_together")
    ]


def _actions(cls: type[ActsTogether]) -> Iterator[tuple[str, Any, Any, Any]]:
    """Name, text, confirmation and method of each action on several rows."""
    for method in list(vars(cls).values()):
        if hasattr(method, "_action"):
            name, text, confirmation, _icon, multiple, _single = method._action
            if multiple:
                yield name, text, confirmation, method


def _add_route(cls: type[ActsTogether], name: str, method: Any) -> None:
    """A page that asks and then does the action, at an address and with an act of its own."""

    def together(self: ActsTogether) -> Any:
        return _page(self, name, method)

    together.__name__ = f"{name}_together"
    setattr(cls, together.__name__, route(f"/together/{name}", act=name, methods=("POST",))(together))


def _page(page: ActsTogether, name: str, method: Any) -> Any:
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
    lines, (_name, text, confirmation, *_more) = page.chosen_rows(asked), method._action
    shown = page.render(
        "together.html", heading=confirmation or text, form=form, lines=lines, submit=confirmation or text,
        fields=[field.name for field in form if field.name not in ("version", "clear", "csrf_token")],
        tone="danger" if name in page.danger_acts else "primary", action=request.path, back=back,
        legend=ngettext("%(num)s chosen row", "%(num)s chosen rows", len(lines)),
        list_name=page.rows_title(),
    )  # fmt: skip
    return shown, asked.status(form, confirmed=confirmed)


def _all(
    page: ActsTogether, session: Session, name: str, method: Any, wanted: list[Chosen], ask: Ask | None,
    form: PanelForm,
) -> bool:  # fmt: skip
    if ask is None:
        return bulk.all_or_nothing(wanted, _found(page, session, name, method))
    data = form.payload()
    load(ask[1], data)
    return bulk.all_or_nothing(wanted, lambda each: method(page, session, each, data))


def _found(page: ActsTogether, session: Session, name: str, method: Any) -> Callable[[Chosen], None]:
    def work(each: Chosen) -> None:
        method(page, session, page.find_chosen(session, name, each))
        session.flush()

    return work


def words_of(cell: Cell) -> str:
    """A cell of the list in words, to tell a record from others."""
    if cell.value is None:
        return ""
    if cell.kind == "day":
        return day(cell.value)
    return moment(cell.value) if cell.kind == "moment" else str(cell.value)

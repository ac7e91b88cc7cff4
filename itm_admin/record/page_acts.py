"""Acts of a record's pages: transitions of its state, Flask-AppBuilder's actions, and the buttons for both.

Each transition of a kind's states becomes a page that asks for what it needs, and each method under `@action` a button
that posts, or a choice for several rows of the list (together.py). All are routes with an act of their own in the
roles' table, so the gate knows them as any other.
"""

from __future__ import annotations

import types
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from flask import flash, g, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from itm_admin.foundation import access
from itm_admin.foundation.forms import PanelForm, settled, tell
from itm_admin.foundation.views import keyring, redirect_after_post, route
from itm_admin.record import parts, protected_values

if TYPE_CHECKING:
    from itm_admin.record.kind import Transition
    from itm_admin.record.pages import RecordPage

DANGER = "danger"
BOTH = ("GET", "POST")
ALONE = "/new"
"""The address of the form for a record that stands alone; that of a part names its parent."""


def copied(method: Callable[..., Any]) -> Any:
    """The method as a function of a class's own, with its address and act: it carries what is the class's alone."""
    function: Any = method
    copy = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__dict__.update(function.__dict__)
    copy.__kwdefaults__, copy.__doc__ = function.__kwdefaults__, function.__doc__
    return copy


def keep_routes(cls: type[Any], base: type[Any]) -> None:
    """A page that overrides a route of the base without naming it again keeps its address, act and gate."""
    for name, inherited in vars(base).items():
        own = cls.__dict__.get(name)
        if own is None or not hasattr(inherited, "_urls") or hasattr(own, "_urls"):
            continue
        stands_alone = "datamodel" in cls.__dict__ and cls.datamodel.parent is None
        for url, methods in inherited._urls:
            at = ALONE if name == "add" and stands_alone else url
            own = route(
                at, act=inherited._permission_name, methods=methods, public=inherited._public, quiet=inherited._quiet,
                second_step=inherited._second_step, fresh=inherited._fresh,
            )(own)  # fmt: skip
        setattr(cls, name, own)


def add_acts(cls: type[RecordPage]) -> None:
    """Gives the class a route for each transition of its kind and for each action."""
    if cls.datamodel.parent is None and "add" not in cls.__dict__:
        alone = copied(cls.add)
        del alone._urls
        cls.add = route(ALONE, act="add", methods=BOTH)(alone)  # type: ignore[method-assign]
    states = cls.datamodel.kind.info.states
    for act in states.acts if states is not None else ():
        if act not in cls.__dict__:
            setattr(cls, act, route(f"/<uuid:id>/{act}", act=act, methods=BOTH)(_transition_page(act)))
    for method in list(vars(cls).values()):
        if hasattr(method, "_action"):
            name, _text, _confirmation, _icon, _multiple, single = method._action
            if single:
                setattr(cls, f"{name}_action", _action_route(name, method))


def _transition_page(act: str) -> Callable[[RecordPage, uuid.UUID], Any]:
    def page(self: RecordPage, id: uuid.UUID) -> Any:
        transition, _column = self.datamodel.transition(act)
        form = self.form(transition.columns)
        if form.submitted():
            version = form.expected_version()
            if settled(form, lambda s: self.datamodel.move(s, keyring(), id, act, form.payload(), version)):
                tell(_("The changes are saved."))
                return redirect_after_post(f"{self.endpoint}.show", id=id)
        return self.render_act(act, id, form, str(transition.label), open_only=True)

    page.__name__ = act
    return page


def _action_route(name: str, method: Any) -> Callable[..., Response]:
    """A POST that does the action to one record: the record is found and locked, the parents asked, one transaction."""

    def act(self: RecordPage, id: uuid.UUID) -> Response:
        form = PanelForm()

        def work(session: Any) -> Any:
            record = self.datamodel.get_to_change(session, id, name, form.expected_version())
            method(self, session, record)
            session.flush()
            return record

        if settled(form, work) is None:
            flash(" ".join(form.told), "warning")
        else:
            tell(_("The changes are saved."))
        return redirect_after_post(f"{self.endpoint}.show", id=id)

    act.__name__ = f"{name}_action"
    return route(f"/<uuid:id>/{name}", act=name, methods=("POST",))(act)


def posts(page: RecordPage, record: Any, parent: Any) -> list[tuple[str, str, str, str | None]]:
    """The actions that the person at work may do to this record: address, text, tone, and what is asked first."""
    if record is None or is_deleted(record) or _locked(page, record, parent):
        return []
    actions = [method._action for method in vars(type(page)).values() if hasattr(method, "_action")]
    return [
        (page.address(f"{name}_action", id=record.id), str(text), tone_of(page, name), ask and str(ask))
        for name, text, ask, _icon, _multiple, single in actions
        if single and page.may(f"{name}_action")
    ]


def tone_of(page: RecordPage, action: str) -> str:
    return DANGER if action in page.danger_acts else "secondary"


def steps(page: RecordPage, record: Any, parent: Any) -> list[tuple[str, str, str]]:
    """The buttons of a record's page: address, text, tone."""
    return [] if record is None else list(_steps(page, record, parent))


def _steps(page: RecordPage, record: Any, parent: Any) -> Iterator[tuple[str, str, str]]:
    live, kind = not is_deleted(record), page.datamodel.kind
    is_open = live and not _locked(page, record, parent)
    if is_open and page.may("edit"):
        yield page.address("edit", id=record.id), _("Edit"), "primary"
    states = kind.info.states
    for act, transition in states.acts.items() if states is not None and is_open else ():
        if (
            getattr(record, states.column if states is not None else "") in transition.of
            and _is_ours(transition, record)
            and page.may(act)
        ):
            yield page.address(act, id=record.id), str(transition.label), "secondary"
    if is_open:
        yield from parts.new_parts(page, record)
    if live and kind.protected and protected_values.filled(record) and page.may("reveal"):
        yield page.address("reveal", id=record.id), _("Show protected values"), "secondary"
    if kind.info.history and access.allowed("HistoryView.record", g.actor):
        yield url_for("HistoryView.record", kind=kind.name, id=record.id), _("Access history"), "secondary"
    if live and page.may("delete"):
        yield page.address("delete", id=record.id), _("Delete"), DANGER


def _is_ours(transition: Transition, record: Any) -> bool:
    """True unless the other party does it."""
    return transition.party in (None, "both", getattr(record, "party", None))


def _locked(page: RecordPage, record: Any, parent: Any) -> bool:
    model = page.datamodel
    return (model.why_locked_inside(parent) if model.parent is not None else model.why_locked(record)) is not None


def is_deleted(record: Any) -> bool:
    """True if somebody deleted the record; false for a kind that nobody can delete."""
    return getattr(record, "deleted_at", None) is not None


def new_url(page: RecordPage) -> str | None:
    """The form for a new record of a kind that stands alone; None for a part, and for those who may add none."""
    return page.address("add") if stands_at_new(type(page)) and page.may("add") else None


def stands_at_new(cls: type[RecordPage]) -> bool:
    """True if the class adds records that stand alone. One that has a form of its own may need more in its address."""
    urls = getattr(cls.add, "_urls", ())
    alone = cls.datamodel.parent is None and any(url == ALONE for url, _methods in urls)
    return alone and "add" not in cls.exclude_route_methods


Group = tuple[str | None, str | None, list[Any]]
"""Legend, hint and fields."""


def fieldsets(page: RecordPage, where: str, form: PanelForm) -> list[Group]:
    """The form's fields in groups. On a form to add or edit, the protected ones of no group stand apart."""
    if where not in ("add", "edit"):
        return grouped(form, ())
    kind, named = page.datamodel.kind, page.add_fieldsets if where == "add" else page.edit_fieldsets
    return grouped(
        form, named, kind.protected, where == "edit", [field.name for field in form if field.name not in kind.fields]
    )


def grouped(
    form: PanelForm,
    named: Iterable[Any],
    protected: Iterable[str] = (),
    stored: bool = False,
    without: Iterable[str] = (),
) -> list[Group]:
    """The form's fields in the named groups, then the others, then those that are protected.

    `stored`: the protected ones may hold something. `without`: those that the page's own template shows. `clear`, the
    list of what is to be emptied, stands where a group names it, and else with the protected ones.
    """
    left_out = {"version", "csrf_token", "clear", *without}
    fields = {field.name: field for field in form if field.name not in left_out}
    if form.clear.choices:
        fields["clear"] = form.clear
    groups: list[Group] = [
        (legend and str(legend), _hint(group), [fields.pop(name) for name in group["fields"] if name in fields])
        for legend, group in named
    ]
    apart = {*protected, "clear"}
    open_fields = [each for name, each in fields.items() if name not in apart]
    sealed = [each for name, each in fields.items() if name in apart]
    if open_fields:
        groups.append((None, None, open_fields))
    if sealed:
        hint = _("Stored encrypted. Leave empty to keep what is stored.") if stored else _("Stored encrypted.")
        groups.append((_("Protected"), hint, sealed))
    return [each for each in groups if each[2]]


def _hint(group: Any) -> str | None:
    return str(group["description"]) if group.get("description") else None

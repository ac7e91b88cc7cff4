"""Pages of a kind of record, in Flask-AppBuilder's vocabulary with a guarded implementation under it.

A subclass names a `datamodel` and its columns; lists, forms, facts, conflict pages, drafts, reveals and exports follow.
The columns stand in page_columns.py, the words and buttons that an area may say otherwise in page_words.py, acts in
page_acts.py. Views are singletons that all threads share:
nothing of a request is kept on them.
"""

from __future__ import annotations

import builtins
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from flask import request
from flask_babel import gettext as _
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from itm_admin.foundation.actor import me
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.bulk import Asked, Chosen, Line
from itm_admin.foundation.database import db
from itm_admin.foundation.database_errors import HELD
from itm_admin.foundation.encryption import AnySession
from itm_admin.foundation.errors import Conflict, Invalid, Message, NotFound
from itm_admin.foundation.forms import PanelForm, attempt, settled, tell, told
from itm_admin.foundation.lists import with_query
from itm_admin.foundation.once import once, unless_repeated
from itm_admin.foundation.views import REMASK_AFTER, keyring, redirect_after_post, revealing, route
from itm_admin.record import page_acts, parts, protected_values, removals, together, versions
from itm_admin.record.display import compared, protected_choices
from itm_admin.record.draft_views import DraftForm, finished, maybe_desk, own_form, register, resumed
from itm_admin.record.export_response import answer_export, how_many
from itm_admin.record.forms import ExportForm, PurposeForm, ReasonForm
from itm_admin.record.page_acts import BOTH
from itm_admin.record.page_columns import Columns
from itm_admin.record.page_words import Post, RecordWords, Step

__all__ = ["Answer", "Post", "RecordPage", "Step"]

Answer = str | tuple[str, int] | Response


class RecordPage(RecordWords):
    """The pages of one kind. What an area's page needs beside them is a method, not an option."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        page_acts.keep_routes(cls, RecordPage)
        if "datamodel" in cls.__dict__:
            page_acts.add_acts(cls)
            parts.know(cls)
            _register_drafts(cls)

    # -- pages ------------------------------------------------------------------------------------------------------

    @route("/", act="list")
    def list(self) -> Answer:
        return self._listed(deleted=False)

    @route("/deleted", act="restore")
    def deleted(self) -> Answer:
        return self._listed(deleted=True)

    @route("/<uuid:id>", act="show")
    def show(self, id: uuid.UUID) -> Answer:
        record = self.datamodel.get(db.session, id, or_deleted=True)
        record_read("record.read", self.datamodel.kind.name, id)
        return self.render_record(record, self.datamodel.parent_of(record))

    @route("/new/<uuid:parent>", act="add", methods=BOTH)
    def add(self, parent: uuid.UUID | None = None) -> Answer:
        """A new record in its parent; of a kind that stands alone, one at /new."""
        form, draft, desk_id = self.form(self.add_columns), f"new-{self.draft}", parent or me().id
        if form.submitted():
            columns = self.writable(self.add_columns)

            def work(session: Any) -> Any:
                made = self.datamodel.add(session, keyring(), parent, form.payload(), columns)
                return finished(session, draft, desk_id, made)

            made = attempt(form, lambda session: once(session, self.datamodel.model, lambda: work(session)))
            if made is not None:
                tell(str(self.added_text))
                return self.post_add_redirect(made)
        above = None
        if self.datamodel.parent is not None and parent is not None:
            above = self.datamodel.parent.get(db.session, parent)
            kind, page = self.datamodel.parent.kind.name, {"page": request.endpoint or ""}
            record_read("record.read", kind, parent, detail=page)
        at = maybe_desk(db.session, draft, desk_id)
        form = form if form.submitted() else resumed(self.new_form(), at)
        form.warn(self.datamodel.why_locked_inside(above))
        self.offer(form, above, None)
        action, back = self.address("add", **({"parent": parent} if parent else {})), self.parent_url(above)
        return self.render_form(
            "add", self.add_template, form, None, above, at=at, conflict=(), action=action, back=back
        )

    @route("/<uuid:id>/edit", act="edit", methods=BOTH)
    def edit(self, id: uuid.UUID) -> Answer:
        def save(session: Any, form: PanelForm, columns: Columns) -> Any:
            version = form.expected_version()

            def work() -> Any:
                return self.datamodel.edit(session, keyring(), id, form.payload(), version, columns)

            return unless_repeated(session, work)

        def find(session: Any) -> tuple[Any, Any]:
            record = self.datamodel.get_living(session, id)
            return record, self.datamodel.parent_of(record)

        return self.render_edit(id, find, save, self.address("edit", id=id), self.edit_back(id))

    @route("/<uuid:id>/reveal", act="reveal", methods=BOTH)
    def reveal(self, id: uuid.UUID) -> Answer:
        """One record's protected values, after a purpose was chosen."""
        record = self.datamodel.get_living(db.session, id)
        parent = self.datamodel.parent_of(record)
        return self.render_reveal(id, record, parent, self.address("reveal", id=id), self.address("show", id=id))

    @route("/<uuid:id>/delete", act="delete", methods=BOTH)
    def delete(self, id: uuid.UUID) -> Answer:
        form = ReasonForm()
        if form.submitted() and settled(
            form, lambda session: self.datamodel.delete(session, id, form.payload(), form.expected_version())
        ):
            tell(str(self.deleted_text))
            return redirect_after_post(f"{self.endpoint}.list")
        return self.render_act("delete", id, form, str(self.delete_label), page_acts.DANGER)

    @route("/<uuid:id>/restore", act="restore", methods=("POST",))
    def restore(self, id: uuid.UUID) -> Answer:
        told(ReasonForm(), lambda session: self.datamodel.restore(session, id), str(self.restored_text))
        return redirect_after_post(f"{self.endpoint}.show", id=id)

    @route("/export", act="export", methods=BOTH, fresh=True)
    def export(self) -> Answer:
        form = ExportForm()
        statement = self.listing.narrowed(self.datamodel.query(), self.listing.read(request.args))
        if form.submitted():
            try:
                return answer_export(db.session, self.exporting, statement, form)
            except Invalid as error:
                form.take(error)
        back, rows = with_query(f"{self.endpoint}.list"), how_many(db.session, statement)
        page = self.render("record/export.html", rows=rows, form=form, back=back)
        return page, form.refused_with if form.submitted() else 200

    # -- parts, for pages with an address of their own ------------------------------------------------------------

    def render_record(self, record: Any, parent: Any, revealed: Mapping[str, Any] | None = None) -> str:
        """The record's page; of a parent's one record also while there is none."""
        restore = self.address("restore", id=record.id) if record is not None and self.may("restore") else None
        return self.render(
            self.show_template,
            heading=self.heading("show", record, parent), lead=self.lead("show"), record=record, parent=parent,
            removed=removals.told(db.session, record) if page_acts.is_deleted(record) else None,
            breadcrumbs=self.breadcrumbs(None, parent), steps=self.steps(record, parent), revealed=revealed,
            acts=self.acts(record, parent), groups=self.facts(record, revealed), restore=restore,
            parts=self.parts(record), url=self.record_url(record, parent), remask_after=REMASK_AFTER,
            **self.more(record, parent),
        )  # fmt: skip

    def parts(self, record: Any) -> builtins.list[parts.PartList]:
        """The lists of the record's parts; a page that shows them otherwise gives fewer."""
        return [] if record is None or page_acts.is_deleted(record) else [*parts.lists(self, record)]

    def render_edit(
        self,
        id: uuid.UUID,
        find: Callable[[AnySession], tuple[Any, Any]],
        save: Callable[[AnySession, PanelForm, Columns], Any],
        action: str,
        back: str,
    ) -> Answer:
        """The edit form with its draft, its conflict page and who else has it open.

        `find` gives the record, which may not be there yet, and its parent; `save` does the work of the form.
        """
        conflict: Conflict | None = None
        form = self.form(self.edit_columns)
        if form.submitted():
            columns = self.writable(self.edit_columns)
            try:
                saved = attempt(form, lambda session: finished(session, self.draft, id, save(session, form, columns)))
            except Conflict as error:
                saved, conflict = None, error
            if saved is not None:
                tell(str(self.saved_text))
                return redirect(back, 303)
        record, parent = find(db.session)
        at = maybe_desk(db.session, self.draft, id)
        record_read("record.read", self.datamodel.kind.name, record.id if record else id, detail={"page": "edit"})
        if not form.submitted():
            stored = {"obj": record, "version": record.row_version} if record is not None else {}
            form = resumed(self.form(self.edit_columns, **stored), at)
        form.warn(self.datamodel.why_locked_inside(parent) if parent is not None else self.datamodel.why_locked(record))
        self.offer(form, parent, record)
        rows = self._compared(form, record, conflict)
        status = 409 if conflict else None
        return self.render_form(
            "edit", self.edit_template, form, record, parent, status, at=at, conflict=rows, action=action, back=back
        )

    def render_reveal(self, id: uuid.UUID, record: Any, parent: Any, action: str, back: str) -> Answer:
        """Asks for a purpose, then shows the values until they are masked again."""
        form = PurposeForm()
        self.datamodel.refuse_about_nobody(db.session, record, parent)
        if form.submitted():
            try:
                why = (form.purpose.data or "", form.words.data)
                values = self.datamodel.reveal(db.session, keyring(), record, parent, why)
                return revealing(self.render_record(record, parent, values), back)
            except Invalid as error:
                form.take(error)
        record_read("record.read", self.datamodel.kind.name, record.id if record else id, detail={"page": "reveal"})
        return self.render_form("reveal", self.reveal_template, form, record, parent, action=action, back=back)

    def render_act(
        self, act: str, id: uuid.UUID, form: PanelForm, submit: str, tone: str = "primary", *, open_only: bool = False
    ) -> Answer:
        """Asks for what an act on a record needs; the page's own method does it. `open_only`: tells if it is locked."""
        record = self.datamodel.get_living(db.session, id)
        parent = self.datamodel.parent_of(record)
        record_read("record.read", self.datamodel.kind.name, id, detail={"page": act})
        form.version.data = form.version.data or str(record.row_version)
        if open_only:
            form.warn(self.datamodel.why_locked(record))
        self.offer(form, parent, record)
        here, back = self.address(act, id=id), self.record_url(record, parent)
        return self.render_form(
            act, "record/act.html", form, record, parent, submit=submit, tone=tone, action=here, back=back
        )

    def render_form(
        self, where: str, template: str, form: PanelForm, record: Any, parent: Any, status: int | None = None,
        **values: Any,
    ) -> Answer:  # fmt: skip
        """A page with a form, and the status that the form is answered with."""
        answer = self.render(
            template,
            heading=self.heading(where, record, parent), lead=self.lead(where), form=form, record=record, parent=parent,
            breadcrumbs=self.breadcrumbs(record, parent), fieldsets=page_acts.fieldsets(self, where, form), **values,
        )  # fmt: skip
        return answer, status or (form.refused_with if form.submitted() else 200)

    # -- several records of the list --------------------------------------------------------------------------------

    def rows_title(self) -> Message:
        return self.listing.caption

    def find_chosen(self, session: AnySession, act: str, chosen: Chosen) -> Any:
        return self.datamodel.get_to_change(session, chosen.id, act, chosen.version)

    def chosen_rows(self, asked: Asked) -> builtins.list[Line]:
        """In the order of their names. After a refusal the newest version stands there: who chooses it has seen it."""
        model, columns = self.datamodel.model, self.listing.columns
        seen = {each.id: each.version for each in asked.offered}
        statement = self.datamodel.query().where(model.id.in_(seen)).order_by(*columns[0].order, model.id)
        records = db.session.scalars(statement, execution_options={"populate_existing": True}).unique().all()
        if not {each.id for each in asked.chosen} <= {record.id for record in records}:
            raise NotFound
        named = [id for record in records for column in columns[:3] if column.names for id in column.names(record)]
        shown = list(dict.fromkeys([*(str(record.id) for record in records), *named]))
        record_read("record.list", self.datamodel.kind.name, subjects=shown, detail={"page": request.endpoint or ""})
        return [
            asked.line(
                record.id, record.row_version if asked.reasons else seen[record.id],
                str(columns[0].cell(record).value),
                ", ".join(filter(None, (together.words_of(column.cell(record)) for column in columns[1:3]))),
            )
            for record in records
        ]  # fmt: skip

    def _compared(self, form: PanelForm, record: Any, conflict: Conflict | None) -> builtins.list[Any]:
        if record is None:
            return []
        if protected_values.is_held(record):
            form.warn(HELD)  # nothing is offered to be emptied
        else:
            form.clear.choices = protected_choices(form, record)
        if conflict is None:
            return []
        form.version.data = str(record.row_version)
        return compared(form, versions.shown_values(record))

    def _listed(self, *, deleted: bool) -> Answer:
        listing = removals.listing(self.listed(), self.datamodel.model) if deleted else self.listed()
        shown = listing.page(db.session, self.datamodel.query(deleted=deleted), listing.asked(request.args))
        record_read("record.list", self.datamodel.kind.name, subjects=shown.ids)
        if deleted:
            removals.learn(db.session, self.datamodel.kind, shown.found)
            shown.empty_text = _("Nothing is deleted.")
        else:
            shown.add, shown.bulk = self.adding(), together.offered(self)
            shown.apart = {str(each.id) for each in shown.found if shown.bulk and not self.choosable(each)}
            if self.may("export") and not shown.mistaken:
                shown.exports = [(_("Export the list"), with_query(f"{self.endpoint}.export"))]
        caption = str(self.deleted_title or _("Deleted: %(what)s", what=str(shown.caption)))
        page = self.render(
            self.deleted_template if deleted else self.list_template,
            listing=shown, heading=caption if deleted else shown.caption,
            breadcrumbs=[(str(shown.caption), self.address("list"))] if deleted else [],
            steps=[] if deleted else self.list_steps(),
            lead=self.lead("deleted" if deleted else "list"), deleted_label=caption,
            deleted=self.address("deleted") if self.may("deleted") and not deleted else None,
        )  # fmt: skip
        return page, shown.status


def _register_drafts(cls: type[RecordPage]) -> None:
    """The forms to edit and to add a record keep drafts; the record, or its parent, is found as on the page."""
    model, label = cls.datamodel, cls.datamodel.kind.info.label
    edits = DraftForm(f"{cls.__name__}.edit", "id", cls.draft_label or label, model.get, model.get_open)
    register(cls.draft, edits)
    if model.parent is not None:
        inside = model.parent.get, model.get_open_parent
        register(f"new-{cls.draft}", DraftForm(f"{cls.__name__}.add", "parent", label, *inside))
    elif page_acts.stands_at_new(cls):
        register(f"new-{cls.draft}", DraftForm(f"{cls.__name__}.add", "", label, own_form))

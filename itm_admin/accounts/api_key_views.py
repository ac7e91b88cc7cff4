"""Pages of API keys: for the manager who makes and ends them, for those who watch, and for the responsible person.

A secret is shown once, in the answer to its own responsible person; neither the manager nor an auditor ever sees one.
"""

from __future__ import annotations

import builtins
import uuid
from collections.abc import Mapping
from typing import Any, ClassVar

from flask import flash, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import and_, func, or_
from werkzeug.wrappers import Response

from itm_admin.accounts import api_key_changes, api_key_lists, api_key_scopes, api_keys
from itm_admin.accounts.api_key_forms import EndForm, KeyEditForm, KeyForm, TakeForm, days
from itm_admin.accounts.api_key_model import ApiKey
from itm_admin.accounts.api_keys import KEYS
from itm_admin.foundation import tenancy
from itm_admin.foundation.actor import me
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import Invalid
from itm_admin.foundation.formats import moment
from itm_admin.foundation.forms import PanelForm, attempt, settled, tell, told
from itm_admin.foundation.lists import Filter
from itm_admin.foundation.once import once
from itm_admin.foundation.roles import AUDIT, INSTITUTION
from itm_admin.foundation.tenancy import acting
from itm_admin.foundation.views import REMASK_AFTER, Page, redirect_after_post, revealing, route
from itm_admin.record.page_acts import BOTH, DANGER
from itm_admin.record.pages import Answer, RecordPage, Step

_RUNS = and_(ApiKey.ended_at.is_(None), ApiKey.expires_at > func.now())
_STATE = Filter(
    "state",
    _l("Status"),
    "choice",
    lambda code: {
        "force": and_(_RUNS, ApiKey.secret_at.is_not(None)),
        "waits": and_(_RUNS, ApiKey.secret_at.is_(None)),
        "over": or_(ApiKey.ended_at.is_not(None), ApiKey.expires_at <= func.now()),
    }[code],
    lambda: [
        ("force", str(_l("In force"))),
        ("waits", str(_l("Waits for the responsible person"))),
        ("over", str(_l("Ended or expired"))),
    ],
)


class ApiKeyView(RecordPage):
    """The keys of the institution; for auditors and the Presidency those in their reach."""

    datamodel = KEYS
    route_base = "/api-keys"
    list_columns = ("name", "responsible", "institution_name", "state", "last_use", "expires_at")
    order_columns = ("name", "expires_at")
    label_columns: ClassVar = {
        "responsible": _l("Responsible person"), "institution_name": _l("Institution"), "state": _l("Status"),
        "last_use": _l("Last used"),
    }  # fmt: skip
    formatters_columns: ClassVar = {"state": lambda cell: cell}
    search_columns = ("state",)
    search_filters = (_STATE,)
    show_columns = (
        "scopes", "networks", "expires_at", "secret_at", "overlap_until", "wanted_scopes", "wanted_networks",
        "wanted_until", "wanted_at", "ended_at", "why",
    )  # fmt: skip
    add_columns = ()
    edit_columns = ()
    exclude_route_methods: ClassVar = {"export"}
    add_title = _l("New API key")
    empty_text = _l("There is no API key yet.")
    show_template = "accounts/api_key.html"

    def lead(self, where: str) -> str | None:
        words = {
            "list": _("Keys with which programs use the interface, each in the name of a responsible person."),
            "show": _("What the key may do, from where and how long, who answers for it and when it was used last."),
            "add": _("You make the key, and the responsible person takes its secret: you never see it."),
            "edit": _(
                "The secret stays. What is narrower holds at once. What is wider waits until the responsible person "
                "accepts it."
            ),
            "end": _("The key stops working at once and for good. The responsible person is told by e-mail."),
        }
        return str(words[where])

    def heading(self, where: str, record: Any, parent: Any) -> str:
        if where == "end":
            return str(_("End the key: %(name)s", name=record.name))
        return super().heading(where, record, parent)

    def facts(self, record: ApiKey, revealed: Any) -> builtins.list[Any]:
        ((legend, rows),) = super().facts(record, revealed)
        first = [
            (_("Status"), record.state),
            (_("Responsible person"), record.responsible),
            (_("Institution"), record.institution_name),
        ]
        return [(legend, [*first, *rows, (_("Last used"), record.last_use)])]

    def not_shown(self, record: ApiKey) -> tuple[str, ...]:
        over: tuple[str, ...] = () if record.ended_at is not None else ("ended_at", "why")
        wanted = ("wanted_scopes", "wanted_networks", "wanted_until", "wanted_at")
        over += tuple(each for each in wanted if getattr(record, each) is None or record.is_over)
        return over if record.overlap_until is not None else (*over, "overlap_until")

    def steps(self, record: ApiKey, parent: Any) -> builtins.list[Step]:
        steps: builtins.list[Step] = []
        if tenancy.current().scope == INSTITUTION and me().may("history", "ApiKey"):
            looks = url_for("HistoryView.record", kind="api_key", id=record.id)
            steps.append((looks, _("Access history"), "secondary"))
        if tenancy.current().scope == AUDIT:
            looks = url_for("AuditHistoryView.record", kind="api_key", id=record.id)
            steps.append((looks, _("Access history"), "secondary"))
        if self.may("edit") and not record.is_over:
            steps.append((self.address("edit", id=record.id), _("Edit"), "primary"))
        if self.may("end") and not record.is_over:
            steps.append((self.address("end", id=record.id), _("End the key"), DANGER))
        return steps

    def more(self, record: ApiKey, parent: Any) -> Mapping[str, Any]:
        return {"uses": api_key_lists.USES.all(api_keys.uses(db.session, record))}

    @route("/new", act="add", methods=BOTH, fresh=True)
    def add(self) -> Answer:  # type: ignore[override]
        form = KeyForm()
        if form.submitted():
            made = attempt(form, lambda s: once(s, ApiKey, lambda: api_keys.make(s, form.payload())))
            if made is not None:
                flash(_("The key is made. Its responsible person takes the secret: My profile, API keys."))
                return redirect_after_post("ApiKeyView.show", id=made.id)
        people = api_keys.people(db.session)
        form.account_id.choices = [("", _("— choose —")), *((str(each.id), each.full_name) for each in people)]
        form.scopes.choices = [(each, api_key_scopes.word(each)) for each in api_key_scopes.offered()]
        form.days.choices = [("", _("— choose —")), *days()]
        record_read("record.list", "account", subjects=[each.id for each in people], detail={"page": "api_key"})
        here, back = self.address("add"), self.address("list")
        words = {"action": here, "back": back, "submit": _("Make the key")}
        return self.render_form("add", "accounts/api_key_add.html", form, None, None, **words)

    @route("/<uuid:id>/edit", act="edit", methods=BOTH, fresh=True)
    def edit(self, id: uuid.UUID) -> Answer:
        form = KeyEditForm()
        if form.submitted():
            version = form.expected_version()
            done = settled(form, lambda session: api_key_changes.change(session, id, version, form.payload()))
            if done is not None:
                waiting = isinstance(done, ApiKey) and api_key_changes.waits(done)
                tell(_("What is narrower holds now. What is wider waits until the responsible person accepts it.")
                     if waiting else _("The key is changed."))  # fmt: skip
                return redirect_after_post("ApiKeyView.show", id=id)
        key = KEYS.get(db.session, id)
        record_read("record.read", "api_key", id, detail={"page": "edit"})
        if not form.submitted():
            form.fill(key)
        if key.is_over:
            form.warn(_("This key has ended: make another one."))
        form.scopes.choices = [(each, api_key_scopes.word(each)) for each in api_key_scopes.offered()]
        until = moment(key.wanted_until or key.expires_at)
        form.days.choices = [("", _("As it is: until %(when)s", when=until)), *days()]
        here, back = self.address("edit", id=id), self.address("show", id=id)
        words = {"action": here, "back": back, "submit": _("Save")}
        return self.render_form("edit", "accounts/api_key_add.html", form, key, None, **words)

    @route("/<uuid:id>/end", act="end", methods=BOTH)
    def end(self, id: uuid.UUID) -> Answer:
        form = EndForm()
        if form.submitted() and settled(form, lambda session: api_keys.end(session, id, form.payload())):
            tell(_("The key has ended."))
            return redirect_after_post("ApiKeyView.show", id=id)
        return self.render_act("end", id, form, _("End the key"), DANGER)


class OwnKeyView(Page):
    """The keys that the person at work is responsible for."""

    subject = "Profile"
    route_base = "/profile/api-keys"

    @route("/", act="show")
    def list(self) -> Answer:
        actor = me()
        with acting(actor.own_context(), db.session):
            rows = api_keys.own(db.session, actor)
        record_read("record.list", "api_key", subjects=[each.id for each in rows], detail={"page": "profile"})
        listing = api_key_lists.OWN.all(rows)
        return self.render("accounts/api_keys_own.html", heading=_("My API keys"), keys=listing)

    @route("/secret", act="edit", methods=BOTH, fresh=True)
    def take(self) -> Answer:
        """The first secret, or another one. It is in this answer alone."""
        id = _asked()
        if id is None:
            record_read("record.list", "api_key", detail={"page": "profile"})
            return redirect_after_post("OwnKeyView.list")
        form, taken = TakeForm(), builtins.list[str]()
        if form.submitted():
            version = form.expected_version()
            done = settled(form, lambda session: _take(session, id, version, form, taken))
            if taken:
                return self._shown_once(taken[0])
            if done is not None:  # sent twice: the secret was shown before, and is shown once
                flash(_("This was sent twice: one secret was made and shown once. Take another one if you need it."))
                return redirect_after_post("OwnKeyView.list")
        with acting(me().own_context(), db.session):
            key = api_keys.own_one(db.session, me(), id)
        form.version.data = str(key.row_version)
        if key.is_over:
            form.warn(_("This key has ended. Ask your manager for another one."))
        record_read("record.read", "api_key", id, detail={"page": "profile"})
        words = _("Another secret: %(name)s", name=key.name), _("Take the secret: %(name)s", name=key.name)
        page = self.render(
            "accounts/api_key_take.html", heading=words[0 if key.secret_at else 1], form=form, key=key,
            facts=_facts(key),
        )  # fmt: skip
        return page, form.refused_with if form.submitted() else 200

    def _shown_once(self, secret: str) -> Response:
        back = url_for("OwnKeyView.list")
        interface = url_for("VocabularyApi.list", _external=True)
        example = f'curl -H "Authorization: Bearer $ITM_KEY" {interface}'
        page = self.render(
            "accounts/api_key_secret.html", heading=_("The secret of the key"), secret=secret, back=back,
            seconds=REMASK_AFTER, example=example,
        )  # fmt: skip
        return revealing(page, back)

    @route("/wider", act="edit", methods=BOTH, fresh=True)
    def wider(self) -> Answer:
        """The wider limits that a manager asks for: accepted or declined by the responsible person."""
        id = _asked()
        if id is None:
            record_read("record.list", "api_key", detail={"page": "profile"})
            return redirect_after_post("OwnKeyView.list")
        form = PanelForm()
        if form.submitted():
            accepted, version = request.form.get("answer") == "accept", form.expected_version()

            def work(session: Any) -> Any:
                with acting(me().own_context(), session):
                    return api_key_changes.answer(session, me(), id, version, accepted=accepted)

            if settled(form, work) is not None:
                tell(_("The key has its wider limits.") if accepted else _("Declined. The key stays as it is."))
                return redirect_after_post("OwnKeyView.list")
        with acting(me().own_context(), db.session):
            key = api_keys.own_one(db.session, me(), id)
        form.version.data = str(key.row_version)
        record_read("record.read", "api_key", id, detail={"page": "profile"})
        heading = _("Wider limits of a key: %(name)s", name=key.name)
        asked = api_key_changes.asked(key) if not key.is_over else []
        page = self.render("accounts/api_key_wider.html", heading=heading, form=form, key=key, facts=asked)
        return page, form.refused_with if form.submitted() else 200

    @route("/end", act="edit", methods=("POST",))
    def end(self) -> Response:
        id = _asked()
        if id is None:
            raise Invalid({"key": _("This is not one of the choices.")})

        def work(session: Any) -> Any:
            with acting(me().own_context(), session):
                return api_keys.end_own(session, me(), id, {"reason": "not_needed"})

        told(PanelForm(), work, _("The key has ended."))
        return redirect_after_post("OwnKeyView.list")


def _asked() -> uuid.UUID | None:
    try:
        return uuid.UUID(request.values.get("key", ""))
    except ValueError:
        return None


def _take(session: Any, id: uuid.UUID, version: int, form: TakeForm, taken: list[str]) -> bool:
    with acting(me().own_context(), session):
        taken.append(api_keys.take(session, me(), id, version, {"overlap": form.overlap.data or "24"}))
    return True


def _facts(key: ApiKey) -> builtins.list[tuple[Any, Any]]:
    kind = KEYS.kind
    return [
        (_("Status"), key.state),
        *((kind.field(name).label, kind.field(name).field.words(getattr(key, name)))
          for name in ("scopes", "networks", "expires_at")),
        (_("Last used"), key.last_use),
    ]  # fmt: skip


VIEWS: tuple[type, ...] = (OwnKeyView,)

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
from wtforms import BooleanField, RadioField, SelectField, StringField, TextAreaField

from itm_admin.accounts import api_key_lists, api_key_scopes, api_keys
from itm_admin.accounts.api_key_model import REASONS, ApiKey
from itm_admin.accounts.api_keys import KEYS
from itm_admin.foundation import tenancy
from itm_admin.foundation.actor import me
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import Invalid
from itm_admin.foundation.forms import Asks, CodesField, PanelForm, attempt, settled, tell, told
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


class KeyForm(PanelForm):
    """A new key. What it may do is chosen act by act."""

    asks: ClassVar[Asks] = {
        "name": _l("Write a name."),
        "account_id": _l("Choose the responsible person."),
        "scopes": _l("Choose at least one act."),
        "networks": _l("Write at least one network address, or allow any address."),
        "days": _l("Choose for how long."),
    }
    only_if: ClassVar[Asks] = {
        "scopes": _l("at least one is required"),
        "networks": _l("required unless any address is allowed"),
    }

    name = StringField(
        _l("Name"),
        description=_l("Which program uses it, in a few words and without a person's name: it stands in the ledger."),
    )
    account_id = SelectField(
        _l("Responsible person"),
        choices=[],
        validate_choice=False,
        description=_l("Takes the secret and answers for the program, which may never do more than this person."),
    )
    scopes = CodesField(_l("What it may do"))
    networks = TextAreaField(
        _l("Network addresses"),
        description=_l("From where the program may come, one a line: 10.20.0.0/16 or 10.20.1.5."),
        render_kw={"rows": 3, "spellcheck": "false"},
    )
    anywhere = BooleanField(_l("Any address. Choose it only if the program has no address of its own."))
    days = SelectField(_l("Valid for"), choices=[], validate_choice=False)


class EndForm(PanelForm):
    asks: ClassVar[Asks] = {"reason": _l("Choose a reason.")}

    reason = RadioField(_l("Why"), choices=[], validate_choice=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.reason.choices = [(code, str(words)) for code, words in REASONS.items()]


class TakeForm(PanelForm):
    asks: ClassVar[Asks] = {"overlap": _l("Choose for how long.")}

    overlap = SelectField(
        _l("How long the former secret still works"), choices=[], validate_choice=False, default="24",
        description=_l("So that the program can be changed over. If others may know it, end it now."),
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.overlap.choices = [(code, str(words)) for code, words in api_keys.OVERLAPS.items()]


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
    show_columns = ("scopes", "networks", "expires_at", "secret_at", "overlap_until", "ended_at", "why")
    add_columns = ()
    edit_columns = ()
    exclude_route_methods: ClassVar = {"export", "edit"}
    add_title = _l("New API key")
    empty_text = _l("There is no API key yet.")
    show_template = "accounts/api_key.html"

    def lead(self, where: str) -> str | None:
        words = {
            "list": _("Keys with which programs use the interface, each in the name of a responsible person."),
            "show": _("What the key may do, from where and how long, who answers for it and when it was used last."),
            "add": _("You make the key, and the responsible person takes its secret: you never see it."),
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
        over = () if record.ended_at is not None else ("ended_at", "why")
        return over if record.overlap_until is not None else (*over, "overlap_until")

    def steps(self, record: ApiKey, parent: Any) -> builtins.list[Step]:
        steps: builtins.list[Step] = []
        if tenancy.current().scope == INSTITUTION and me().may("history", "ApiKey"):
            looks = url_for("HistoryView.record", kind="api_key", id=record.id)
            steps.append((looks, _("Access history"), "secondary"))
        if tenancy.current().scope == AUDIT:
            looks = url_for("AuditHistoryView.record", kind="api_key", id=record.id)
            steps.append((looks, _("Access history"), "secondary"))
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
        most = api_keys.most_days()
        days = [each for each in (7, 30, 90, 180, 366) if each < most]
        form.days.choices = [
            ("", _("— choose —")),
            *((str(each), _("%(days)s days", days=each)) for each in (*days, most)),
        ]
        record_read("record.list", "account", subjects=[each.id for each in people], detail={"page": "api_key"})
        here, back = self.address("add"), self.address("list")
        return self.render_form("add", "accounts/api_key_add.html", form, None, None, action=here, back=back)

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

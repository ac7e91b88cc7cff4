"""Pages on which an institution's manager, or a system administrator, keeps accounts and roles.

The bound scope decides the reachable accounts: one's own institution's, or all. Others are 404.
"""

from __future__ import annotations

import builtins
import uuid
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from flask import flash, g, request, url_for
from flask_appbuilder.actions import action
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from itm_admin.accounts import (
    access_lists,
    access_rows,
    act_pages,
    changes,
    focal_points,
    grants,
    invitations,
    new_accounts,
    provider_facts,
    services,
    suspend_together,
)
from itm_admin.accounts.act_pages import ActPage
from itm_admin.accounts.forms import new_account_form, reason_choices, role_choices
from itm_admin.accounts.lists import BY_HOME, BY_NAME, OF_INSTITUTION, OF_ROLE, OF_SILENCE, institution_choices
from itm_admin.accounts.models import Account
from itm_admin.accounts.new_accounts import Made
from itm_admin.accounts.services import AUDITED, PERSON, REACHED
from itm_admin.accounts.suspend_together import SuspendTogetherForm, SuspendTogetherInput
from itm_admin.foundation import tenancy
from itm_admin.foundation.actor import me
from itm_admin.foundation.bulk import Chosen
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import Message
from itm_admin.foundation.formats import moment
from itm_admin.foundation.forms import attempt, save, tell
from itm_admin.foundation.list_parts import Cell
from itm_admin.foundation.lists import Listing
from itm_admin.foundation.once import once
from itm_admin.foundation.roles import INSTITUTION
from itm_admin.foundation.views import REMASK_AFTER, redirect_after_post, revealing, route
from itm_admin.institutions.choices import offer_units
from itm_admin.institutions.models import Institution
from itm_admin.record.display import Facts
from itm_admin.record.page_acts import BOTH
from itm_admin.record.pages import Answer, RecordPage, Step


class AccountPage(RecordPage):
    """The list and the page of an account, for those who keep accounts and for auditors."""

    list_columns = ("full_name", "username", "institution_name", "role_names", "active", "last_login")
    order_columns = ("full_name", "username", "institution_name", "active", "last_login")
    order_by: ClassVar = {"full_name": BY_NAME, "institution_name": BY_HOME}
    address_names: ClassVar = {"full_name": "name", "institution_name": "institution", "role_names": "roles"}
    label_columns: ClassVar = {
        "full_name": _l("Name"), "institution_name": _l("Institution"), "role_names": _l("Roles"),
    }  # fmt: skip
    search_columns = ("institution", "role", "active", "silence")
    search_filters = (OF_INSTITUTION, OF_ROLE, OF_SILENCE)
    show_columns = ("username", "title", "email", "language", "active", "last_login")
    empty_text = _l("There is no account yet.")
    show_template = "accounts/show.html"

    def lead(self, where: str) -> str | None:
        words = {
            "list": _("Who can sign in, and with which roles. Open an account to see it."),
            "show": _("The person, the roles and since when. A suspended account cannot sign in."),
            "edit": _("Name, contact and unit. Roles are given on the account's own page."),
            "add": _("With a one-time link the person chooses the password; another person confirms the first"
                     " sign-in."),
        }  # fmt: skip
        return str(words[where])

    def facts(self, record: Account, revealed: Any) -> builtins.list[tuple[Message | None, Facts]]:
        """The declared fields, with the institution's name and the link that was not used yet."""
        ((legend, rows),) = super().facts(record, revealed)
        name, *others, last = rows
        link = self.link_facts(record)
        if record.last_login is None:
            last = (last[0], _("Never"))
        return [
            (
                legend,
                [
                    name,
                    (_("Institution"), record.institution_name),
                    *others,
                    *focal_points.rank_of(record),
                    *provider_facts.links_of(record),
                    *link,
                    last,
                ],
            )
        ]

    def link_facts(self, record: Account) -> Facts:
        return [(_("One-time link"), _("None"))]

    def steps(self, record: Account, parent: Any) -> builtins.list[Step]:
        return []

    def more(self, record: Account, parent: Any) -> Mapping[str, Any]:
        """The roles, what two people decided, and what may be done about them."""
        return {
            "grants": access_lists.roles(access_rows.standing(db.session, record), self.to_end(record)),
            "history": access_lists.CHANGES.all(access_rows.history(db.session, record)),
            **self.access(record),
        }

    def to_end(self, record: Account) -> Collection[str]:
        """The roles that the person at work may end."""
        return ()

    def access(self, record: Account) -> Mapping[str, Any]:
        """Why the account may not be changed, and the buttons that post."""
        return {"why_not": None, "auditor": None, "access": None}


class AccountView(AccountPage):
    """Accounts of the institution, or of all."""

    datamodel = REACHED
    route_base = "/accounts"
    edit_columns = PERSON
    add_columns = ("institution_id", *PERSON, "username")
    exclude_route_methods: ClassVar = {"export"}
    add_title = _l("New account")
    danger_acts = ("suspend",)
    action_forms: ClassVar = {"suspend": (suspend_together.form, SuspendTogetherInput)}

    @classmethod
    def listed(cls) -> Listing[Any]:
        """A manager's are all of one institution."""
        if tenancy.current().scope != INSTITUTION:
            return cls.listing
        columns = tuple(each for each in cls.listing.columns if each.name != "institution")
        filters = tuple(each for each in cls.listing.filters if each.name != "institution")
        return replace(cls.listing, columns=columns, filters=filters)

    def choosable(self, record: Account) -> bool:
        """Nobody suspends the own account, and a suspended one is suspended already."""
        return record.active and record.id != me().id

    def link_facts(self, record: Account) -> Facts:
        """The newest unused link."""
        found = invitations.standing(db.session, record.id)
        if found is None:
            return super().link_facts(record)
        gone = invitations.is_expired(found)
        badge = (
            Cell("badge", _("Invitation expired"), "bad") if gone else Cell("badge", _("Invitation pending"), "warn")
        )
        until = _("Link expired on") if gone else _("Link valid until")
        return [(_("One-time link"), badge), (until, moment(found.expires_at))]

    def steps(self, record: Account, parent: Any) -> builtins.list[Step]:
        steps: builtins.list[Step] = []
        if me().may("history", "Account"):
            looks = url_for("InstitutionLooksView.show", kind="account", id=record.id)
            steps.append((looks, _("What this person did"), "secondary"))
        if _why_not(record) is None:
            steps.append((self.address("edit", id=record.id), _("Edit"), "primary"))
            steps.append((url_for("GrantView.add", id=record.id), _("Give a role"), "secondary"))
        if (_why_not(record) is None or _open_act(record)) and services.can_lose_factors(db.session, record):
            lost = url_for("AccessChangeView.factors", id=record.id)
            steps.append((lost, _("Lost second factors"), "secondary"))
        if focal_points.why_not(record) is None:
            named = url_for("AccessChangeView.focal_point", id=record.id)
            steps.append((named, _("Name as focal point"), "secondary"))
        return steps

    def to_end(self, record: Account) -> Collection[str]:
        return grants.given_here(me()) if _why_not(record) is None or _open_act(record) else ()

    def access(self, record: Account) -> Mapping[str, Any]:
        why_not = _why_not(record)
        return {
            "why_not": why_not,
            "auditor": self._of_auditor(record, _open_act(record)),
            "access": None if why_not else self._access(record),
        }

    def _of_auditor(self, record: Account, act: str | None) -> Step | None:
        if act == "link":
            return self.address("invite", id=record.id), _("Make a one-time link"), "secondary"
        if act == "reset":
            url = url_for("AccessChangeView.reset", id=record.id)
            return url, _("Ask for the end of the password"), "secondary"
        return None

    def _access(self, record: Account) -> builtins.list[Step]:
        if not record.active:
            return [(self.address("reactivate", id=record.id), _("Reactivate"), "secondary")]
        return [
            (self.address("invite", id=record.id), _("Make a one-time link"), "secondary"),
            (self.address("suspend", id=record.id), _("Suspend"), "danger"),
        ]

    def offer(self, form: Any, parent: Any, record: Account | None) -> None:
        actor = me()
        home = record.institution_id if record is not None else actor.institution_id
        if "unit_id" in form:
            offer_units(form.unit_id, home, _("None"), record.unit_id if record is not None else None)
        if "institution_id" in form:
            ids = {code: str(id) for id, code in db.session.execute(select(Institution.id, Institution.code))}
            known = [(ids[code], text) for code, text in institution_choices()]
            form.institution_id.choices = [("", _("— choose —")), *known]
        if "role" in form:
            inside = tenancy.current().scope == INSTITUTION
            codes = grants.choices(actor, actor.institution_kind) if inside else [*grants.given_here(actor)]
            form.role.choices = role_choices(codes)
        if isinstance(form, SuspendTogetherForm):
            suspend_together.offer(form)
        elif "reason" in form:
            form.reason.choices = reason_choices("give")
        if "role_unit" in form:
            offer_units(form.role_unit, home, _("The whole institution"))

    @route("/new", act="add", methods=BOTH, fresh=True)
    def add(self) -> Answer:  # type: ignore[override]
        """A new account with its first role. Its link is shown once, in the answer."""
        form = new_account_form(services.add_columns())(**{} if request.method == "POST" else {"language": "tr"})
        if form.submitted():
            links: builtins.list[Made] = []
            made = attempt(
                form, lambda session: once(session, Account, lambda: new_accounts.make(session, form, links))
            )
            if made is not None and not links:
                # sent twice: its link was shown before, and is shown once
                return redirect_after_post("AccountView.show", id=made.id)
            if made is not None:
                return self._show_link(links[0], new=True)
        self.offer(form, None, None)
        here, back = self.address("add"), self.address("list")
        return self.render_form("add", "accounts/add.html", form, None, None, action=here, back=back)

    @action("suspend", _l("Suspend"), _l("Suspend the chosen accounts"), single=False)
    def suspend_each(self, session: Session, chosen: Chosen, data: Mapping[str, Any]) -> None:
        suspend_together.one(session, chosen, data)

    def done_words(self, action: str, count: int) -> str:
        return str(ngettext("%(num)s account is suspended.", "%(num)s accounts are suspended.", count))

    @route("/<uuid:id>/suspend", act="suspend", methods=BOTH)
    def suspend(self, id: uuid.UUID) -> Answer:
        """Asks for the reason, and who takes the open cases over."""
        page = act_pages.suspension(services.to_change(db.session, id))
        form = page.form

        def work(session: Session) -> Account:
            reason, heir = form.chosen_reason("suspend"), act_pages.successor(form)
            return services.suspend(session, me(), id, reason=reason, successor=heir)

        return _asked(self, page, work, _("The account is suspended."))

    @route("/<uuid:id>/reactivate", act="suspend", methods=BOTH)
    def reactivate(self, id: uuid.UUID) -> Answer:
        page = act_pages.resumption(services.to_change(db.session, id))

        def work(session: Session) -> Account:
            return services.reactivate(session, me(), id, page.form.chosen_reason("resume"))

        return _asked(self, page, work, _("The account is active again."))

    @route("/<uuid:id>/invite", act="invite", methods=BOTH, fresh=True)
    def invite(self, id: uuid.UUID) -> Answer:
        account = services.to_invite(db.session, me(), id)
        page = act_pages.new_link(account)
        if not page.form.submitted():
            return page.render(self)
        reason = page.form

        def work(session: Session) -> Made:
            return new_accounts.invite(session, services.get(session, me(), id), reason.chosen_reason("link"))

        made = save(page.form, work)
        if isinstance(made, Made):
            return self._show_link(made)
        if made is None:
            return page.render(self)
        flash(_("This was sent twice: one link was made, and it is shown once."), "info")
        return redirect_after_post("AccountView.show", id=id)

    def _show_link(self, made: Made, new: bool = False) -> Answer:
        """The only time the link is shown: as long as a revealed value. It is in no redirect and no cookie."""
        link = url_for("InvitationView.open_link", token=made.token, _external=True) if made.token else None
        heading = _("The account is made: %(name)s", name=made.username) if new else _("One-time link")
        back = self.address("show", id=made.id)
        page = self.render(
            "accounts/invited.html", heading=heading, made=made, link=link, back=back, seconds=REMASK_AFTER
        )
        return revealing(page, back) if link else page


class AuditAccountView(AccountPage):
    """Accounts for auditors: all of them, or their own institution's; read-only."""

    datamodel = AUDITED
    route_base = "/audit/accounts"
    include_route_methods: ClassVar = {"list", "show"}
    list_title = _l("Accounts and roles")

    def steps(self, record: Account, parent: Any) -> builtins.list[Step]:
        return [
            (url_for("LooksView.show", kind="account", id=record.id), _("What this person did"), "primary"),
            (url_for("AuditHistoryView.record", kind="account", id=record.id), _("Access history"), "secondary"),
        ]


def _why_not(account: Account) -> Message | None:
    """Asked once for a page."""
    known: dict[uuid.UUID, Message | None] = g.setdefault("why_not", {})
    if account.id not in known:
        known[account.id] = services.why_not(db.session, account)
    return known[account.id]


def _open_act(account: Account) -> str | None:
    """The act that is open for an auditor's account, asked once for a page."""
    known: dict[uuid.UUID, str | None] = g.setdefault("open_act", {})
    if account.id not in known:
        known[account.id] = changes.standing_auditor(db.session, me(), account)
    return known[account.id]


def _asked(view: AccountView, page: ActPage, work: Any, said: str) -> Answer:
    """The question, or the act and the way back to the account."""
    if page.form.submitted() and save(page.form, work) is not None:
        tell(said)
        return redirect_after_post("AccountView.show", id=page.account.id)
    return page.render(view)

"""Pages on which an institution's manager, or a system administrator, keeps accounts and roles.

The bound scope decides the reachable accounts: one's own institution's, or all. Others are 404.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from flask import current_app, flash, request, url_for
from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload
from werkzeug.wrappers import Response

from itm_admin.accounts import access_lists, changes, grants, invitations, mail, services
from itm_admin.accounts.bulk_pages import bulk_acts
from itm_admin.accounts.forms import AccountForm, NewAccountForm, role_choices
from itm_admin.accounts.lists import ALL, here, institution_choices
from itm_admin.accounts.models import CHANGE_KINDS, CHANGE_STATES, CHANGE_TONES, Account
from itm_admin.foundation import tenancy
from itm_admin.foundation.actor import me
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import Conflict, Invalid
from itm_admin.foundation.forms import PanelForm, attempt, chosen_id, save, tell, told
from itm_admin.foundation.once import once
from itm_admin.foundation.roles import ACCOUNTS, AUDIT, INSTITUTION, ROLES
from itm_admin.foundation.views import Page, redirect_after_post, route
from itm_admin.institutions import services as institutions
from itm_admin.institutions.choices import offer_units
from itm_admin.institutions.models import Institution

Answer = str | tuple[str, int] | Response
BOTH = ("GET", "POST")


@dataclass(frozen=True)
class Made:
    """A new link: its token to hand over, or the address that it is sent to; neither: the role waits."""

    username: str
    id: uuid.UUID
    token: str | None = None
    mailed: str | None = None
    waits: bool = False
    """Another person confirms the first sign-in."""


class AccountView(Page):
    """Accounts of the institution, or of all."""

    subject = "Account"
    scopes = (INSTITUTION, ACCOUNTS)
    route_base = "/accounts"

    @route("/", act="list")
    def list(self) -> Answer:
        listing = here()
        statement = services.reachable(me()).options(selectinload(Account.grants))
        shown = listing.page(db.session, statement, listing.read(request.args))
        record_read("record.list", "account", subjects=shown.ids)
        shown.add = (url_for("AccountView.add"), _("New account"))
        shown.bulk = bulk_acts()
        return self.render("accounts/list.html", heading=_("Accounts"), listing=shown)

    @route("/<uuid:id>", act="show")
    def show(self, id: uuid.UUID) -> Answer:
        account = services.get(db.session, me(), id)
        record_read("record.read", "account", id)
        why_not = services.why_not(db.session, me(), account)
        auditor = changes.standing_auditor(db.session, me(), account)
        to_end = grants.given_here(me()) if why_not is None or auditor else ()
        return self.render(
            "accounts/show.html",
            heading=account.get_full_name(),
            account=account,
            grants=access_lists.roles(_rows(db.session, account), to_end),
            why_not=why_not,
            link=_link(db.session, account),
            history=access_lists.CHANGES.all(_history(db.session, account)),
            auditor=auditor,
        )

    @route("/new", act="add", methods=BOTH)
    def add(self) -> Answer:
        form = NewAccountForm(language="tr")
        if form.submitted():
            links: list[Made] = []
            made = attempt(form, lambda session: once(session, Account, lambda: _make(session, form, links)))
            if made is not None and not links:
                return redirect_after_post(
                    "AccountView.show", id=made.id
                )  # sent twice: its link was shown before, and is shown once
            if made is not None:
                return self._show_link(links[0])
        _offer_new(form)
        status = form.refused_with if form.submitted() else 200
        return self.render("accounts/add.html", heading=_("New account"), form=form), status

    @route("/<uuid:id>/edit", act="edit", methods=BOTH)
    def edit(self, id: uuid.UUID) -> Answer:
        form, conflict = AccountForm(), False
        if form.submitted():
            try:
                saved = save(
                    form, lambda session: services.change(session, me(), id, form.expected_version(), form.person())
                )
            except Conflict:
                saved, conflict = None, True
            if saved is not None:
                tell(_("The changes are saved."))
                return redirect_after_post("AccountView.show", id=id)
        account = services.get(db.session, me(), id)
        stored = AccountForm(formdata=None, obj=account, version=account.row_version, unit=account.unit_id)
        form = form if form.is_filled() else stored
        for each in (form, stored):
            offer_units(each.unit, account.institution_id, _("None"), account.unit_id)
        rows = []
        if conflict:
            form.version.data = str(account.row_version)
            saved_values = stored.typed()
            rows = [(label, text, saved_values[label]) for label, text in form.typed().items()]
        record_read("record.read", "account", id, detail={"page": "edit"})
        return self.render(
            "accounts/edit.html", heading=account.get_full_name(), form=form, account=account, conflict=rows
        ), 409 if conflict else form.refused_with if form.submitted() else 200

    @route("/<uuid:id>/suspend", act="suspend", methods=("POST",))
    def suspend(self, id: uuid.UUID) -> Answer:
        return _do(id, lambda session: services.suspend(session, me(), id), _("The account is suspended."))

    @route("/<uuid:id>/reactivate", act="suspend", methods=("POST",))
    def reactivate(self, id: uuid.UUID) -> Answer:
        return _do(id, lambda session: services.reactivate(session, me(), id), _("The account is active again."))

    @route("/<uuid:id>/invite", act="invite", methods=("POST",))
    def invite(self, id: uuid.UUID) -> Answer:
        form = PanelForm()
        made = save(form, lambda session: _invite(session, services.get(session, me(), id)))
        if isinstance(made, Made):
            return self._show_link(made)
        if made is None:
            flash(" ".join(form.told), "warning")
        else:
            flash(_("This was sent twice: one link was made, and it is shown once."), "info")
        return redirect_after_post("AccountView.show", id=id)

    def _show_link(self, made: Made) -> Answer:
        """The only time the link is shown. It is in no redirect and no cookie."""
        link = url_for("InvitationView.redeem", token=made.token, _external=True) if made.token else None
        return self.render("accounts/invited.html", heading=_("One-time link"), made=made, link=link)


class AuditAccountView(Page):
    """Accounts for auditors: all of them, or their own institution's; read-only."""

    subject = "AuditAccount"
    scopes = (AUDIT,)
    route_base = "/audit/accounts"

    @route("/", act="list")
    def list(self) -> Answer:
        listing = ALL
        statement = services.reachable(me()).options(selectinload(Account.grants))
        shown = listing.page(db.session, statement, listing.read(request.args))
        record_read("record.list", "account", subjects=shown.ids)
        return self.render("accounts/list.html", heading=_("Accounts and roles"), listing=shown)

    @route("/<uuid:id>", act="show")
    def show(self, id: uuid.UUID) -> Answer:
        account = services.get(db.session, me(), id)
        record_read("record.read", "account", id)
        return self.render(
            "accounts/show.html",
            heading=account.get_full_name(),
            account=account,
            grants=access_lists.roles(_rows(db.session, account), ()),
            why_not="",
            link=None,
            history=access_lists.CHANGES.all(_history(db.session, account)),
            auditor=None,
        )


def _do(id: uuid.UUID, work: Any, said: str) -> Answer:
    told(PanelForm(), work, said)
    return redirect_after_post("AccountView.show", id=id)


def _link(session: Session, account: Account) -> dict[str, Any] | None:
    """The newest unused link: its expiry, and if it has expired."""
    found = invitations.standing(session, account.id)
    return {"expired": invitations.is_expired(found), "until": found.expires_at} if found else None


def _history(session: Session, account: Account) -> list[dict[str, Any]]:
    """New links, rises and ends: time, act, author, confirmer."""
    found = changes.of_account(session, account.id)
    names = changes.names(session, [each for one in found for each in (one.created_by, one.decided_by)])
    return [
        {
            "when": each.created_at,
            "what": CHANGE_KINDS[each.kind],
            "state": (CHANGE_STATES[each.state], CHANGE_TONES[each.state]),
            "by": names.get(each.created_by) or ("–" if each.created_by else _("the server itself")),
            "confirmed": names.get(each.decided_by, "–"),
        }
        for each in found
    ]


def _rows(session: Session, account: Account) -> list[dict[str, Any]]:
    names = {unit.id: unit.name for unit, _depth in institutions.units(session, account.institution_id)}
    return [
        {
            "id": grant.id,
            "role": ROLES[grant.role].label if grant.role in ROLES else grant.role,
            "code": grant.role,
            "unit": names.get(grant.unit_id) if grant.unit_id else None,
            "state": grant.state,
            "since": grant.created_at,
            "until": grant.updated_at if grant.state == "ended" else None,
        }
        for grant in grants.of_account(session, account.id)
    ]


def _invite(session: Session, account: Account) -> Made:
    """Sends the link by e-mail if a server is configured: then its maker never sees it."""
    token = services.invite(session, me(), account.id)
    name, id = account.username, account.id
    if not current_app.config["ITM_MAILS"]:
        return Made(name, id, token, waits=True)
    address = mail.send_link(session, account)
    waits = any(each.kind == "link" and each.state == "waiting" for each in changes.of_account(session, id))
    return Made(name, id, mailed=address, waits=waits)


def _make(session: Session, form: NewAccountForm, links: list[Made]) -> Account:
    """Account, link and role in one transaction; the link goes to `links`."""
    actor = me()
    role = form.role.data or ""
    without_role = {} if role else {"role": _("This field is required.")}
    try:
        account = services.create(
            session,
            actor,
            form.person(),
            institution=chosen_id(form.institution) if tenancy.current().scope == ACCOUNTS else None,
            username=form.username.data,
        )
    except Invalid as error:  # all missing fields are reported at once
        raise (Invalid({**error.fields, **without_role}) if error.fields else error) from None
    if without_role:
        raise Invalid(without_role)
    grant = grants.give(session, actor, account, role, chosen_id(form.role_unit))
    # A rise makes every earlier link void: there is one only after another person has confirmed it.
    waits = grant.state == "proposed"
    links.append(Made(account.username, account.id) if waits else _invite(session, account))
    return account


def _offer_new(form: NewAccountForm) -> None:
    actor = me()
    if tenancy.current().scope == INSTITUTION:
        del form.institution
        form.role.choices = role_choices(grants.choices(actor, actor.institution_kind))
        offer_units(form.unit, actor.institution_id, _("None"))
        offer_units(form.role_unit, actor.institution_id, _("The whole institution"))
        return
    del form.unit, form.role_unit
    form.role.choices = role_choices([*grants.given_here(actor)])
    rows = db.session.execute(select(Institution.id, Institution.code)).all()
    ids = {code: str(id) for id, code in rows}
    form.institution.choices = [("", _("— choose —")), *((ids[code], text) for code, text in institution_choices())]

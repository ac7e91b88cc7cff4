"""Pages on which roles are given, approved and ended.

Managers and system administrators propose and give; the Presidency's supervisor sees the same proposals on
pages of the oversight scope. The rules are grants.py's.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from flask import flash
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from itm_admin.accounts import act_pages, changes, focal_points, grants, open_work, reasons, services
from itm_admin.accounts.forms import ActForm, FocalPointForm, GrantForm, GrantInput, role_choices
from itm_admin.accounts.models import CHANGE_KINDS, AccessChange, RoleGrant
from itm_admin.foundation.actor import me
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import Denied
from itm_admin.foundation.forms import PanelForm, attempt, save, tell
from itm_admin.foundation.once import once
from itm_admin.foundation.roles import ACCOUNTS, INSTITUTION, OVERSIGHT, ROLES
from itm_admin.foundation.views import Page, redirect_after_post, route
from itm_admin.institutions.choices import offer_units
from itm_admin.record.schema import load

Answer = str | tuple[str, int] | Response
BOTH = ("GET", "POST")


class GrantView(Page):
    """Roles given, approved and ended, by a manager or a system administrator."""

    subject = "RoleGrant"
    scopes = (INSTITUTION, ACCOUNTS)
    route_base = "/roles"

    @route("/", act="list")
    def list(self) -> Answer:
        """The proposals that wait."""
        return _waiting(self)

    @route("/of/<uuid:id>/new", act="add", methods=BOTH, fresh=True)
    def add(self, id: uuid.UUID) -> Answer:
        form = GrantForm()
        if form.submitted():
            done = attempt(
                form,
                lambda session: once(session, RoleGrant, lambda: _give(session, id, form)),
            )
            if done is not None:
                flash(_("The role is proposed.") if done.state == "proposed" else _("The role is given."))
                return redirect_after_post("AccountView.show", id=id)
        account = services.get(db.session, me(), id)
        form.offer_reasons("give")
        form.role.choices = role_choices(grants.choices(me(), account.institution.kind))
        offer_units(form.unit, account.institution_id, _("The whole institution"))
        record_read("record.read", "account", id, detail={"page": "grant"})
        return self.render(
            "accounts/grant.html", heading=_("Give a role"), form=form, account=account
        ), form.refused_with if form.submitted() else 200

    @route("/<uuid:id>/end", act="end", methods=BOTH, fresh=True)
    def end(self, id: uuid.UUID) -> Answer:
        """Asks for the reason, and who takes the open cases over; then ends the role."""
        grant = grants.get(db.session, me(), id)
        account = services.get(db.session, me(), grant.account_id)
        leaves = grant.state == "active" and not open_work.works_without(db.session, grant)
        page = act_pages.role_end(grant, account, leaves)
        form = page.form
        if form.submitted():
            done = attempt(form, lambda session: once(session, RoleGrant, lambda: _end(session, id, form)))
            if done is not None:
                ended = done.state == "ended"
                waits = _("The end of the role waits for another person's confirmation.")
                flash(_("The role has ended.") if ended else waits)
                return redirect_after_post("AccountView.show", id=done.account_id)
        return page.render(self)

    @route("/<uuid:id>/approve", act="approve", methods=("POST",), fresh=True)
    def approve(self, id: uuid.UUID) -> Answer:
        return _decide(id, "GrantView.list", approves=True)

    @route("/<uuid:id>/refuse", act="approve", methods=("POST",), fresh=True)
    def refuse(self, id: uuid.UUID) -> Answer:
        return _decide(id, "GrantView.list", approves=False)


class AccessChangeView(Page):
    """Changes that wait for a second person: first sign-ins, ends of auditors' roles and passwords, lost factors."""

    subject = "AccessChange"
    scopes = (INSTITUTION, OVERSIGHT, ACCOUNTS)
    route_base = "/confirmations"

    @route("/", act="list")
    def list(self) -> Answer:
        rows = change_rows()
        record_read("record.list", "access_change", subjects=[row["id"] for row in rows])
        return self.render("accounts/confirmations.html", heading=_("Waiting for confirmation"), changes=rows)

    @route("/<uuid:id>/confirm", act="approve", methods=("POST",), fresh=True)
    def confirm(self, id: uuid.UUID) -> Answer:
        return self._decide(id, confirm=True)

    @route("/<uuid:id>/refuse", act="approve", methods=("POST",), fresh=True)
    def refuse(self, id: uuid.UUID) -> Answer:
        return self._decide(id, confirm=False)

    @route("/reset/<uuid:id>", act="add", methods=BOTH, fresh=True)
    def reset(self, id: uuid.UUID) -> Answer:
        """Asks for the end of an auditor's password."""
        account = services.get(db.session, me(), id)
        page = act_pages.password_end(account)
        form = page.form
        if form.submitted():
            done = attempt(form, lambda session: once(session, AccessChange, lambda: _reset(session, id, form)))
            if done is not None:
                flash(_("The end of the password waits for another person's confirmation."))
                return redirect_after_post("AccountView.show", id=id)
        return page.render(self)

    @route("/factors/<uuid:id>", act="add", methods=BOTH, fresh=True)
    def factors(self, id: uuid.UUID) -> Answer:
        """Asks to end the lost second factors of a person."""
        account = services.get(db.session, me(), id)
        if (refused := services.may_not_ask(db.session, me(), account)) is not None:
            raise Denied(refused)
        page = act_pages.lost_factors(account)
        form = page.form
        if form.submitted():
            done = attempt(form, lambda session: once(session, AccessChange, lambda: _lost(session, id, form)))
            if done is not None:
                flash(_("The end of the second factors waits for another person's confirmation."))
                return redirect_after_post("AccountView.show", id=id)
        return page.render(self)

    @route("/focal-point/<uuid:id>", act="add", methods=BOTH, fresh=True)
    def focal_point(self, id: uuid.UUID) -> Answer:
        """Names the primary or deputy focal point of the institution."""
        account = services.get(db.session, me(), id)
        page = act_pages.focal_point(account)
        form = page.form
        if form.submitted():
            done = attempt(form, lambda session: once(session, AccessChange, lambda: _name(session, id, form)))
            if done is not None:
                flash(_("The person is named, and waits for the Presidency's approval."))
                return redirect_after_post("AccountView.show", id=id)
        return page.render(self)

    def _decide(self, id: uuid.UUID, confirm: bool) -> Answer:
        form = PanelForm()
        done = save(form, lambda session: changes.decide(session, me(), id, confirm))
        if done is None:
            flash(" ".join(form.told), "warning")
        elif isinstance(done, AccessChange) and done.kind == changes.FACTORS and not confirm:
            tell(_("It is refused; the second factors stay."))
        elif isinstance(done, AccessChange) and done.kind != "link" and not confirm:
            tell(_("It is refused."))
        else:
            tell(_("It is confirmed.") if confirm else _("It is refused; the link and the password are void."))
        return redirect_after_post("AccessChangeView.list")


def change_rows() -> Sequence[dict[str, Any]]:
    """Waiting changes in words: person, institution, roles, requester; the reason if one cannot be confirmed yet."""
    actor = me()
    found = changes.waiting(db.session, actor)
    names = changes.names(db.session, [each.created_by for each in found])
    institutions = changes.institution_names(db.session)
    return [
        {
            "id": each.id,
            "account": each.account,
            "institution": institutions.get(each.institution_id, ""),
            "kind": CHANGE_KINDS[each.kind],
            "of_factors": each.kind == changes.FACTORS,
            "of_link": each.kind == "link",
            "reason": reasons.label(each.kind, each.reason),
            "roles": changes.role_labels(db.session, each),
            "by": names.get(each.created_by, ""),
            "since": each.created_at,
            "why_not": changes.why_not(db.session, actor, each),
        }
        for each in found
        if each.account is not None
    ]


class ApprovalView(Page):
    """The same proposals, for the Presidency's supervisor."""

    subject = "GrantApproval"
    scopes = (OVERSIGHT,)
    route_base = "/approvals"

    @route("/", act="list")
    def list(self) -> Answer:
        return _waiting(self)

    @route("/<uuid:id>/approve", act="approve", methods=("POST",), fresh=True)
    def approve(self, id: uuid.UUID) -> Answer:
        return _decide(id, "ApprovalView.list", approves=True)

    @route("/<uuid:id>/refuse", act="approve", methods=("POST",), fresh=True)
    def refuse(self, id: uuid.UUID) -> Answer:
        return _decide(id, "ApprovalView.list", approves=False)


def _give(session: Session, id: uuid.UUID, form: GrantForm) -> RoleGrant:
    account = services.get(session, me(), id)
    values = load(GrantInput, form.payload())
    return grants.give(session, me(), account, values["role"], values.get("unit"), values["reason"])


def _name(session: Session, id: uuid.UUID, form: ActForm) -> AccessChange:
    rank = form.rank.data if isinstance(form, FocalPointForm) else None
    return focal_points.name(session, services.get(session, me(), id), rank, form.chosen_reason("primary"))


def _end(session: Session, id: uuid.UUID, form: ActForm) -> RoleGrant:
    return grants.end(session, me(), id, reason=form.chosen_reason("end"), successor=act_pages.successor(form))


def _reset(session: Session, id: uuid.UUID, form: ActForm) -> AccessChange:
    account = services.get(session, me(), id)
    return changes.ask(session, me(), account, "reset", reason=form.chosen_reason("reset"))


def _lost(session: Session, id: uuid.UUID, form: ActForm) -> AccessChange:
    account = services.get(session, me(), id)
    return services.ask_to_end_factors(session, me(), account, form.chosen_reason("factors"))


def _decide(id: uuid.UUID, back: str, approves: bool) -> Answer:
    form = PanelForm()
    work = grants.approve if approves else grants.refuse
    grant = attempt(form, lambda session: once(session, RoleGrant, lambda: work(session, me(), id)))
    if grant is None:
        flash(" ".join(form.told), "warning")
    elif grant.state == "active":
        flash(_("The appointment is complete: the role is active."))
    else:
        flash(_("Your approval is recorded. One more is needed.") if approves else _("The proposal is refused."))
    return redirect_after_post(back)


def _waiting(page: Page) -> str:
    actor = me()
    found = grants.waiting(db.session, actor)
    institutions = changes.institution_names(db.session)
    decided = [each.approver_id for _grant, _account, given in found for each in given]
    names = changes.names(db.session, [*(grant.created_by for grant, _account, _given in found), *decided])
    rows = [
        {
            "id": grant.id,
            "account": account,
            "role": ROLES[grant.role].label if grant.role in ROLES else grant.role,
            "institution": institutions.get(grant.institution_id, ""),
            "since": grant.created_at,
            "approved_by": [
                names.get(each.approver_id) or institutions.get(each.approver_institution_id, "") for each in given
            ],
            "mine": any(each.approver_id == actor.id for each in given),
            "may": grants.may_approve(actor, grant) and actor.id not in (grant.account_id, grant.created_by),
            "by": names.get(grant.created_by, ""),
            "email": account.email,
        }
        for grant, account, given in found
    ]
    record_read("record.list", "role_grant", subjects=[grant.id for grant, _account, _given in found])
    return page.render(
        "accounts/approvals.html",
        heading=_("Approvals"),
        rows=rows,
        endpoint=page.endpoint,
        changes=change_rows(),
    )

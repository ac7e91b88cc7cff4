"""Pages that ask for the reason of an act on an account, and who takes the open work over where there is some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import url_for
from flask_babel import gettext as _
from flask_babel import ngettext

from itm_admin.accounts import changes, focal_points, open_work, services
from itm_admin.accounts.forms import ActForm, FocalPointForm, LeavingForm
from itm_admin.accounts.models import CHANGE_KINDS, Account, RoleGrant
from itm_admin.foundation import tenancy
from itm_admin.foundation.actor import me
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import Message
from itm_admin.foundation.roles import INSTITUTION, ROLES
from itm_admin.foundation.views import Page

Answer = tuple[str, int]


@dataclass
class ActPage:
    """One act: its words, its form, and the open work that it ends."""

    name: str
    account: Account
    heading: str
    lead: str
    submit: str
    kind: str
    form: ActForm
    facts: Sequence[tuple[str, Any]] = ()
    tone: str = "primary"
    why_not: Message | None = None
    leaves: bool = False
    """The person works on no case after it."""
    cases: Sequence[str] = field(default=())

    def render(self, page: Page) -> Answer:
        """The page with its entry: of the account, and of the open cases that it names."""
        work = open_work.open_ones(db.session, self.account.id) if self.leaves else []
        self.form.offer_reasons(self.kind)
        if isinstance(self.form, LeavingForm):
            if work:
                open_work.offer(self.form.successor, self.account.id)
            else:
                del self.form.successor
        detail = {"page": self.name}
        record_read("record.read", "account", self.account.id, detail=detail, subjects=[id for id, _name in work])
        shown = page.render(
            "accounts/act.html", heading=self.heading, act=self, form=self.form, account=self.account,
            cases=[name for _id, name in work], notes=self._notes(),
            back=url_for("AccountView.show", id=self.account.id),
        )  # fmt: skip
        return shown, self.form.refused_with if self.form.submitted() else 200

    def _notes(self) -> list[str]:
        if not self.leaves:
            return []
        notes = []
        if tenancy.current().scope != INSTITUTION:
            notes.append(_("What is assigned to this person ends. The institution's manager finds it among the open"
                           " cases that nobody is assigned to."))  # fmt: skip
        if number := open_work.proposals(db.session, self.account.id):
            notes.append(ngettext(
                "%(num)s proposal of this person waits for somebody else. It stays, and is decided as before.",
                "%(num)s proposals of this person wait for somebody else. They stay, and are decided as before.",
                number,
            ))  # fmt: skip
        notes.append(_("Drafts of this person are seen by nobody else and are deleted after seven days."))
        return notes


def successor(form: ActForm) -> str | None:
    """The chosen colleague, where the form asks for one."""
    chosen = form.successor if isinstance(form, LeavingForm) and "successor" in form else None
    return (chosen.data or None) if chosen is not None else None


def suspension(account: Account) -> ActPage:
    return ActPage(
        "suspend", account, _("Suspend the account"),
        _("The person's sessions end at once, and nobody can sign in with this account until it is active again."),
        _("Suspend"), "suspend", LeavingForm(), tone="danger", leaves=True,
    )  # fmt: skip


def resumption(account: Account) -> ActPage:
    return ActPage(
        "resume", account, _("Reactivate the account"),
        _("The person can sign in again, with the roles that stand. What was assigned before does not come back."),
        _("Reactivate"), "resume", ActForm(),
    )  # fmt: skip


def new_link(account: Account) -> ActPage:
    return ActPage(
        "link", account, _("Make a one-time link"),
        _("The link works once and for 72 hours. Until it is used, the old password does not work and all sessions"
          " have ended."),
        _("Make the link"), "link", ActForm(),
    )  # fmt: skip


def role_end(grant: RoleGrant, account: Account, leaves: bool) -> ActPage:
    role = ROLES[grant.role].label if grant.role in ROLES else grant.role
    return ActPage(
        "end", account, _("End a role"), _("The person's sessions end at once."), _("End the role"), "end",
        LeavingForm(), facts=[(_("Role"), role)], tone="danger", leaves=leaves,
    )  # fmt: skip


def password_end(account: Account) -> ActPage:
    is_open = changes.standing_auditor(db.session, me(), account) == "reset"
    return ActPage(
        "reset", account, _("Ask for the end of the password"),
        _("Another person has to confirm it. After that a new link can be made."),
        _("Ask for the end of the password"), "reset", ActForm(),
        why_not=None if is_open else _("This is asked for auditors who have a password."),
    )  # fmt: skip


def focal_point(account: Account) -> ActPage:
    form = FocalPointForm()
    ranks = [(code, str(CHANGE_KINDS[code])) for code in focal_points.RANKS]
    form.rank.choices = [("", _("— choose —")), *ranks]
    return ActPage(
        "focal", account, _("Name as focal point"),
        _("Each institution has a primary and a deputy focal point. The Presidency approves the person; who stood"
          " before in the rank is replaced then."),
        _("Name as focal point"), "primary", form,
        why_not=None if form.submitted() else focal_points.why_not(account),
    )  # fmt: skip


def lost_factors(account: Account) -> ActPage:
    form = ActForm()
    return ActPage(
        "factors", account, _("Lost second factors"),
        _("Speak with the person first. When another person has confirmed it, all second factors, recovery codes and"
          " sessions end; the password stays. The next sign-in sets up a new second factor."),
        _("Ask for the end of the second factors"), "factors", form,
        why_not=None if form.submitted() else services.no_end_of_factors(db.session, me(), account),
    )  # fmt: skip

"""Shared by the pages of second factors: the question for a code, setting one up, and recovery codes shown once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import current_app, jsonify, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from itm_admin.accounts import changes, factors, passkeys, sign_in, totp
from itm_admin.accounts.factor_rows import SecondFactor
from itm_admin.accounts.factors import Delayed, FactorOwner, ShownFactor, WrongCode
from itm_admin.accounts.passkeys import BadPasskey, Site
from itm_admin.foundation import synthetic
from itm_admin.foundation.actor import Actor
from itm_admin.foundation.database import db
from itm_admin.foundation.tenancy import acting
from itm_admin.foundation.transaction import writing
from itm_admin.foundation.views import REMASK_AFTER, keyring

Answer = str | tuple[str, int] | Response
BOTH = ("GET", "POST")


def site() -> Site:
    """The installation's own address, from its settings alone."""
    found: Site = current_app.config["ITM_SITE"]
    return found


def person_of(actor: Actor) -> FactorOwner:
    return FactorOwner(actor.id, actor.institution_id, actor.username)


def show_code(work: Session, actor: Actor, typed: str, signing_in: bool) -> ShownFactor | WrongCode | Delayed:
    """Proves a code. Gives the proof, or the refusal after its entry; the caller commits in either case."""
    refusal: WrongCode | Delayed
    try:
        with acting(actor.own_context(), work):
            return factors.prove(work, keyring(), person_of(actor), typed)
    except WrongCode as error:
        reason, refusal = "used_code" if error.wait else "wrong_code", error
    except Delayed as error:
        reason, refusal = "delayed_code", error
    sign_in.wrong_code(work, actor, reason, signing_in)
    return refusal


def prove(work: Session, actor: Actor, form: Any, signing_in: bool) -> ShownFactor | None:
    """As `show_code`, of the form's code. None: the form says why."""
    found = show_code(work, actor, form.code.data or "", signing_in)
    if isinstance(found, ShownFactor):
        return found
    if isinstance(found, WrongCode):
        form.take(found)
    else:
        form.refused_with = 429
        form.told.append(str(found))
    return None


def ask_passkey(actor: Actor) -> Response:
    """The question for one of this person's own passkeys, which a script asks for."""
    with writing() as work, acting(actor.own_context(), work):
        asked = passkeys.ask_again(work, site(), person_of(actor))
    return jsonify(question=str(asked.id), options=asked.options)


def prove_passkey(work: Session, actor: Actor, signing_in: bool) -> bool:
    """True if an own passkey of this person has answered. False after the refusal's entry: commit in either case."""
    sent = request.form
    try:
        with acting(actor.own_context(), work):
            passkeys.prove(work, site(), person_of(actor), sent.get("question", ""), sent.get("credential", ""))
    except BadPasskey:
        sign_in.wrong_code(work, actor, "wrong_passkey", signing_in)
        return False
    return True


def code_page(actor: Actor, form: Any) -> str:
    """The question for the second factor at the sign-in."""
    with acting(actor.own_context(), db.session):
        kinds = {each.kind for each in factors.standing(db.session, actor.id)}
    return render_template(
        "accounts/factor.html", heading=_("Second factor"), form=form, kinds=kinds, origin=site().origin,
        action=url_for("SecondStepView.code"), synthetic_code=synthetic_code(actor),
        by_provider=actor.here is not None and "provider" in actor.here.methods,
    )  # fmt: skip


def set_up_page(actor: Actor, form: Any, endpoints: Mapping[str, str], back: str | None = None) -> str:
    """A new app's secret, as a picture and as text, and the question for its first code; or a passkey."""
    with acting(actor.own_context(), db.session):
        app = factors.pending(db.session, actor.id)
        secret = factors.secret_of(db.session, keyring(), app) if app is not None else None
        lost = changes.lost_factors(db.session, actor.id) if back is None else None
    return render_template(
        "accounts/set_up.html", heading=_("Set up a second factor"), form=form, origin=site().origin, back=back,
        picture=totp.picture(secret, actor.username) if secret else None,
        secret=totp.in_groups(secret) if secret else None,
        urls={name: url_for(endpoint) for name, endpoint in endpoints.items()},
        synthetic_code=synthetic_code(actor, app) if app is not None else None,
        lost=lost if lost is not None and lost.state == "done" else None,
    )  # fmt: skip


def codes_page(codes: Sequence[str], back: str, fields: Sequence[tuple[str, str]] = ()) -> str:
    """Recovery codes, the only time that they are shown. `fields`: a form that waits behind the page."""
    return render_template(
        "accounts/recovery_codes.html", heading=_("Recovery codes"), codes=codes, back=back, fields=fields,
        seconds=REMASK_AFTER,
    )  # fmt: skip


def synthetic_code(actor: Actor, app: SecondFactor | None = None) -> Mapping[str, Any] | None:
    """The code that would be accepted now, in the demonstration alone: of this app, or of the account's first one."""
    if not synthetic.is_synthetic():
        return None
    with acting(actor.own_context(), db.session):
        apps = [app] if app else [each for each in factors.standing(db.session, actor.id) if each.kind == "totp"]
        if not apps:
            return None
        secret = totp.opened(keyring().of_institution(db.session), apps[0])
    code, wait = totp.acceptable(secret, apps[0].last_step)
    return {"code": code, "wait": wait}

"""A fresh second factor that is shown at the provider, in the session that came from it.

It counts if the provider says that the same person has proved it anew in the last minutes, with a second factor, and
the person's institution trusts that.
"""

from __future__ import annotations

import time

from sqlalchemy import select
from sqlalchemy.orm import Session

from itm_admin.accounts import provider_register, providers, session_rows, sign_in
from itm_admin.accounts.oidc import LEEWAY, ProviderRefused, Vouched
from itm_admin.accounts.provider_rows import IdentityProvider, ProviderBinding
from itm_admin.foundation.access import FRESH
from itm_admin.foundation.actor import Actor, Here
from itm_admin.foundation.identity_providers import Provider
from itm_admin.foundation.tenancy import acting


def provider_of(session: Session, actor: Actor) -> Provider | None:
    """The provider where this session's person may show a fresh factor; None if there is none."""
    found = providers.subject_here(session, actor)
    issuer = provider_register.register().issuers.get(found[0]) if found is not None else None
    return issuer.provider if issuer is not None and _trusts(session, actor, issuer.provider) else None


def go_on_fresh(session: Session, actor: Actor, provider: Provider, vouched: Vouched) -> Here:
    """The session with a fresh factor, and its entry. Raises ProviderRefused. Does not commit."""
    when = vouched.auth_time
    is_new = when is not None and -LEEWAY <= time.time() - when <= FRESH
    same = providers.subject_here(session, actor) == (provider.code, vouched.subject)
    if not (same and is_new and vouched.factor and _trusts(session, actor, provider)):
        raise ProviderRefused("provider_factor")
    with acting(actor.own_context(), session):
        here = session_rows.step_up(session, actor, "provider")
    sign_in.own_entry(session, actor, "success", {"factor": "provider", "while": "signed_in"})
    return here


def _trusts(session: Session, actor: Actor, provider: Provider) -> bool:
    with acting(actor.own_context(), session):
        return bool(
            session.scalar(
                select(ProviderBinding.trusts_factor)
                .join(IdentityProvider, IdentityProvider.id == ProviderBinding.provider_id)
                .where(
                    IdentityProvider.code == provider.code,
                    IdentityProvider.ended_at.is_(None),
                    ProviderBinding.institution_id == actor.institution_id,
                    ProviderBinding.ended_at.is_(None),
                )
            )
        )

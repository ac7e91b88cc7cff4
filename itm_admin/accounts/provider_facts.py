"""Providers of sign-in on the pages of accounts and institutions: who signs in where, in words."""

from __future__ import annotations

from flask_babel import gettext as _
from sqlalchemy import select

from itm_admin.accounts import provider_register, providers
from itm_admin.accounts.models import Account
from itm_admin.accounts.provider_rows import IdentityProvider, ProviderBinding
from itm_admin.foundation.database import db
from itm_admin.institutions.models import Institution
from itm_admin.record.display import Facts


def links_of(account: Account) -> Facts:
    """The provider's persons with whom the account is linked; nothing without one."""
    if not provider_register.register().providers:
        return []
    rows = providers.standing(db.session, account.id)
    said = [_("%(name)s, as %(shown)s", name=row.name, shown=row.shown) if row.shown else row.name for row in rows]
    return [(_("Institution sign-in"), ", ".join(said))] if said else []


def of_institution(institution: Institution) -> Facts:
    """The providers that vouch for an institution's people; nothing without one."""
    if not provider_register.register().providers:
        return []
    rows = db.session.execute(
        select(IdentityProvider, ProviderBinding.password)
        .join(ProviderBinding, ProviderBinding.provider_id == IdentityProvider.id)
        .where(
            ProviderBinding.institution_id == institution.id,
            ProviderBinding.ended_at.is_(None),
            IdentityProvider.ended_at.is_(None),
        )
        .order_by(IdentityProvider.code)
    ).all()
    said = [row[0].name if row.password else _("%(name)s (without passwords)", name=row[0].name) for row in rows]
    return [(_("Sign-in through"), ", ".join(said))] if said else []

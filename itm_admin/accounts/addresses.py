"""The e-mail addresses of accounts: one plain address, in the one form in which it is compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from marshmallow import fields as answers

from itm_admin.foundation.name_folding import clean_name
from itm_admin.record.checks import EmailCheck
from itm_admin.record.fields import Email


class AddressCheck(EmailCheck):
    """Other forms than one plain address may name two people, or another one than the page shows."""

    def checked(self, text: str) -> str:
        return as_stored(super().checked(clean_name(text)))


@dataclass(frozen=True, kw_only=True)
class MailAddress(Email):
    """The address to which an account's links go."""

    def check(self, **options: Any) -> answers.Field:
        return AddressCheck(most=self.most, **options)


def as_stored(typed: str) -> str:
    """The domain in small letters: it is the same in any."""
    local, at, domain = clean_name(typed).rpartition("@")
    return f"{local}{at}{domain.lower()}"

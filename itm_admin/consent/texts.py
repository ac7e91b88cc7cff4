"""The texts that are read out when consent is asked, in the languages that the Presidency adds.

A text is of one purpose, in one language, and never changes: the next is another version. Everybody reads them; the
database lets the Presidency alone write one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from flask_appbuilder import Model
from flask_babel import lazy_gettext as _l
from sqlalchemy import Index, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Mapped, declared_attr

from itm_admin.foundation.encryption import AnySession
from itm_admin.foundation.formats import label
from itm_admin.record.datamodel import RecordInterface
from itm_admin.record.field import field
from itm_admin.record.fields import Code, Text, Whole
from itm_admin.record.kind import RecordInfo
from itm_admin.record.models import Record


class ConsentText(Record, Model):
    """One version of a text."""

    __tablename__ = "consent_text"
    __record__: ClassVar = RecordInfo(_l("Consent text"), _l("Consent texts"), everybodys=True)

    purpose: Mapped[str] = field(
        Code(label=_l("Purpose of the consent"), codes="consent_purpose", ask=_l("Choose the purpose that was asked."))
    )
    language: Mapped[str] = field(Code(label=_l("Language"), codes="language", ask=_l("Choose a language.")))
    number: Mapped[int] = field(Whole(label=_l("Version of the text"), low=1, high=9999))
    body: Mapped[str] = field(
        Text(
            label=_l("Text that is read out"), most=20_000, lines=True, ask=_l("Write the text."),
            hint=_l("In that language: who asks, what for, who is told what, and that a refusal hinders nothing."),
        )
    )  # fmt: skip
    yes: Mapped[str] = field(Text(label=_l("“I consent” in that language"), ask=_l("Write it in that language.")))
    no: Mapped[str] = field(Text(label=_l("“I do not consent” in that language"), ask=_l("Write it in that language.")))

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return (*super().__table_args__, Index("consent_text_once", "purpose", "language", "number", unique=True))

    @property
    def code(self) -> str:
        """The text's name at the foot of the printed form."""
        return f"{self.purpose}-{self.language}-{self.number}"

    def __str__(self) -> str:
        return f"{label(self.purpose, 'consent_purpose')} – {label(self.language, 'language')} {self.number}"


COLUMNS = ("purpose", "language", "body", "yes", "no")


class ConsentTexts(RecordInterface[ConsentText]):
    """Texts of the Presidency: a new one is the next version of its purpose and language."""

    def pre_add(self, session: AnySession, record: ConsentText, values: Mapping[str, Any], parent: Any) -> None:
        record.number = (newest(session, record.purpose, record.language) or 0) + 1


TEXTS = ConsentTexts(ConsentText)


def newest(session: AnySession, purpose: str, language: str) -> int | None:
    """The newest version of a purpose's text in a language; None while there is none."""
    same = (ConsentText.purpose == purpose, ConsentText.language == language, ConsentText.deleted_at.is_(None))
    return session.scalar(select(func.max(ConsentText.number)).where(*same))


def find(session: AnySession, purpose: str, language: str, version: int | None = None) -> ConsentText | None:
    """A purpose's text in a language: the named version, or the newest."""
    wanted = select(ConsentText).where(ConsentText.purpose == purpose, ConsentText.language == language)
    if version is not None:
        wanted = wanted.where(ConsentText.number == version)
    return session.scalar(wanted.where(ConsentText.deleted_at.is_(None)).order_by(ConsentText.number.desc()).limit(1))


def newest_of_each(session: AnySession) -> list[ConsentText]:
    """The newest version of each text, by purpose and language."""
    statement = (
        select(ConsentText)
        .ext(distinct_on(ConsentText.purpose, ConsentText.language))
        .where(ConsentText.deleted_at.is_(None))
        .order_by(ConsentText.purpose, ConsentText.language, ConsentText.number.desc())
    )
    return list(session.scalars(statement))

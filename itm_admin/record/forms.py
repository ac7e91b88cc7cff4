"""The forms that every kind of record has: a reason, a purpose, an export."""

from __future__ import annotations

from typing import Any, ClassVar

from flask_babel import lazy_gettext as _l
from wtforms import RadioField

from itm_admin.foundation import purposes, tenancy
from itm_admin.foundation.forms import Asks, CodeField, PanelForm, ProtectedText

_REASON = _l("Choose a reason.")


class ReasonForm(PanelForm):
    asks: ClassVar[Asks] = {"reason": _REASON}

    reason = CodeField(_l("Reason"), "deletion_reason")


class PurposeForm(PanelForm):
    """Why protected values are to be seen. Nothing is chosen beforehand."""

    asks: ClassVar[Asks] = {"purpose": _l("Choose a purpose.")}

    only_if: ClassVar[Asks] = {"words": _l("required in an emergency and for a judicial request")}

    act = "reveal"
    purpose = CodeField(_l("Purpose"), "access_purpose")
    words = ProtectedText(
        _l("Reason in words"),
        description=_l("The manager and the auditors read it."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        codes = purposes.offered(self.act, tenancy.current().roles)
        self.purpose.among(codes)


class ExportForm(PurposeForm):
    act = "export"
    asks: ClassVar[Asks] = {"format": _l("Choose a file format.")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.words

    format = RadioField(
        _l("Format"), choices=[("csv", "CSV"), ("xlsx", "Excel (XLSX)")], default="xlsx", validate_choice=False
    )

"""The forms of referrals that no field's declaration makes."""

from __future__ import annotations

from typing import Any

from wtforms import HiddenField

from itm_admin.cases.forms import MatchForm
from itm_admin.cases.models import Case
from itm_admin.foundation.forms import PanelForm
from itm_admin.record.derive import form_class
from itm_admin.record.kind import kind_of


class SendForm(PanelForm):
    """`seen`: the digest of what the page showed."""

    seen = HiddenField()


OpenCaseForm: Any = form_class(kind_of(Case), ("province", "referral_source"), base=MatchForm)
"""The fields that a case needs and that were not sent."""

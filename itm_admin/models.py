"""Every table of the panel, imported in one place: for migrations, and so that relationships resolve."""

from flask_appbuilder import Model

from itm_admin.accounts import api_key_model, factor_rows, mail_rows, provider_rows, secret_rows
from itm_admin.accounts import models as accounts
from itm_admin.assurance import models as assurance
from itm_admin.cases import models as cases
from itm_admin.cases import references
from itm_admin.consent import models as consent
from itm_admin.consent import texts
from itm_admin.foundation import form_answers, once
from itm_admin.institutions import models as institutions
from itm_admin.record import access_note, drafts, editing
from itm_admin.referrals import models as referrals

__all__ = [
    "OUR_TABLES", "access_note", "accounts", "api_key_model", "assurance", "cases", "consent", "drafts", "editing",
    "factor_rows", "form_answers", "institutions", "mail_rows", "metadata", "once", "provider_rows", "references",
    "referrals", "secret_rows", "texts",
]  # fmt: skip

metadata = Model.metadata

# Flask-AppBuilder declares tables of its own (ab_*). Roles here are data in code and grants in
# `role_grant`, so none of them exists in the database: what is not there cannot leak.
OUR_TABLES = frozenset(
    mapper.local_table.name for mapper in Model.registry.mappers if mapper.class_.__module__.startswith("itm_admin.")
)

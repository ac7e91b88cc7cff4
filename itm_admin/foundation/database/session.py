"""The request's session: every transaction begins by telling PostgreSQL who is at work (see tenancy)."""

from __future__ import annotations

from typing import Any

from flask_appbuilder.utils.legacy import get_sqla_class

from itm_admin.foundation import tenancy

db: Any = get_sqla_class()(session_options={"expire_on_commit": False})  # what was saved may still be named
tenancy.install(db.session)

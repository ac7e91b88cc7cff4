"""After an upgrade from the first release people become independent by `itm invite`, and then rises work."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

import itm_admin.areas  # noqa: F401 the roles' acts
from itm_admin.accounts import actor as actors
from itm_admin.accounts import administrator_link, bootstrap, grants, invitations, services, sign_in
from itm_admin.foundation import tenancy
from itm_admin.foundation.actor import Actor
from itm_admin.foundation.database import migration
from itm_admin.foundation.errors import Denied
from itm_admin.foundation.tenancy import Context
from tests.conftest import Database
from tests.panel.account_world import holder
from tests.runtime import released_database as released

FOLDERS = pytest.mark.parametrize("folder", released.FOLDERS, ids=lambda path: path.name)
NEW = "mor masa yedi yıldız"


@FOLDERS
def test_after_the_upgrade_itm_invite_makes_people_independent_and_rises_work(
    folder: Path, empty_database: Database, tmp_path: Path
) -> None:
    database = empty_database
    released.restore(folder, database)
    migration.upgrade(database.url("owner"))
    settings = released.settings_of(folder, database, tmp_path / "home")
    settings = replace(settings, database_url=database.url("app"), signer_url=database.url("signer"))
    sessions = bootstrap.making_sessions(database.engine("app"))

    def one(role: str) -> Actor:
        statement = (
            "select a.id, a.institution_id from account a join role_grant g on g.account_id = a.id"
            " where g.role = :role and g.state = 'active' and a.active order by a.created_at, a.id limit 1"
        )
        with database.engine("superuser").connect() as connection:
            row = connection.execute(text(statement), {"role": role}).one()
        with sessions() as session:
            found = actors.find(session, row.id, row.institution_id)
        assert found is not None
        return found

    administrator, supervisor = one("system_administrator"), one("presidency_supervisor")

    def propose() -> uuid.UUID:
        with sessions() as session, tenancy.acting(administrator.context("accounts")):
            person = holder("Yükselen", "Kişi", f"{uuid.uuid4().hex[:8]}@gib.invalid")
            who = services.create(session, {**person, "institution_id": administrator.institution_id})
            grant = grants.give(session, administrator, who, "institution_manager", reason="NEW_TASK").id
            session.commit()
        return grant

    def approve(grant: uuid.UUID) -> str:
        with sessions() as session, tenancy.acting(supervisor.context("oversight")):
            state = grants.approve(session, supervisor, grant).state
            session.commit()
        return state

    waiting = propose()
    with pytest.raises(Denied):  # the administrator made the supervisor's account, as the first release did it
        approve(waiting)
    token = administrator_link.make(settings, supervisor.username).rsplit("/", 1)[1]
    with sessions() as session, tenancy.acting(Context()):
        invitations.redeem(session, token, NEW)
        session.commit()
    with sessions() as session, tenancy.acting(Context(address="192.0.2.1", request_id=uuid.uuid4().hex)):
        assert sign_in.attempt(session, supervisor.username, NEW, key=b"digests").id == supervisor.id
    assert approve(waiting) == "active"
    assert approve(propose()) == "active"

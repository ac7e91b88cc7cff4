"""Requests of before, which have no reason, stay and can be decided after the upgrade."""

from __future__ import annotations

import uuid
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from itm_admin.foundation.database import migration
from tests.conftest import Database

SCRIPTS = Path(migration.__file__).parents[3] / "migrations"
ROWS = """
insert into institution (id, code, name_tr, name_en, kind) values ('{gib}', 'GIB', 'Başkanlık', 'x', 'presidency');
insert into account (id, institution_id, username, first_name, last_name, email)
  values ('{account}', '{gib}', 'gib.ada', 'Ada', 'Kaya', 'ada@example.invalid');
insert into access_change (id, institution_id, account_id, kind, state) values
  ('{waiting}', '{gib}', '{account}', 'factors', 'waiting'), ('{done}', '{gib}', '{account}', 'factors', 'done');
"""


def test_lost_factors_of_before_without_a_reason_come_through_the_upgrade(empty_database: Database) -> None:
    ids = {name: str(uuid.uuid4()) for name in ("gib", "account", "waiting", "done")}
    owner = create_engine(empty_database.url("owner"), poolclass=NullPool)
    with owner.connect() as connection:
        configuration = Config()
        configuration.set_main_option("script_location", str(SCRIPTS))
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, "0014")
    superuser = create_engine(empty_database.url("superuser"), poolclass=NullPool)
    with superuser.begin() as connection:
        connection.exec_driver_sql(ROWS.format(**ids))
    migration.upgrade(empty_database.url("owner"))
    with superuser.begin() as connection:
        baselines = "select count(*) from audit.event where via = 'baseline' and target_kind = 'access_change'"
        assert connection.scalar(text(baselines)) >= 2
        decided = text("update access_change set state = 'refused' where id = :id returning reason")
        assert connection.execute(decided, {"id": ids["waiting"]}).all() == [(None,)]
    owner.dispose()
    superuser.dispose()

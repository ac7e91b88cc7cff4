"""The rules of records reach a database that has data: names, statuses and ages that stand there already."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from itm_admin.foundation.database import migration
from tests.conftest import Database

SCRIPTS = Path(migration.__file__).parents[3] / "migrations"
ROWS = """
insert into institution (id, code, name_tr, name_en, kind) values ('{gib}', 'GIB', 'Başkanlık', 'x', 'presidency');
insert into institution (id, code, name_tr, name_en, kind) values ('{jgk}', 'JGK', 'Jandarma', 'y', 'law_enforcement');
insert into unit (id, institution_id, name) values ('{root}', '{jgk}', 'Merkez');
insert into unit (institution_id, parent_id, name)
  select '{jgk}', '{root}', name from unnest(array['ok', 'OK', U&'Ok\\200B', U&'a\\202Eb']) name;
insert into case_file (id, institution_id, unit_id, reference, opened_on, province, referral_source,
    lead_institution_id)
  values ('{case}', '{jgk}', '{root}', 'ITM-JGK-2026-000001', '2026-01-01', 'TR-06', 'GENDARMERIE', '{jgk}');
insert into person (id, institution_id, unit_id, pseudonym, gender, age_band, is_child)
  values ('{person}', '{jgk}', '{root}', 'JGK-K-00001', 'Feminine', '9-17', true);
insert into case_person (id, institution_id, unit_id, case_id, person_id, role)
  values ('{link}', '{jgk}', '{root}', '{case}', '{person}', 'VICTIM');
insert into victim_profile (id, institution_id, unit_id, case_person_id, trafficking_status)
  values ('{profile}', '{jgk}', '{root}', '{link}', 'ActualVictimOfTrafficking');
"""


def test_a_database_with_data_comes_up_with_the_new_rules(empty_database: Database) -> None:
    ids = {name: str(uuid.uuid4()) for name in ("gib", "jgk", "root", "case", "person", "link", "profile")}
    owner = create_engine(empty_database.url("owner"), poolclass=NullPool)
    with owner.connect() as connection:
        configuration = Config()
        configuration.set_main_option("script_location", str(SCRIPTS))
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, "0004")
    superuser = create_engine(empty_database.url("superuser"), poolclass=NullPool)
    with superuser.begin() as connection:
        connection.exec_driver_sql(ROWS.format(**ids))
    migration.upgrade(empty_database.url("owner"))
    with superuser.begin() as connection:
        names = set(connection.scalars(text("select name from unit where parent_id is not null")))
        keys = connection.scalar(
            text("select count(distinct itm.name_key(name)) from unit where parent_id is not null")
        )
        assert (len(names), keys, "ab" in names) == (4, 4, True)
        link = connection.execute(text("select age_band, is_child from case_person")).one()
        assert tuple(link) == ("9-17", True)
        assert connection.scalar(text("select trafficking_status from victim_profile")) == "InstitutionConsidersVictim"
        told = "select count(*) from audit.event where via = 'baseline' and target_kind in ('case', 'case_person')"
        assert connection.scalar(text(told)) == 2
    owner.dispose()
    superuser.dispose()


def test_addresses_and_names_that_look_the_same_are_told_and_nothing_is_upgraded(empty_database: Database) -> None:
    ids = {name: str(uuid.uuid4()) for name in ("gib", "jgk", "root", "case", "person", "link", "profile")}
    owner = create_engine(empty_database.url("owner"), poolclass=NullPool)
    with owner.connect() as connection:
        configuration = Config()
        configuration.set_main_option("script_location", str(SCRIPTS))
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, "0004")
    superuser = create_engine(empty_database.url("superuser"), poolclass=NullPool)
    with superuser.begin() as connection:
        connection.exec_driver_sql(ROWS.format(**ids).replace("'Başkanlık'", "'JANDARMA'"))
        for name, email in (("jgk.ada", "ada@example.invalid"), ("jgk.ece", "ADA@example.invalid")):
            connection.exec_driver_sql(
                "insert into account (institution_id, username, first_name, last_name, email)"
                f" values ('{ids['jgk']}', '{name}', 'Ada', 'Kaya', '{email}')"
            )
    with pytest.raises(Exception, match=r"one Turkish name: GIB, JGK; one e-mail address: jgk\.ada, jgk\.ece"):
        migration.upgrade(empty_database.url("owner"))
    with superuser.begin() as connection:
        assert connection.scalar(text("select version_num from alembic_version")) == "0004"
        connection.exec_driver_sql("update institution set name_tr = 'Başkanlık' where code = 'GIB'")
        connection.exec_driver_sql("update account set email = 'ece@example.invalid' where username = 'jgk.ece'")
    migration.upgrade(empty_database.url("owner"))
    owner.dispose()
    superuser.dispose()

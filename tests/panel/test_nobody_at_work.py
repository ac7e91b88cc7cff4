"""SQL as itm_app without a session, whatever it states: it sees, opens, decides and writes nothing."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from itm_admin.accounts import passwords
from itm_admin.cases import upkeep, upkeep_calls
from itm_admin.foundation import claims, door_check
from itm_admin.foundation.config import Refusal
from itm_admin.foundation.roles import SCOPES
from tests import signed_in
from tests.conftest import SECRET, settings_for
from tests.factories import PASSWORD, Somebody
from tests.panel.panel_app import Records, RunningPanel

STATED_SCOPES = (*SCOPES, "login", "presidency", "national", "door", "story", "")
STATE = text("select set_config('itm.context', :said, true), set_config('audit.context', :said, true)")
READABLE = """
    select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname in ('public', 'itm', 'audit') and c.relkind in ('r', 'v', 'm', 'p')
       and has_any_column_privilege('itm_app', c.oid, 'select') order by 1
"""
ABOUT_NOBODY = {
    "audit.action": "the words of the ledger", "audit.deployment": "the installation's name",
    "audit.watched": "which tables are captured", "itm.installation": "real data or a demonstration",
    "itm.kept": "which tables are records", "public.alembic_version": "the schema's version",
    "public.job_run": "runs of the scheduler, which the panel watches while nobody is at work",
}  # fmt: skip
SECRET_TABLES = (
    "public.credential", "public.former_password", "public.login_throttle", "public.sign_in_tally", "itm.door",
    "itm.command_door", "itm.counted_try",
)  # fmt: skip


@pytest.fixture(scope="module")
def records(panel: RunningPanel) -> Records:
    return panel.records(panel.make.institution())


@pytest.fixture(scope="module")
def victim(panel: RunningPanel, records: Records) -> Somebody:
    """Somebody with a session, an app, recovery codes, a known browser and a link."""
    who = records.caseworker
    signed_in.begin(panel.database, who.username)
    panel.make.code(who.username)
    with panel.database.engine("superuser").begin() as connection:
        values = {"home": who.tenant.id, "id": who.id, "digest": secrets.token_bytes(32)}
        for statement in (
            "insert into known_device (institution_id, account_id, secret_digest) values (:home, :id, :digest)",
            "insert into recovery_codes (institution_id, account_id, digests)"
            " values (:home, :id, array[:digest]::bytea[]) on conflict do nothing",
            "insert into passkey_challenge (challenge, purpose) values (:digest, 'sign_in')",
            'insert into login_throttle (key, kind, "window", tries, last_at)'
            " values (:digest, 'name', now(), 3, now())",
        ):
            connection.execute(text(statement), values)
    return who


@contextmanager
def thief(panel: RunningPanel) -> Iterator[Connection]:
    """A connection of somebody who has the password of itm_app, and nothing else."""
    engine = create_engine(panel.database.url("app"), poolclass=NullPool)
    with engine.connect() as connection:
        yield connection
        connection.rollback()


def forged(who: Somebody, scope: str) -> dict[str, str]:
    everything = {
        "scope": scope, "institution": str(who.tenant.id), "account": str(who.id), "unit": "*", "manage": "*",
        "create": "*", "assigned": True, "assigns": True, "national": True, "approves": True, "login": who.username,
        "ledger": str(who.tenant.id), "reads": "all",
        "actor": {"user": str(who.id), "name": who.username, "institution": who.tenant.code},
    }  # fmt: skip
    return {"said": json.dumps(everything)}


def fails(connection: Connection, statement: str, values: dict[str, Any], match: str | None = None) -> None:
    with connection.begin_nested() as inner:
        with pytest.raises(DBAPIError, match=match):
            connection.execute(text(statement), values)
        inner.rollback()


@pytest.mark.parametrize("scope", STATED_SCOPES)
def test_whatever_is_stated_no_table_and_no_view_shows_a_row(panel: RunningPanel, victim: Somebody, scope: str) -> None:
    names = [row[0] for row in panel.rows(READABLE)]
    assert len(names) > 40
    shown = {}
    with thief(panel) as connection:
        connection.execute(STATE, forged(victim, scope))
        for name in names:
            column = connection.scalar(
                text(
                    "select quote_ident(a.attname) from pg_attribute a where a.attrelid = cast(:name as regclass)"
                    " and a.attnum > 0 and not a.attisdropped"
                    " and has_column_privilege('itm_app', a.attrelid, a.attnum, 'select') limit 1"
                ),
                {"name": name},
            )
            shown[name] = connection.scalar(text(f"select count({column}) from {name}"))
    seen = {name for name, rows in shown.items() if rows}
    assert seen <= set(ABOUT_NOBODY), seen - set(ABOUT_NOBODY)


def test_in_no_session_either_are_digests_links_and_counts_read(panel: RunningPanel, victim: Somebody) -> None:
    _person, secret = signed_in.begin(panel.database, victim.username)
    with thief(panel) as connection:
        for scope in ("login", "institution"):
            assert connection.scalar(text("select itm.enter(:secret, :scope)"), {"secret": secret, "scope": scope})
            for table in SECRET_TABLES:
                fails(connection, f"select 1 from {table}", {}, "permission denied")
        fails(connection, "select secret_digest from account_session", {}, "permission denied")
        fails(connection, "select secret_digest from known_device", {}, "permission denied")


FORGERIES = {
    "an approval": "insert into grant_approval (institution_id, grant_id, approver_id, side)"
    " select institution_id, id, :account, 'presidency' from role_grant limit 1 returning 1",
    "a role": "insert into role_grant (institution_id, account_id, role, state)"
    " values (:home, :account, 'institution_manager', 'active')",
    "a decision about a ledger": "insert into ledger_decision (kind, ledger_id, reason, proposed_by)"
    " select 'purge', :ledger, 'x', :account",
    "a change of access": "insert into access_change (institution_id, account_id, kind)"
    " values (:home, :account, 'reset')",
    "a link": "insert into invitation (institution_id, account_id, token_digest, expires_at)"
    " values (:home, :account, sha256('x'), now() + interval '1 hour')",
    "a factor": "insert into second_factor (institution_id, account_id, kind, name, credential, public_key)"
    " values (:home, :account, 'passkey', 'x', 'x', 'x')",
    "an account": "insert into account (institution_id, username, first_name, last_name, email)"
    " values (:home, 'a.b', 'A', 'B', 'a@b.invalid')",
    "a challenge": "insert into passkey_challenge (challenge, purpose) values ('x', 'sign_in')",
    "an entry": "select audit.append('record.read', 'success', 'case', '1')",
    "an entry of the Presidency": "select audit.append('auth.login', 'success', 'account', '1', to_presidency => true)",
    "a session": "select itm.open_session(sha256('x'), array['password'], interval '0', interval '1 hour',"
    " interval '1 hour', null, null)",
    "a password": "select itm.change_own_password('$argon2id-sha256$v=19$m=8,t=1,p=1$AAAAAAAAAAA$'"
    " || repeat('0', 64), array[]::bytea[])",
    "a command": "select itm.open_for_command('x', '{\"scope\": \"accounts\"}', '{}')",
    "the upkeep": "select itm.open_for_upkeep(:home, 1, 'x')",
    "the web server's key": "select itm.bring_claim_key(k, k) from decode(repeat('00', 64), 'hex') k",
    "the mark of the installation": "insert into itm.installation (synthetic) values (true)",
    "a count that is taken back": "select itm.take_back_try(array[]::bytea[])",
}


@pytest.mark.parametrize("what", FORGERIES)
def test_whatever_is_stated_nothing_is_forged(
    panel: RunningPanel, records: Records, victim: Somebody, what: str
) -> None:
    values = {"home": victim.tenant.id, "account": victim.id, "ledger": records.ledger}
    names = [name for name in values if f":{name}" in FORGERIES[what]]
    entries = panel.value("select count(*) from audit.event")
    with thief(panel) as connection:
        for scope in ("accounts", "oversight", "institution", "login", "audit"):
            connection.execute(STATE, forged(victim, scope))
            given = {name: values[name] for name in names}
            with connection.begin_nested() as inner:
                try:
                    stored = connection.execute(text(FORGERIES[what]), given).rowcount
                except DBAPIError:
                    inner.rollback()
                else:
                    assert stored == 0, scope
        connection.commit()
    assert panel.value("select count(*) from audit.event") == entries


# Signing in


COUNT = text("select wait, ticket from itm.count_sign_in(:name, :a, :b, :c, :d, :e)")
OFFER = text("select itm.offer_proof(:ticket, :proof)")
SIGN_IN = text("select itm.sign_in(:ticket, :x, :x, :digest, interval '30 minutes', interval '1 hour', null, null)")


def count(connection: Connection, name: str) -> Any:
    """A try, with digests that nobody has sent before."""
    digests = {key: secrets.token_bytes(32) for key in "abcde"}
    return connection.execute(COUNT, {"name": name, **digests}).one()


def proof_of(connection: Connection, name: str, password: str = PASSWORD) -> bytes:
    salt = connection.scalar(text("select itm.salt_of(:name)"), {"name": name})
    return passwords.proof(salt, password)


def judged(connection: Connection, ticket: uuid.UUID) -> str | None:
    digest = secrets.token_bytes(32)
    found: str | None = connection.scalar(SIGN_IN, {"ticket": ticket, "digest": digest, "x": b"x"})
    return found


def test_a_try_counts_before_it_is_judged_and_nobody_takes_the_counting_back(panel: RunningPanel) -> None:
    who = panel.make.caseworker()
    with thief(panel) as connection:
        proof = proof_of(connection, who.username)
        ticket = count(connection, who.username).ticket
        connection.execute(OFFER, {"ticket": ticket, "proof": proof})
        with pytest.raises(DBAPIError, match="counted first"):  # counted, offered and judged at once
            judged(connection, ticket)
        connection.rollback()
        ticket = count(connection, who.username).ticket
        connection.commit()
        connection.execute(OFFER, {"ticket": ticket, "proof": b"wrong"})
        with pytest.raises(DBAPIError, match="counted first"):  # offered and judged at once: taken back, it was asked
            judged(connection, ticket)
        connection.rollback()
        connection.execute(OFFER, {"ticket": ticket, "proof": b"wrong"})
        connection.commit()
        connection.execute(OFFER, {"ticket": ticket, "proof": proof})  # another proof for the same try
        connection.commit()
        for _ in range(2):
            assert judged(connection, ticket) == "refused"
            connection.rollback()
        assert judged(connection, ticket) == "refused"
        connection.commit()
        with pytest.raises(DBAPIError, match="counted first"):
            judged(connection, ticket)


def test_other_digests_and_another_time_give_no_more_tries(panel: RunningPanel) -> None:
    who = panel.make.caseworker()
    with panel.database.engine("superuser").begin() as connection:
        connection.execute(text("delete from login_throttle"))
    with thief(panel) as connection:
        assert count(connection, who.username).wait == 0
        connection.commit()
    with panel.database.engine("superuser").begin() as connection:
        connection.execute(text("update login_throttle set tries = 120 where kind = 'name'"))
    with thief(panel) as connection:
        assert count(connection, who.username).wait == 0
        connection.commit()
        waits = [count(connection, who.username).wait]
        later = text("select wait from itm.count_sign_in(:name, :d, :d, :d, :d, :d, now() + interval '1 day')")
        waits.append(connection.scalar(later, {"name": who.username, "d": secrets.token_bytes(32)}))
    assert all(wait > 800 for wait in waits), waits


def test_a_name_that_nobody_has_gets_a_salt_that_stays(panel: RunningPanel) -> None:
    salt = text("select itm.salt_of(:name)")
    with thief(panel) as connection:
        asked = [
            connection.scalar(salt, {"name": name})
            for name in ("no.body", "no.body", "no.other", panel.make.caseworker().username)
        ]
    assert asked[0] == asked[1] != asked[2]
    assert len({each.rpartition("$")[0] for each in asked}) == 1
    assert len({len(each) for each in asked}) == 1


# Claims


def claim(connection: Connection, *words: object, key: bytes | None = None) -> dict[str, Any]:
    return claims.made(connection, *words, key=key or claims.key_from(SECRET))


BY_CLAIM = (
    "select itm.sign_in_by_claim(:who, :digest, array['machine'], true, :at, :mac, interval '30 minutes',"
    " interval '1 hour', null, null)"
)


def test_only_a_fresh_claim_of_the_web_server_signs_somebody_in_and_once(panel: RunningPanel) -> None:
    who, other = panel.make.caseworker(), panel.make.caseworker()
    digest = secrets.token_bytes(32)
    words = ("sign_in", who.id, digest.hex(), "machine", "t")
    with thief(panel) as connection:
        right = claim(connection, *words)
        values = {"who": who.id, "digest": digest, **right}
        for wrong in (
            {"who": other.id},
            {"digest": secrets.token_bytes(32)},
            {"mac": secrets.token_bytes(32)},
            {"mac": None},
            {"at": right["at"] + 1},
            claim(connection, *words, key=claims.key_from("x" * 32)),
        ):
            fails(connection, BY_CLAIM, {**values, **wrong}, "no claim")
        assert connection.scalar(text(BY_CLAIM), values) is None
        connection.commit()
        fails(connection, BY_CLAIM, values, "account_session")


def test_a_claim_is_over_after_a_minute(panel: RunningPanel) -> None:
    fits = text("select itm.is_claim('x', :at, :mac)")
    with thief(panel) as connection:
        now = claim(connection, "x")["at"]
        for age, good in ((0, True), (50, True), (-50, True), (70, False), (-70, False)):
            at = now - age
            mac = hmac.new(claims.key_from(SECRET), f"{at} x".encode(), hashlib.sha256).digest()
            assert connection.scalar(fits, {"at": at, "mac": mac}) is good, age


def test_sql_in_half_a_session_makes_no_whole_one(panel: RunningPanel) -> None:
    who = panel.make.caseworker()
    _person, secret = signed_in.begin(panel.database, who.username)
    whole = (
        "select itm.open_session(sha256('y'), array['totp'], interval '0', interval '30 minutes', interval '1 hour',"
        " null, null, itm.session(), :at, :mac)"
    )
    with thief(panel) as connection:
        assert connection.scalar(text("select itm.enter(:secret, 'login')"), {"secret": secret})
        fails(connection, whole, {"at": None, "mac": None}, "no claim")
        fails(connection, whole, claim(connection, "start"), "no claim")
        digest = hashlib.sha256(b"y").hexdigest()
        session = connection.scalar(text("select itm.session()"))
        right = claim(connection, "open", who.id, digest, "totp", 0, session)
        assert connection.scalar(text(whole), right)


# Commands and jobs


@pytest.fixture
def settings(panel: RunningPanel, tmp_path: Any) -> Any:
    return settings_for(panel.database, tmp_path / "home")


def test_the_upkeep_is_claimed_only_after_the_scheduler_asked(panel: RunningPanel, settings: Any) -> None:
    settings = replace(settings, owner_url=None)
    with pytest.raises(DBAPIError, match="nobody has asked"):
        upkeep.run(settings, all_ages=True)
    ended = threading.Event()
    ours = threading.Thread(target=upkeep_calls.serve, args=(settings, ended.is_set))
    ours.start()
    try:
        upkeep_calls.work(panel.database.engine("signer"), ended.is_set)
    finally:
        ended.set()
        ours.join()
    stolen = replace(settings, secret_key="x" * 40)
    with pytest.raises(DBAPIError, match="nobody has asked"):
        upkeep.run(stolen, all_ages=True)


def test_a_commands_secret_is_over_after_its_time(panel: RunningPanel) -> None:
    with panel.database.engine("owner").begin() as owner:
        opened = text("select itm.open_for_command('x', '{\"scope\": \"accounts\"}', '{}', cast(:lasts as interval))")
        good, over = (owner.scalar(opened, {"lasts": lasts}) for lasts in ("1 minute", "-1 minute"))
    enter = text("select itm.enter_command(:secret), itm.scope()")
    with thief(panel) as connection:
        assert tuple(connection.execute(enter, {"secret": good}).one()) == (True, "accounts")
        connection.rollback()
        assert tuple(connection.execute(enter, {"secret": over}).one()) == (False, None)
        assert connection.scalar(text("select count(*) from institution")) == 0


# The start


BELIEVING = """
create or replace function itm.scope() returns text language plpgsql stable parallel safe as
$$ begin return nullif(current_setting('itm.context', true), '')::jsonb ->> 'scope'; end $$
"""


def test_the_panel_starts_where_nothing_stated_counts(panel: RunningPanel, settings: Any) -> None:
    with create_engine(panel.database.url("app"), poolclass=NullPool).connect() as connection:
        door_check.check(connection.engine, settings)


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (BELIEVING, "before anybody entered"),
        (
            "create or replace function itm.enter_command(secret bytea) returns boolean language sql as 'select true'",
            "wrong",
        ),
        ("update itm.door set claim_inner = null", "ITM_SECRET_KEY"),
    ],
)
def test_the_panel_refuses_to_start_where_something_stated_counts(
    panel: RunningPanel, settings: Any, broken: str, told: str
) -> None:
    restored = [row[0] for row in panel.rows("select pg_get_functiondef(f::regproc) from unnest(array["
                                             "'itm.scope', 'itm.enter_command']) f")]  # fmt: skip
    try:
        with panel.database.engine("superuser").begin() as connection:
            connection.exec_driver_sql(broken, execution_options={"no_parameters": True})
        with pytest.raises(Refusal, match=told):
            door_check.check(create_engine(panel.database.url("app"), poolclass=NullPool), settings)
    finally:
        with panel.database.engine("superuser").begin() as connection:
            for each in restored:
                connection.exec_driver_sql(each, execution_options={"no_parameters": True})
        claims.bring(panel.database.url("owner"), SECRET)

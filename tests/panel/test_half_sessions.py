"""SQL in half a session (a stolen password, no second factor) writes what the second step needs, and reads no more."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, text

from itm_admin.accounts import passwords
from itm_admin.foundation import claims
from tests.conftest import SECRET
from tests.factories import PASSWORD, Somebody
from tests.panel.half_session import ENTER, half_secret, proved, refused, thief, tried, whole_secret
from tests.panel.panel_app import RunningPanel
from tests.panel.test_nobody_at_work import ABOUT_NOBODY, READABLE

NEW = "mor masa yedi yıldız"
CHANGE = "select itm.change_own_password(:kept, :proofs, :at, :mac)"


@pytest.fixture(scope="module")
def victim(panel: RunningPanel) -> Somebody:
    who = panel.make.caseworker()
    panel.make.case(who)
    panel.make.code(who.username)
    with panel.make.superuser() as connection:
        values = {"home": who.tenant.id, "id": who.id, "digest": secrets.token_bytes(32)}
        for statement in (
            "insert into recovery_codes (institution_id, account_id, digests) values (:home, :id, array[:digest])",
            "insert into known_device (institution_id, account_id, secret_digest) values (:home, :id, :digest)",
            "insert into code_tries (institution_id, account_id, failures) values (:home, :id, 3)"
            " on conflict (account_id) do update set failures = 3",
        ):
            connection.execute(text(statement), values)
    return who


@pytest.fixture
def half(panel: RunningPanel, victim: Somebody) -> Iterator[Connection]:
    """SQL in half a session of the victim."""
    with thief(panel) as connection:
        secret = half_secret(connection, victim)
        assert connection.scalar(ENTER, {"secret": secret})
        yield connection


SEEN = {
    "public.account_session": "this session's own row",
    "public.recovery_codes": "how many are left; digests of 120 bits tell nothing",
    "public.second_factor": "the own ones, which are to be shown; their secrets are sealed",
}


def test_half_a_session_sees_no_table_but_its_factors_and_itself(panel: RunningPanel, half: Connection) -> None:
    shown: dict[str, int] = {}
    for name in [row[0] for row in panel.rows(READABLE)]:
        column = text(
            "select quote_ident(attname) from pg_attribute where attrelid = cast(:name as regclass) and attnum > 0"
            " and not attisdropped and has_column_privilege('itm_app', attrelid, attnum, 'select') limit 1"
        )
        shown[name] = half.scalar(text(f"select count({half.scalar(column, {'name': name})}) from {name}")) or 0
    seen = {name for name, rows in shown.items() if rows} - set(ABOUT_NOBODY)
    assert seen == set(SEEN)
    assert shown["public.account_session"] == 1


REFUSED = {
    "another address of e-mail": "update account set email = 'thief@evil.invalid'",
    "the end of all sessions": "update account set epoch = epoch + 1",
    "an end as if by a manager": "update account_session set why = 'suspended' where id = itm.session()",
    "an end of the others": "update account_session set why = 'elsewhere' where id <> itm.session()",
    "a step of the future": "update second_factor set last_step = last_step + 1000000000",
    "the largest count": "update second_factor set sign_count = 4294967295",
    "another name of a factor": "update second_factor set name = 'x'",
    "the end of a factor": "update second_factor set ended_at = now()",
    "another factor": "insert into second_factor (institution_id, account_id, kind, name, credential, public_key)"
    " values (:home, :id, 'passkey', 'x', 'x', 'x')",
    "no recovery code any more": "update recovery_codes set digests = '{}'",
    "other recovery codes": "update recovery_codes set digests = array[sha256('x')]",
    "wrong codes that are forgotten": "update code_tries set failures = 0, blocked_until = null",
    "a code that waits for ever": "update code_tries set blocked_until = now() + interval '100 years'",
    "a factor that was shown": "select itm.factor_shown((select id from second_factor limit 1), 99999999, null)",
    "a device that is forgotten": "delete from known_device",
    "a device that is known": "select itm.note_sign_in(sha256('x'), 'x', '192.0.2.1')",
    "a sign-in": "select audit.append('auth.login', 'success', 'account', cast(:id as text))",
    "a look at a case": "select audit.append('record.reveal', 'success', 'case', cast(:id as text))",
    "a guess at the own password": "select itm.count_own()",
    "a view": "insert into saved_view (institution_id, account_id, kind, label, query)"
    " values (:home, :id, 'case', 'x', 'x')",
    "a whole session": "select itm.open_session(sha256('x'), array['totp'], interval '0', interval '1 hour',"
    " interval '1 hour', null, null, itm.session())",
    "a password": "select itm.change_own_password('$argon2id-sha256$v=19$m=8,t=1,p=1$AAAAAAAAAAA$'"
    " || repeat('0', 64), array['x']::bytea[])",
    "a question that is too long": "insert into passkey_challenge (challenge, purpose, institution_id, account_id)"
    " values (convert_to(repeat('x', 100000), 'UTF8'), 'step_up', :home, :id)",
}


@pytest.mark.parametrize("what", REFUSED)
def test_half_a_session_writes_nothing_else(half: Connection, victim: Somebody, what: str) -> None:
    values = {"home": victim.tenant.id, "id": victim.id}
    given = {name: value for name, value in values.items() if f":{name}" in REFUSED[what]}
    refused(half, REFUSED[what], "." if REFUSED[what].startswith("select") else None, **given)


def test_half_a_session_ends_itself_and_tells_so(half: Connection, victim: Somebody) -> None:
    left = text("update account_session set why = 'signed_out' where id = itm.session()")
    assert half.execute(left).rowcount == 1
    told = text("select audit.append('auth.logout', 'success', 'account', :id)")
    assert half.scalar(told, {"id": str(victim.id)})


def test_by_its_secret_a_session_ends_for_no_other_reason(panel: RunningPanel, victim: Somebody) -> None:
    secret = whole_secret(panel, victim, "1 minute")
    with thief(panel) as connection:
        connection.execute(text("select itm.end_session(:secret, 'suspended')"), {"secret": secret})
        assert connection.scalar(ENTER, {"secret": secret})
        why = "update account_session set why = 'suspended' where id = itm.session()"
        refused(connection, why, "by leaving it")


# Wrong codes


def test_a_wrong_code_counts_once_and_one_that_has_to_wait_puts_nothing_off(
    panel: RunningPanel, half: Connection, victim: Somebody
) -> None:
    held = "select failures, blocked_until from code_tries where account_id = :id"
    waits = []
    for _ in range(6):
        half.execute(text("select itm.code_was_wrong()"))
        waits.append(half.scalar(text("select itm.code_wait()")))
    assert waits[0] == 0
    assert 0 < waits[1] <= 60
    assert waits[2:] == sorted(waits[2:], reverse=True)
    assert waits[-1] <= waits[1]
    half.rollback()
    assert panel.rows(held, id=victim.id)[0].failures == 3


@pytest.mark.parametrize("ahead", [2, 1000])
def test_not_even_the_web_server_claims_a_code_of_a_time_to_come(
    panel: RunningPanel, half: Connection, victim: Somebody, ahead: int
) -> None:
    factor = panel.value("select id from second_factor where account_id = :id", id=victim.id)
    now = half.scalar(text("select floor(extract(epoch from clock_timestamp()) / 30)::bigint")) or 0
    claim = claims.made(half, "factor", victim.id, factor, now + ahead, "-", key=claims.key_from(SECRET))
    shown = "select itm.factor_shown(:factor, :step, null, :at, :mac)"
    refused(half, shown, "a time to come", factor=factor, step=now + ahead, **claim)


# The own password


def change(connection: Connection, who: Somebody, key: str = SECRET) -> dict[str, object]:
    """A new password, as the web server claims it."""
    kept = passwords.digest_of(NEW)
    proofs = [passwords.proof(salt, NEW) for salt in connection.scalars(text("select itm.own_salts()"))]
    words = (hashlib.sha256(kept.encode()).hexdigest(), ",".join(each.hex() for each in proofs))
    return {
        "kept": kept,
        "proofs": proofs,
        **claims.made(connection, "password", who.id, *words, key=claims.key_from(key)),
    }


def test_the_own_password_takes_a_fresh_factor_the_present_one_and_the_web_servers_word(panel: RunningPanel) -> None:
    who = panel.make.caseworker()
    panel.make.code(who.username)
    with thief(panel) as connection:
        old, fresh = (whole_secret(panel, who, age) for age in ("7 minutes", "5 minutes"))
        proved(connection, who, old)
        connection.scalar(ENTER, {"secret": old})
        refused(connection, CHANGE, "second factor of the last minutes", **change(connection, who))
        connection.scalar(ENTER, {"secret": fresh})
        refused(connection, CHANGE, "proved first", **change(connection, who))
        connection.rollback()
        proved(connection, who, fresh)
        connection.scalar(ENTER, {"secret": fresh})
        right = change(connection, who)
        refused(connection, CHANGE, "no claim", **{**right, "proofs": [b"x" * 32]})
        refused(connection, CHANGE, "no claim", **{**right, "mac": None})
        refused(connection, CHANGE, "no claim", **change(connection, who, "x" * 40))
        assert connection.scalar(text(CHANGE), right) is True
        connection.commit()
        assert tried(connection, who)[1] == "refused"
        connection.rollback()
        assert tried(connection, who, NEW)[1] is None


def test_a_proof_of_the_present_password_is_good_for_one_change(panel: RunningPanel) -> None:
    who = panel.make.caseworker()
    secret = whole_secret(panel, who, "1 minute")
    address = "update account set email = :email where id = itm.account()"
    with thief(panel) as connection:
        connection.scalar(ENTER, {"secret": secret})
        refused(connection, address, "proved first", email="a@b.invalid")
        connection.rollback()
        proved(connection, who, secret)
        connection.scalar(ENTER, {"secret": secret})
        assert connection.execute(text(address), {"email": "a@b.invalid"}).rowcount == 1
        refused(connection, address, "proved first", email="b@b.invalid")
        title = "update account set title = repeat('x', 501) where id = itm.account()"
        refused(connection, title, "account_lengths")


def test_a_list_of_fewer_proofs_sets_no_password_by_a_link(panel: RunningPanel) -> None:
    who = panel.make.caseworker()
    token = secrets.token_urlsafe(32)
    link = (
        "insert into invitation (institution_id, account_id, token_digest, expires_at)"
        " values (:home, :id, :digest, now() + interval '1 hour')"
    )
    with panel.database.engine("superuser").begin() as connection:
        values = {"home": who.tenant.id, "id": who.id, "digest": hashlib.sha256(token.encode()).digest()}
        connection.execute(text(link), values)
    with thief(panel) as connection:
        kept = passwords.digest_of(NEW)
        redeem = "select itm.redeem(:token, :kept, :proofs)"
        for proofs in ([], [b"x"], [b"x" * 32] * 9):
            refused(connection, redeem, "under every salt", token=token, kept=kept, proofs=proofs)


# Parameters of before

OUTDATED = "$argon2id-sha256$v=19$m=16,t=1,p=1"
KEEP = text("select itm.keep_anew(:kept, :at, :mac)")


def outdated(panel: RunningPanel) -> Somebody:
    """Somebody whose password is kept under parameters of before."""
    who = panel.make.caseworker()
    salt = f"{OUTDATED}$AAAAAAAAAAAAAAAAAAAAAA"
    kept = f"{salt}${hashlib.sha256(passwords.proof(salt, PASSWORD)).hexdigest()}"
    with panel.database.engine("superuser").begin() as connection:
        change = text("update credential set password_hash = :kept where account_id = :id")
        connection.execute(change, {"kept": kept, "id": who.id})
    return who


def keep(connection: Connection, who: Somebody, kept: str, key: str = SECRET) -> bool:
    words = ("keep_anew", who.id, hashlib.sha256(kept.encode()).hexdigest())
    return bool(connection.scalar(KEEP, {"kept": kept, **claims.made(connection, *words, key=claims.key_from(key))}))


def test_another_digest_is_kept_in_the_transaction_of_the_sign_in_under_todays_parameters_alone(
    panel: RunningPanel,
) -> None:
    who = outdated(panel)
    today = passwords.digest_of(PASSWORD)
    with thief(panel) as connection:
        secret, _reason = tried(connection, who)
        connection.commit()
        connection.scalar(ENTER, {"secret": secret})
        assert not keep(connection, who, today), "the sign-in is over"
        connection.rollback()
        for kept, key in ((today, "x" * 40), (today.replace("m=8", "m=9"), SECRET)):
            secret, _reason = tried(connection, who)
            connection.scalar(ENTER, {"secret": secret})
            assert not keep(connection, who, kept, key)
            connection.rollback()
        secret, _reason = tried(connection, who)
        connection.scalar(ENTER, {"secret": secret})
        assert keep(connection, who, today)
        assert not keep(connection, who, passwords.digest_of(NEW)), "once"
        connection.commit()
        secret, _reason = tried(connection, who)
        connection.scalar(ENTER, {"secret": secret})
        assert not keep(connection, who, passwords.digest_of(NEW)), "it is today's"


def test_a_name_that_nobody_has_looks_like_a_name_of_the_panel(panel: RunningPanel) -> None:
    names = [f"jgk.nobody{number}" for number in range(300)]
    outdated(panel)
    stored = {row[0] for row in panel.rows("select itm.salt_in(password_hash) from credential")}
    real = {salt.rpartition("$")[0] for salt in stored}
    with thief(panel) as connection:
        shown = [str(connection.scalar(text("select itm.salt_of(:name)"), {"name": name})) for name in names]
    assert {salt.rpartition("$")[0] for salt in shown} == real
    assert {len(salt.rpartition("$")[2]) for salt in shown} == {22}

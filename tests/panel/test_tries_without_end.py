"""A flood of SQL without a session is bounded, and makes no count that matters give way."""

from __future__ import annotations

import secrets

from sqlalchemy import text

from tests.panel.half_session import COUNT, digests, refused, thief
from tests.panel.panel_app import RunningPanel

FLOOD = (
    'insert into login_throttle (key, kind, "window", tries, last_at)'
    " select sha256(convert_to('flood ' || n, 'UTF8')), 'name', now(), 1, now() from generate_series(1, 51000) n"
)
MANY_QUESTIONS = (
    "insert into passkey_challenge (challenge, purpose) select sha256('x'), 'sign_in' from generate_series(1, 10500)"
)
MANY = (
    "select count(x) from (select (itm.count_sign_in('zq.' || i, sha256(convert_to('p' || i, 'UTF8')),"
    " sha256(convert_to('n' || i, 'UTF8')), sha256(convert_to('c' || i, 'UTF8')), null, null)).ticket x"
    " from generate_series(1, {}) i) y"
)


def test_a_flood_of_names_that_nobody_has_makes_no_name_at_its_limit_give_way(panel: RunningPanel) -> None:
    who, half_way = panel.make.caseworker(), panel.make.caseworker()
    with panel.database.engine("superuser").begin() as connection:
        connection.execute(text("delete from login_throttle"))
    with thief(panel) as connection:
        for name, tries in ((who.username, 102), (half_way.username, 60)):
            values = {"name": name, "e": secrets.token_bytes(32)}
            same = text("select wait from itm.count_sign_in(:name, sha256(:salt), sha256(:salt), :e, :e, :e)")
            for number in range(tries):
                connection.execute(same, {**values, "salt": f"{name} {number}".encode()})
        connection.commit()
        assert (connection.execute(COUNT, {"name": who.username, **digests()}).one().wait or 0) > 0
    with panel.database.engine("superuser").begin() as connection:
        connection.execute(text("update login_throttle set last_at = last_at - interval '10 minutes'"))
        connection.execute(text(FLOOD))
    with thief(panel) as connection:
        connection.execute(text(MANY.format(400)))
        connection.commit()
    held = "select count(*) from login_throttle where kind = 'name' and of_account and tries in (60, 100, 101, 102)"
    assert panel.value(held) == 2
    assert panel.value("select count(*) from login_throttle where not of_account") <= 52_500


def test_tries_of_names_that_nobody_has_are_a_thousand_at_most_and_old_ones_go(panel: RunningPanel) -> None:
    with panel.database.engine("superuser").begin() as connection:
        connection.execute(text("truncate itm.counted_try"))
        connection.execute(
            text("insert into itm.counted_try (keys, counted_at) values ('{}', now() - interval '6 minutes')")
        )
    with thief(panel) as connection:
        connection.execute(text(MANY.format(1200)))
        connection.commit()
    assert panel.value("select count(*) from itm.counted_try") == 1000
    assert panel.value("select count(*) from itm.counted_try where counted_at < now() - interval '5 minutes'") == 0


def test_questions_for_passkeys_are_short_and_ten_thousand_at_most(panel: RunningPanel) -> None:
    ask = "select itm.ask_passkey(:challenge)"
    with thief(panel) as connection:
        for length in (0, 15, 65, 100_000):
            refused(connection, ask, "passkey_challenge_length", challenge=b"x" * length)
        with panel.database.engine("superuser").begin() as superuser:
            superuser.execute(text(MANY_QUESTIONS))
        connection.execute(text(ask), {"challenge": b"x" * 32})
        connection.commit()
    assert panel.value("select count(*) from passkey_challenge where purpose = 'sign_in'") == 10_000


def test_long_words_are_counted_and_told_nowhere(panel: RunningPanel) -> None:
    long = b"x" * 33
    with thief(panel) as connection:
        for place in "abcde":
            values = {"name": "no.body", **digests(), place: long}
            refused(connection, COUNT.text, "32 bytes", **values)
        for wrong in ({"a": long, "n": b"x"}, {"a": b"x", "n": long}):
            refused(connection, "select itm.count_wrong_key(:a, :n)", "length", **wrong)
        notice = "insert into alert (kind, severity, subject, detail) values ('job.missed', 'warning', :subject, '{}')"
        refused(connection, notice, "short", subject="x" * 201)


def test_refused_passkeys_are_one_entry_and_then_counted(panel: RunningPanel) -> None:
    told = "select count(*) from audit.event where content like '%wrong_passkey%'"
    before = panel.value(told)
    with thief(panel) as connection:
        for _ in range(20):
            connection.execute(text("select itm.refuse_passkey()"))
        connection.commit()
    assert panel.value(told) <= before + 1


def test_a_hundred_notices_of_a_kind_are_enough(panel: RunningPanel) -> None:
    notice = (
        "insert into alert (kind, severity, subject, detail)"
        " select 'job.missed', 'warning', 'zq ' || n, '{}' from generate_series(1, 150) n"
    )
    with thief(panel) as connection:
        connection.execute(text(notice))
        connection.commit()
    assert panel.value("select count(*) from alert where kind = 'job.missed' and acknowledged_at is null") == 100

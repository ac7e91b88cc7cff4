"""Mails: who is told of what, links that nobody but the receiver sees, and a server that is slow, false or away."""

from __future__ import annotations

import re
import ssl
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from itm_admin.accounts import bootstrap, grants, invitations, mail, mail_texts, services
from itm_admin.accounts.mail_waiting import MailWatch
from itm_admin.accounts.sign_in import NotConfirmed
from itm_admin.foundation import smtp_address
from itm_admin.foundation.errors import Invalid
from itm_admin.foundation.post import NotSent, Post
from tests.conftest import Database
from tests.panel.account_world import World, holder
from tests.panel.sink_receivers import certificate

ADMINISTRATOR, SUPERVISOR = bootstrap.ADMINISTRATOR, bootstrap.SUPERVISOR
Send = Callable[..., int]
NEW = "mor masa yedi yıldız"


class OnAnyPort(Controller):
    def __init__(self, handler: object, tls: ssl.SSLContext | None, host: str) -> None:
        more: dict[str, Any] = {"tls_context": tls, "require_starttls": True} if tls else {}
        super().__init__(handler, hostname=host, port=0, **more)

    def _trigger_server(self) -> None:
        server: Any = self.server
        self.port = server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


class Letterbox:
    """A real SMTP server on this machine; `answer` is what it says to each mail."""

    def __init__(self, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.mails: list[tuple[str, str, str]] = []
        self.answer = "250 OK"
        self.controller = OnAnyPort(self, tls, host)
        self.controller.start()
        self.port = self.controller.port

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        if self.answer.startswith("250"):
            found = message_from_bytes(envelope.content, policy=policy.default)
            body = found.get_content()
            self.mails.append((envelope.rcpt_tos[0], str(found["Subject"]), body.replace("\r\n", "\n")))
        return self.answer

    def post(self, host: str = "127.0.0.1", **more: Any) -> Post:
        return Post(host, self.port, whole=False, sender="itm@goc.invalid", **more)

    def of(self, address: str) -> list[tuple[str, str]]:
        return [(subject, body) for to, subject, body in self.mails if to == address]


@pytest.fixture
def letterbox() -> Iterator[Letterbox]:
    box = Letterbox()
    yield box
    box.controller.stop()


@pytest.fixture(scope="module")
def world(shared_database: Database) -> World:
    return World(shared_database.engine("app"), shared_database.engine("superuser"))


@pytest.fixture
def send(shared_database: Database, letterbox: Letterbox) -> Send:
    def work(post: Post | None = None) -> int:
        link = "https://panel.invalid/invitation/{}".format
        return mail.send_waiting(shared_database.engine("signer"), post or letterbox.post(), link)

    return work


def token_in(body: str) -> str:
    found = re.search(r"/invitation/(\S+)", body)
    assert found
    return found[1]


def waiting(world: World, name: str) -> list[str]:
    rows = world.all("select kind from mail where sent_at is null and about = :id order by kind", id=world.id(name))
    return [row.kind for row in rows]


def mailed_link(world: World, name: str, by: str = ADMINISTRATOR, scope: str = "accounts") -> str:
    """A link that goes by e-mail; the token that its maker could know."""
    with world.acting(by, scope) as (session, actor):
        token = services.invite(session, actor, world.id(name))
        mail.send_link(session, services.get(session, actor, world.id(name)))
    return token


def address_of(world: World, name: str) -> str:
    return str(world.one("select email from account where id = :id", id=world.id(name)).email)


def test_a_link_reaches_the_person_alone_and_its_secret_is_stored_nowhere(
    world: World, letterbox: Letterbox, send: Send
) -> None:
    name = world.person("JGK", "Posta", "Alan", "focal_point")
    seen = mailed_link(world, name)
    with pytest.raises(invitations.BadInvitation):
        world.redeem(seen, NEW)  # what the maker could know is void
    send()
    ((subject, body),) = [each for each in letterbox.of(address_of(world, name)) if "/invitation/" in each[1]]
    token = token_in(body)
    assert subject == "İTM: Tek kullanımlık bağlantınız"
    assert body.startswith("Sayın Posta Alan,")
    for table in ("mail", "invitation", "audit.event"):
        assert not any(token in str(row) for row in world.all(f"select t::text from {table} t")), table
    assert not world.all("select from mail where sent_at is not null and (address is not null or detail is not null)")
    world.redeem(token, NEW)
    assert world.sign_in(name, NEW).username == name  # its address was confirmed before, by another person


def test_a_link_to_an_address_that_its_maker_chose_waits_for_another_person(
    world: World, letterbox: Letterbox, send: Send
) -> None:
    manager = world.person("EGM", "Posta", "Müdürü", "institution_manager")
    with world.acting(manager, "institution") as (session, actor):
        who = services.create(session, holder("Kukla", "Hesap", "benim@egm.invalid"))
        grants.give(session, actor, who, "focal_point")
        name = who.username
    mailed_link(world, name, manager, "institution")
    send()
    world.redeem(token_in(letterbox.of("benim@egm.invalid")[-1][1]), NEW)
    with pytest.raises(NotConfirmed):
        world.sign_in(name, NEW)
    # A confirmed person whose address the maker then changes waits as well.
    other = world.person("EGM", "Ele", "Geçirilen", "focal_point")
    with world.acting(manager, "institution") as (session, actor):
        account = services.get(session, actor, world.id(other))
        services.change(session, account.id, account.row_version, holder("Ele", "Geçirilen", "benim2@egm.invalid"))
    mailed_link(world, other, manager, "institution")
    send()
    world.redeem(token_in(letterbox.of("benim2@egm.invalid")[-1][1]), NEW)
    with pytest.raises(NotConfirmed):
        world.sign_in(other, NEW)


def test_the_owner_and_the_auditor_are_told_of_links_rises_ends_and_passwords(
    world: World, letterbox: Letterbox, send: Send
) -> None:
    auditor = world.person("ASHB", "Kurum", "Denetçisi", "auditor_institution")
    name = world.person("ASHB", "Haber", "Verilen", "focal_point")
    first, audits = address_of(world, name), address_of(world, auditor)
    send()
    letterbox.mails.clear()
    with world.acting(ADMINISTRATOR) as (session, actor):
        grant = grants.give(session, actor, services.get(session, actor, world.id(name)), "institution_manager").id
    with world.acting(SUPERVISOR, "oversight") as (session, actor):
        grants.approve(session, actor, grant)
    with world.acting(ADMINISTRATOR) as (session, actor):
        token = services.invite(session, actor, world.id(name))
    world.redeem(token, NEW)
    world.confirm(name)
    world.sign_in(name, NEW)
    with world.acting(name) as (session, actor):
        account = services.own(session, actor)
        services.change_own(session, actor, account.row_version, {"email": "yeni.adres@ashb.invalid", "language": "tr"})
    with world.acting(name) as (session, me):
        invitations.change_own_password(session, me, "yeşil kapı dokuz rüzgâr")
    assert send() > 0
    own = [subject.removeprefix("İTM: ") for subject, _body in letterbox.of(first)]
    assert own == [
        "Hesabınıza yeni rol verildi", "Hesabınız için yeni tek kullanımlık bağlantı",
        "Hesabınızın parolası değiştirildi",
        "Hesabınızın ilk girişi onaylandı", "Hesabınızın e-posta adresi değiştirildi",
    ]  # fmt: skip
    assert [subject for subject, _b in letterbox.of("yeni.adres@ashb.invalid")] == [
        "İTM: Hesabınızın parolası değiştirildi"
    ]
    told = [subject.removeprefix("İTM: ") for subject, body in letterbox.of(audits) if name in body]
    assert told == ["Yeni rol", "Yeni tek kullanımlık bağlantı", "İlk giriş onaylandı"]


def test_a_server_that_refuses_or_is_away_delays_the_mail_and_nothing_else(
    world: World, letterbox: Letterbox, send: Send
) -> None:
    name = world.person("MEB", "Geciken", "Posta", "focal_point")
    send()
    mailed_link(world, name)
    again = text("update mail set due_at = now() where sent_at is null")
    letterbox.answer = "451 not now"
    assert send() == 0
    assert send(Post("127.0.0.1", 1, whole=False, sender="itm@goc.invalid")) == 0
    assert "link" in waiting(world, name)
    with world.superuser.begin() as connection:
        connection.execute(again)
    letterbox.answer = "250 OK"
    assert send() > 0
    world.redeem(token_in(letterbox.of(address_of(world, name))[-1][1]), NEW)
    assert waiting(world, name) == ["audit_confirmed"] or "link" not in waiting(world, name)


def test_a_link_that_was_withdrawn_does_not_leave(world: World, letterbox: Letterbox, send: Send) -> None:
    name = world.person("SAGLIK", "Geri", "Alınan", "focal_point")
    mailed_link(world, name)
    mailed_link(world, name)
    send()
    links = [body for _subject, body in letterbox.of(address_of(world, name)) if "/invitation/" in body]
    assert len(links) == 1
    world.redeem(token_in(links[0]), NEW)


def test_an_act_that_fails_tells_nobody(world: World, letterbox: Letterbox, send: Send) -> None:
    name = world.person("TIHEK", "Olmayan", "İş", "focal_point")
    send()
    letterbox.mails.clear()
    with world.acting(ADMINISTRATOR) as (session, actor):
        services.invite(session, actor, world.id(name))
        mail.send_link(session, services.get(session, actor, world.id(name)))
        session.rollback()
    assert send() == 0
    assert letterbox.mails == []


def test_the_panels_role_reads_and_changes_no_mail_and_mails_only_a_link_of_now(world: World) -> None:
    name = world.person("KTB", "Saldırılan", "Kişi", "focal_point")
    other = world.id(name)
    insert = (
        "insert into mail (id, institution_id, account_id, kind, about, invitation_id, language)"
        " select gen_random_uuid(), a.institution_id, a.id, :kind, a.id, (select n.id from invitation n"
        " where n.account_id = a.id order by created_at desc limit 1), 'tr' from account a where a.id = :id"
    )
    for statement, values in (
        ("select * from mail", {}),
        ("update mail set address = 'x'", {}),
        ("delete from mail", {}),
        ("select * from account_address", {}),
        ("update account_address set set_by = null", {}),
        ("select itm.tell(:id, 'rise')", {"id": other}),
        ("select itm.mail_token(gen_random_uuid(), 'x')", {}),
        (insert, {"id": other, "kind": "told_rise"}),
        (insert, {"id": other, "kind": "link"}),
    ):
        with pytest.raises(DBAPIError), world.acting(ADMINISTRATOR) as (session, _actor):
            session.execute(text(statement), values)


def test_who_sends_mails_sends_none_elsewhere(world: World, shared_database: Database) -> None:
    name = world.person("KTB", "Bekleyen", "Kişi", "focal_point")
    waiting = {"id": world.id(name), "there": "elsewhere@example.invalid"}
    signer = shared_database.engine("signer")
    for change in (
        "address = :there",
        "address = :there, sent_at = null",
        """detail = '{"name": "x"}'""",
        "address = null, detail = jsonb_build_object('name', cast(:there as text))",
    ):
        with pytest.raises(DBAPIError, match="keeps its address"), signer.begin() as connection:
            connection.execute(text(f"update mail set {change} where about = :id"), waiting)
    forgotten = "update mail set sent_at = now(), address = null, detail = null where about = :id"
    with signer.begin() as connection:
        left = connection.execute(text(forgotten), waiting)
        assert left.rowcount
    with pytest.raises(DBAPIError, match="keeps its address"), signer.begin() as connection:
        connection.execute(text("update mail set address = :there where about = :id"), waiting)


def test_mails_go_by_verified_tls_or_not_at_all(tmp_path: Path) -> None:
    authority, context = certificate(tmp_path)
    box, plain = Letterbox(context), Letterbox(host="127.0.0.2")
    try:
        box.post(authorities=authority).send("a@b.invalid", "Konu", "Sözler", str(uuid.uuid4()))
        assert [mail[1] for mail in box.mails] == ["Konu"]
        for post in (box.post(), box.post("localhost", authorities=authority)):
            with pytest.raises(NotSent, match="SSLCertVerificationError"):
                post.send("a@b.invalid", "Konu", "Sözler", str(uuid.uuid4()))
        with pytest.raises(NotSent, match="SMTPNotSupportedError"):  # 127.0.0.2 is no name of this machine to us
            plain.post("127.0.0.2").send("a@b.invalid", "Konu", "Sözler", str(uuid.uuid4()))
        assert plain.mails == []
    finally:
        box.controller.stop()
        plain.controller.stop()


@pytest.mark.parametrize(
    "wrong", ["http://a", "smtp://", "smtp://u:secret@host", "smtp://host:x", "smtp://host/path", "x"]
)
def test_an_address_of_a_server_that_cannot_be_used_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="expected|[Pp]ort"):
        smtp_address.address(wrong)


def test_every_kind_of_mail_has_its_words_in_both_languages(world: World) -> None:
    constraint = world.one("select pg_get_constraintdef(oid) as words from pg_constraint where conname = 'mail_kind'")
    kinds = set(re.findall(r"'((?:link|told_|audit_)\w*)'", constraint.words))
    assert kinds == set(mail_texts.TEXTS)
    values = {"name": "Ad Soyad", "username": "jgk.ad.soyad", "link": "https://x.invalid", "key": "Program"}
    for kind in kinds:
        (tr, turkish), (en, english) = (mail_texts.compose(kind, language, values) for language in ("tr", "en"))
        assert tr != en
        assert turkish != english
        assert turkish.startswith("Sayın Ad Soyad,")
        assert "%(" not in turkish + english


@pytest.mark.parametrize(
    "address", ["a@b.example,c@d.example", "a<c@d.example>@b.example", "c@d.example(@b.example", "a@[b.example"]
)
def test_an_address_is_one_plain_address_and_a_bad_one_holds_up_nobody(
    world: World, letterbox: Letterbox, send: Send, address: str
) -> None:
    name = world.person("JGK", "Adres", "Sahibi", "focal_point")
    data = holder("Adres", "Sahibi", address)
    with pytest.raises(Invalid), world.acting(ADMINISTRATOR) as (session, _actor):
        services.create(session, {**data, "institution_id": world.institution("JGK")})
    change = text("update account set email = :address where id = :id")
    values = {"address": address, "id": world.id(name)}
    with pytest.raises(DBAPIError, match="plain"), world.acting(ADMINISTRATOR) as (session, _actor):
        session.execute(change, values)
    with pytest.raises(NotSent):
        Post("127.0.0.1", 1, False, "itm@itm.invalid").send(address, "s", "b", "id")


def test_mails_that_wait_for_a_quarter_of_an_hour_are_an_alert_that_ends_when_they_have_gone(
    world: World, letterbox: Letterbox, send: Send, shared_database: Database
) -> None:
    send()
    signer, clock = shared_database.engine("signer"), [datetime.now(UTC)]
    watch = MailWatch(clock=lambda: clock[0].timestamp(), now=lambda: clock[0])

    def alerts(after: timedelta) -> list[bool]:
        clock[0] += after
        watch.tick(signer)
        rows = world.all(
            "select acknowledged_at is null as open from alert where kind = 'mail.waiting' order by raised_at"
        )
        return [row.open for row in rows]

    letterbox.answer = "451 later"
    world.person("JGK", "Posta", "Bekleyen", "focal_point")
    send()
    assert alerts(timedelta(minutes=1)) == []
    assert alerts(timedelta(minutes=15)) == [True]
    assert alerts(timedelta(minutes=5)) == [True], "told once"
    entries = "select count(*) as n from audit.event where action = 'alert.raise' and target_id = 'mail'"
    assert world.one(entries).n == 1
    letterbox.answer = "250 OK"
    with world.superuser.begin() as connection:
        connection.execute(text("update mail set due_at = now() where sent_at is null"))
    send()
    assert alerts(timedelta(minutes=1)) == [False]
    assert alerts(timedelta(minutes=60)) == [False], "nothing waits"


def test_what_waited_before_there_was_somebody_to_send_it_has_time_to_go(
    world: World, letterbox: Letterbox, shared_database: Database
) -> None:
    world.person("JGK", "Posta", "Eskiden", "focal_point")
    with world.superuser.begin() as connection:
        connection.execute(text("update mail set created_at = now() - interval '2 hours' where sent_at is null"))
        connection.execute(text("delete from alert"))
    watch = MailWatch()
    watch.tick(shared_database.engine("signer"))
    assert world.all("select 1 from alert") == []

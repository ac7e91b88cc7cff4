"""A new colleague comes to work, and everybody works in the language that they chose."""

from __future__ import annotations

import pyotp

from tests.journeys.cast import FOCAL, MANAGER, SUPERVISOR, Cast
from tests.journeys.visitor import House

CHOSEN = "yedi mavi kayık sabah denizde"


def test_a_new_colleague_gets_an_account_by_a_link_that_works_once(house: House, cast: Cast) -> None:
    manager = house.visitor(cast.of(MANAGER)).open("/accounts/")
    manager.follow("Yeni hesap", manager.page.locator(".tools-end"))
    manager.fill(first_name="Ayşe Nur", last_name="Gümüşdere", email="ayse.gumusdere@example.invalid", username="")
    manager.choose(role="Odak noktası", reason="Yeni bir çalışan").send("Hesabı oluştur").says(
        "Tek kullanımlık bağlantı"
    )
    assert "jgk.ayse_nur.gumusdere" in manager.words()
    link = manager.main.locator("#link").input_value().removeprefix(house.address)
    assert link.startswith("/invitation/")

    colleague = house.window().open(link)
    colleague.fill(password="kısa", again="kısa").send("Parolayı kaydet", status=422).says(
        "Düzeltilmesi gerekenler var"
    )
    assert colleague.main.locator("[name=password]").input_value() == ""
    colleague.fill(password=CHOSEN, again=CHOSEN).send("Parolayı kaydet").says("Parola kaydedildi.")
    confirming = house.visitor(cast.of(FOCAL)).open("/confirmations/")
    confirming.says("Ayşe Nur Gümüşdere")
    confirming.main.get_by_role("button", name="Onayla").click()
    confirming.send("Onayla", confirming.page.locator("dialog")).says("Onaylandı.")
    colleague.fill(username="jgk.ayse_nur.gumusdere", password=CHOSEN).send("Oturum aç")
    secret = colleague.main.locator("code.secret").inner_text().replace(" ", "")
    colleague.fill(code=pyotp.TOTP(secret).now()).send("Uygulamayı onayla")
    assert colleague.main.locator(".recovery-codes li").count() == 10
    colleague.follow("Kodları sakladım").says("İyi günler, Ayşe Nur Gümüşdere")

    stranger = house.window()
    stranger.open(link, status=404).says("Bu bağlantı geçerli değil.")
    manager.page.go_back()
    assert link not in manager.page.content()


def test_the_table_of_rights_is_read_on_a_narrow_screen(house: House, cast: Cast) -> None:
    manager = house.visitor(cast.of(MANAGER))
    manager.page.set_viewport_size({"width": 360, "height": 740})
    manager.open("/rights/")
    assert manager.page.evaluate("document.documentElement.scrollHeight") < 6_000, "a subject opens where it is wanted"
    subject = manager.main.locator("details.fold").filter(has_text="Dosyalar").first
    subject.locator("summary").click()
    names, act = subject.locator("td.narrow-only").first, subject.locator("tbody th").first
    assert "Ulusal denetçi" in names.inner_text()
    assert names.evaluate("one => one.dataset.label") == "Roller"
    widths = [each.evaluate("one => one.getBoundingClientRect().width") for each in (act, names.locator("span"))]
    assert min(widths) > 200, widths
    manager.page.set_viewport_size({"width": 1280, "height": 900})
    manager.open("/rights/")
    assert manager.main.locator("details.fold:not([open])").count() == 0


def test_the_chosen_language_is_remembered(house: House, cast: Cast) -> None:
    worker = cast.of(FOCAL)
    visitor = house.window().open("/sign-in")
    for language, button, greeting in (("en", "English", "Good day, "), ("tr", "Türkçe", "İyi günler, ")):
        visitor.sign_in(worker.username) if visitor.path == "/sign-in" else visitor.open("/")
        visitor.language = language
        visitor.send(button, visitor.page.locator("header")).says(greeting)
        assert visitor.path == "/"
        again = house.window()
        code = again.code_of(worker.username)
        again.open("/sign-in").fill(username=worker.username, password="a long phrase for tests 1")
        again.language = language
        again.send("Oturum aç").fill(code=code).send({"en": "Continue", "tr": "Devam"}[language]).says(greeting)


def test_before_signing_in_the_language_is_the_windows(house: House, cast: Cast) -> None:
    supervisor = cast.of(SUPERVISOR).username
    visitor = house.window().open("/sign-in")
    visitor.language = "en"
    visitor.send("English", visitor.page.locator("header")).says("I cannot sign in")
    visitor.open("/sign-in").says("I cannot sign in")
    visitor.fill(username="gib.nobody", password="wrong").send("Sign in", status=401).says("There is a problem")
    visitor.language = "tr"
    code = visitor.code_of(supervisor)
    visitor.fill(username=supervisor, password="a long phrase for tests 1").send("Sign in")
    visitor.fill(code=code).send("Devam").says("Ulusal görünüm")

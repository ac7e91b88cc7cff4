"""A consent in a browser: asked, shown in one glance on the person's page, withdrawn."""

from __future__ import annotations

from tests.journeys.cast import FOCAL, Cast
from tests.journeys.visitor import House


def test_a_consent_is_recorded_shown_on_the_persons_page_and_withdrawn(house: House, cast: Cast) -> None:
    author = cast.of(FOCAL)
    cast.institution("STK_A")
    make = cast.make
    person = make.person(author, make.case(author), role="VICTIM").person_id
    window = house.visitor(author)
    window.open(f"/persons/{person}")
    window.says("kimseye bilgi verilemez")
    window.follow("Yeni: Rıza")
    window.choose(purpose="Hizmet için kurumla bilgi paylaşımı", answer="Verildi", form="Yazılı", language="Arapça")
    window.fill(given_on="1.4.2026", expires_on="31.12.2030", paper="Arşiv 4, klasör 7")
    window.page.get_by_label("STK_A", exact=False).check()
    window.page.get_by_label("Ad, soyad, doğum tarihi, uyruk").check()
    window.page.get_by_label("İhtiyaçlar ve destek planı").check()
    window.send("Kaydet")
    shown = window.path
    window.open(f"/persons/{person}")
    window.says("31.12.2030 tarihine kadar")
    window.open(shown).follow("Geri al")
    window.choose(withdrawal_reason="Neden belirtmedi").send("Geri al")
    window.open(f"/persons/{person}").says("kimseye bilgi verilemez")

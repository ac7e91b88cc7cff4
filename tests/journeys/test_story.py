"""A case from its opening to the auditor's proof, as everybody who has to do with it sees it."""

from __future__ import annotations

import re

from itm_admin.foundation import vocabulary
from tests.journeys.cast import FOCAL, NATIONAL, SUPERVISOR, Cast
from tests.journeys.panel import Panel
from tests.journeys.visitor import House, Visitor

IDENTITY = {
    "given_name": "Gülşen Işıl", "family_name": "Çağlayanoğlu", "tckn": "47000005208", "phone": "+90 532 000 11 22",
    "address": "Karanfil Sokağı 7, Kızılay", "guardian": "Teyzesi Nesrin Uğurtan",
}  # fmt: skip
BORN = "17.11.1996"
NARRATIVE = "Tarlada günlerce ücretsiz çalıştırıldığını anlattı."
REVEAL = vocabulary.label("audit_event", "record.reveal", "tr")
SECRETS = [*IDENTITY.values(), NARRATIVE]


def shows_none_of_it(visitor: Visitor) -> None:
    """Neither on the page nor in what was sent for it."""
    sent = visitor.page.content()
    assert [secret for secret in (*SECRETS, BORN, "1996-11-17") if secret in sent] == []


def test_a_case_is_opened_seen_by_those_it_concerns_and_proved_by_an_auditor(
    house: House, cast: Cast, panel: Panel
) -> None:
    worker, presidency = cast.of(FOCAL), house.visitor(cast.of(SUPERVISOR))
    before = counts(presidency, "JGK")

    focal = house.visitor(worker)
    reference, case = opens_a_case(focal)
    person = adds_a_person(focal)
    edits_case_and_person(focal, case, person)
    reveals_for_a_purpose(focal, person)
    hides_again_after_its_time(focal, person)

    other = house.visitor(cast.of(FOCAL, "ASHB"))
    other.open(case, status=404).says("Bulunamadı")
    other.open(person, status=404)
    assert reference not in other.page.content()
    shows_none_of_it(other)

    after = counts(presidency.open("/"), "JGK")
    assert after[:4] == [before[0] + 1, before[1] + 1, before[2], before[3] + 1]
    shows_none_of_it(presidency)
    presidency.follow("Bütün kurumların dosyaları").follow(reference)
    shows_none_of_it(presidency)

    auditor = house.visitor(cast.of(NATIONAL))
    finds_it_all_in_the_history(auditor, reference)
    with panel.scheduling():
        verifies_now(auditor)


def opens_a_case(focal: Visitor) -> tuple[str, str]:
    """The reference and the address of the new case."""
    focal.follow("Yeni dosya", focal.page.locator(".head-actions")).send("Devam", status=422).says(
        "Düzeltilmesi gerekenler var"
    )
    focal.fill(opened_on="05.03.2026").choose(referral_source="Jandarma", province="Adana").send("Devam")
    focal.says("Bilinen ilk kişi")
    focal.send("Devam")
    focal.fill(narrative=NARRATIVE).choose(industry="Tarım, ormancılık ve balıkçılık")
    focal.main.get_by_label("Zorla çalıştırma (emek sömürüsü)").check()
    focal.send("Devam")
    for word in ("05.03.2026", "Adana", NARRATIVE):
        focal.says(word)
    focal.send("Dosyayı aç").says("numaralı dosya açıldı.")
    reference = focal.page.locator("h1").inner_text()
    assert re.fullmatch(r"ITM-JGK-2026-\d{6}", reference)
    shows_none_of_it(focal)
    return reference, focal.path


def adds_a_person(focal: Visitor) -> str:
    """The person's address."""
    focal.follow("Kişi ekle").fill(**IDENTITY, birth_date=BORN)
    focal.choose(role="Muhtemel/tanımlanmış mağdur", gender="Kadın", language="Türkçe")
    focal.main.get_by_role("searchbox", name="Listede bul").fill("turkiye")
    focal.main.get_by_label("Türkiye", exact=True).check()
    focal.send("Kişiyi ekle").says("dosyaya eklendi.")
    shows_none_of_it(focal)
    focal.follow(re.compile(r"^JGK-K-\w+$"))
    shows_none_of_it(focal)
    return focal.path


def edits_case_and_person(focal: Visitor, case: str, person: str) -> None:
    focal.open(person).follow("Düzenle")
    shows_none_of_it(focal)
    focal.fill(phone="").choose(language="İngilizce").send("Kaydet").says("Değişiklikler kaydedildi.")
    shows_none_of_it(focal)
    focal.open(case).follow("Düzenle")
    shows_none_of_it(focal)
    focal.choose(province="Mersin").send("Kaydet").says("Değişiklikler kaydedildi.")
    assert "Mersin" in focal.words()


def reveals_for_a_purpose(focal: Visitor, person: str) -> None:
    focal.page.clock.install()
    focal.open(person).follow("Korunan bilgileri göster")
    assert focal.main.locator("select[name=purpose]").input_value() == ""
    focal.send("Göster", status=422)
    shows_none_of_it(focal)
    focal.choose(purpose="Dosya işlemi").send("Göster")
    shown = focal.words()
    assert [secret for secret in (*IDENTITY.values(), BORN) if _bare(secret) not in _bare(shown)] == []


def hides_again_after_its_time(focal: Visitor, person: str) -> None:
    """The page's own clock is moved: nine minutes show it still, ten do not."""
    focal.page.clock.fast_forward("09:00")
    assert IDENTITY["family_name"] in focal.words()
    with focal.page.expect_navigation(url=f"**{person}"):
        focal.page.clock.fast_forward("01:01")
    focal.look()
    shows_none_of_it(focal)


def counts(presidency: Visitor, code: str) -> list[int]:
    """Shared cases, open ones of them, not shared, persons and accounts of an institution on the Presidency's board."""
    row = presidency.main.get_by_role("row").filter(
        has=presidency.page.get_by_role("rowheader", name=re.compile(rf"\b{code}\b"))
    )
    cells = row.locator("td.kind-number").all_inner_texts()
    return [int(cell.split()[0]) for cell in cells] or [0] * 5  # none: it is at rest


def finds_it_all_in_the_history(auditor: Visitor, reference: str) -> None:
    auditor.follow("Bütün kurumların dosyaları", auditor.page.locator(".side-wide"))
    auditor.follow(reference).follow("Erişim geçmişi")
    lines = _lines(auditor)
    for what in ("Oluşturma", "Görüntüleme", "Güncelleme"):
        assert any(what in line and "(JGK, Odak noktası)" in line for line in lines), (what, lines)
    assert all(re.search(r"\d\d\.\d\d\.20\d\d \d\d:\d\d", line) for line in lines)
    shows_none_of_it(auditor)
    auditor.page.go_back()
    auditor.follow(re.compile(r"^JGK-K-\w+$"))
    lines = _lines(auditor)
    reveals = [line for line in lines if REVEAL in line]
    assert any("(JGK, Odak noktası)" in line and "Gerekçe: Dosya işlemi" in line for line in reveals), lines
    assert any("Reddedildi" in line and "(ASHB, " in line for line in lines), lines
    shows_none_of_it(auditor)
    auditor.follow(REVEAL)
    auditor.says("Dosya işlemi")
    shows_none_of_it(auditor)


def verifies_now(auditor: Visitor) -> None:
    """The page shows that it runs, and says by itself how it ended."""
    auditor.open("/verification/").send("Bütün satırları doğrula")
    auditor.says("Sağlam")
    auditor.look()
    auditor.follow("Sonuçlar ve bulgular").says("Son doğrulama sonuçları")
    assert "Değiştirilmiş" not in auditor.words()


def _lines(visitor: Visitor) -> list[str]:
    return [" ".join(line.split()) for line in visitor.main.locator("ol.timeline > li").all_inner_texts()]


def _bare(text: str) -> str:
    return text.replace(" ", "")

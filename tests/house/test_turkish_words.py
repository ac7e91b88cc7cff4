"""One vocabulary in Turkish: one word for one thing, in the panel, its code lists and the offline verifier."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

import audit
import itm_admin

PANEL = Path(itm_admin.__file__).parent
VERIFIER = Path(audit.__file__).parent / "verifier" / "words.js"

# Each pattern is a word that is not used, with the one that is.
NOT_USED = {
    r"veritaban": "veri tabanı",
    r"\bdelil": "kanıt",
    r"süzgeç|süzgec|süzülmüş": "filtre",
    r"\bsebe[pb]": "neden",
    r"\bkontrol nokta": "imzalı defter özeti",
    r"\bnesil|\bnesl": "defterin yeni dönemi",
    r"bozulmamış(?!\.)": "sağlam",
    r"söylenemez": "belirlenemedi",
    r"gizli değer|gizli bilgi|korunan değer": "korunan bilgi",
    r"kalıcı (olarak )?sil": "kimliği imha et",
    r"\bamaç\b|\bamacı": "gerekçe",
    r"kayıt defteri": "denetim defteri",
    r"\bgörüldü olarak": "incelemeye alındı",
    r"\bilgileniyorum|uyarıyla (birlikte )?ilgilen": "incelemeye aldım",
    r"denetim yetkilisi": "gözetim yetkilisi",
    r"\batanmı|\bsize atanır|görevli ata|önerenin görevlendir": "görevlendirme in a case, atama to a role",
    r"işin(iz)?den fazlasını": "kendi yetkisini aşan",
    r"ikinci bir (süreç|taraf)|elinde bulundur": "bağımsız taraf",
    r"sömürüsü hakkında": "maruz kaldığı sömürü",
    r"^Yapıldı$": "Başarılı for a result, Tamamlandı for a decision",
    r"^Yabancı$": "Tanımadığı kişi",
    r"\bbakma sınırı": "görüntüleme sınırı",
    r"^Bir formun": "form yanıtı",
    r"^Seçilen satırlarla": "seçilen satırlar",
    r"\baya? yoktur": "geçerli bir ay değil",
    r"(?<![\d-])\d+-\d+(?![\d-])": "a range has a dash: 1–25",
}  # fmt: skip

# Imperatives end in -in, never in -iniz. Possessives ("adınız") and tenses ("yazdığınız") end so too, and may.
POLITE = re.compile(r"\b\w+[ıiuü]n[ıiuü]z\b", re.IGNORECASE)
NO_IMPERATIVE = re.compile(
    r"([^e]d|t|m|ğ|s|bil|bilir|yor|lar|ler|cak|cek|acağ|eceğ)[ıiuü]?[ıiuü]?n[ıiuü]z$"
    r"|^(ad|iki|hesab|onay|oturum|görünüm|sürüm|rol|yetki|iş|parola|yönetici|birim|kurum|adres)\w*?n[ıiuü]z$"
    r"|(olur|olursunuz|abilirsiniz|ebilirsiniz|arsınız|ersiniz|yorsunuz)$",
    re.IGNORECASE,
)


def turkish_texts() -> list[str]:
    with (PANEL / "translations" / "tr" / "LC_MESSAGES" / "messages.po").open("rb") as lines:
        catalogue = read_po(lines, locale="tr", domain="messages")
    texts: list[str] = []
    for message in catalogue:
        said = message.string if message.id else None
        texts += [said] if isinstance(said, str) else filter(None, said or ())
    lists = json.loads((PANEL / "foundation" / "vocabularies.json").read_text("utf-8"))["lists"]
    texts += [value["tr"] for codes in lists.values() for value in codes["values"]]
    of_verifier = VERIFIER.read_text("utf-8").partition("  en: {")[0]
    texts += re.findall(r"[\"`]((?:[^\"`\\]|\\.)*)[\"`]", of_verifier)
    return texts


def imperatives(text: str) -> list[str]:
    return [found.group() for found in POLITE.finditer(text) if not NO_IMPERATIVE.search(found.group())]


@pytest.mark.parametrize("pattern", NOT_USED, ids=NOT_USED.values())
def test_one_word_for_one_thing(pattern: str) -> None:
    used = [text for text in turkish_texts() if re.search(pattern, text, re.IGNORECASE)]
    assert not used


def test_nobody_is_told_what_to_do_in_two_forms() -> None:
    assert not [(text, found) for text in turkish_texts() if (found := imperatives(text))]


@pytest.mark.parametrize(
    "word", ["seçiniz", "deneyiniz", "yazınız", "gönderiniz", "Açınız", "bakınız", "kaydediniz", "arayınız"]
)
def test_the_polite_plural_is_recognised(word: str) -> None:
    assert imperatives(f"Lütfen {word}.")


@pytest.mark.parametrize("word", ["Adınız", "yazdığınız", "parolanız", "görebilirsiniz", "dosyalarınız", "yetkiniz"])
def test_what_belongs_to_the_reader_is_no_command(word: str) -> None:
    assert not imperatives(f"Burada {word} var.")

"""Persons and narratives that nobody lived: names put together by lot, numbers counted up, texts from sentences.

Numbers pass the panel's checks because their check digits are computed here; they are counted up from the end of
their range, so that anybody sees that they are synthetic. Whether one was ever given out is known to nobody here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from itm_admin.foundation import vocabulary
from itm_admin.foundation.identity_numbers import with_check_digits

SYNTHETIC = "Sentetik:"

_TURKIC = (
    ("Aygül", "Dilnoza", "Gulnara", "Zarina", "Nargiza", "Madina", "Ogulgerek", "Aizada", "Cemile", "Feruza"),
    ("Aziz", "Bahrom", "Cahongir", "Erkin", "Ravşan", "Timur", "Ulan", "Serdar", "Nurlan", "Rüstem"),
    ("Abdullayev", "Karimov", "Yuldaşev", "Rahmonov", "Nazarov", "Saparov", "Orazov", "Bekmırzayev", "Aliyev"),
)
_ARAB = (
    ("Hanan", "Rima", "Nur", "Samira", "Lina", "Rana", "Amal", "Dalya", "Huda", "Maysa"),
    ("Halid", "Samir", "Tarık", "Firas", "Nabil", "Ziyad", "Bassam", "Anas", "Munir", "Cemal"),
    ("El-Hatib", "Darwiş", "Nassar", "Şahin", "El-Ali", "Haddad", "Mansur", "Barakat", "Sabbağ", "Kurdi"),
)
_PERSIAN = (
    ("Şirin", "Parvin", "Laila", "Zohra", "Mina", "Farzana", "Nasrin", "Golnaz", "Maryam", "Roya"),
    ("Reza", "Naim", "Habib", "Javad", "Farid", "Nasir", "Hamid", "Yunus", "Daud", "İkbal"),
    ("Ahmadi", "Haydari", "Rahimi", "Nuri", "Sadat", "Azizi", "Karimi", "Safi", "Khan", "Yusufzai"),
)
_EASTERN = (
    ("Oksana", "Iryna", "Natalia", "Tamar", "Elena", "Svitlana", "Nino", "Mariana", "Ludmila", "Ketevan"),
    ("Andriy", "Ion", "Giorgi", "Mykola", "Vasile", "Levan", "Serghei", "Taras", "Zurab", "Dumitru"),
    ("Kovalenko", "Rusu", "Beridze", "Melnyk", "Popescu", "Kapanadze", "Bondar", "Ceban", "Gelaşvili"),
)
_TURKISH = (
    ("Ayşe", "Fatma", "Sevgi", "Gamze", "Hatice", "Yağmur", "Songül", "Esra", "Dilek", "Şengül"),
    ("Murat", "Yusuf", "İsmail", "Hüseyin", "Ümit", "Ozan", "Şükrü", "Kadir", "Çetin", "Rıza"),
    ("Örneksoy", "Deneme", "Kurgulu", "Hayali", "Sözde", "Temsiloğlu", "Misaller", "Varsayar", "Farazi"),
)
_ISLANDS = (
    ("Siti", "Dewi", "Ratna", "Putri", "Wulan", "Indah"),
    ("Budi", "Agus", "Hendra", "Joko", "Rizal", "Bayu"),
    ("Santoso", "Wibowo", "Lestari", "Pratama", "Hidayat", "Susanto"),
)

CITIZENSHIPS: Mapping[str, tuple[int, str | None, tuple[Sequence[str], ...]]] = {
    "SY": (34, "ar", _ARAB),
    "UZ": (15, "uz", _TURKIC),
    "AF": (12, "fa", _PERSIAN),
    "TR": (4, "tr", _TURKISH),
    "KG": (7, "ky", _TURKIC),
    "TM": (6, "tk", _TURKIC),
    "MA": (5, "ar", _ARAB),
    "UA": (3, "uk", _EASTERN),
    "GE": (3, "ka", _EASTERN),
    "IR": (3, "fa", _PERSIAN),
    "AZ": (2, "az", _TURKIC),
    "MD": (2, "ro", _EASTERN),
    "PK": (2, "ur", _PERSIAN),
    "ID": (2, "id", _ISLANDS),
}
"""Citizenship → its share, the usual language, and names (women's, men's, families').

The order of the first four is that of GRETA's numbers for 2019-2023; the shares are ours.
"""


def name(lot: Random, citizenship: str, gender: str) -> tuple[str, str]:
    """A given and a family name."""
    women, men, families = CITIZENSHIPS[citizenship][2]
    return lot.choice(women if gender == "Feminine" else men), lot.choice(families)


def identity(number: int, citizenship: str) -> dict[str, str]:
    """The identity number that a citizen or a registered foreigner would have, for the n-th person."""
    if citizenship == "TR":
        return {"tckn": with_check_digits(f"{980_000_000 + number}")}
    return {"ykn": with_check_digits(f"{990_000_000 + number}")}


def contact(lot: Random, number: int, province: str) -> dict[str, str]:
    """Ways to reach nobody: a range of telephone numbers that is not in use, `.invalid`, a street of that name."""
    return {
        "phone": f"+90500000{number:04}",
        "email": f"kisi{number:04}@sentetik.invalid",
        "address": f"Sentetik Mahallesi, Örnek Sokak No: {lot.randint(1, 90)}, {_province(province)}",
    }


_SCENES: Mapping[str, Sequence[str]] = {
    "SexualExploitation": (
        "İş vaadiyle ülkeye getirilip bir eğlence yerinde alıkonulduğunu anlattı.",
        "Sosyal medyada tanıştığı kişinin kendisini zorla çalıştırdığını bildirdi.",
        "Borcu olduğu söylenerek bir evde tutulduğunu ifade etti.",
    ),
    "ForcedLabour": (
        "Tekstil atölyesinde ücretsiz ve günde on dört saat çalıştırıldığını anlattı.",
        "Mevsimlik tarım işinde ücretinin ve pasaportunun alıkonulduğunu bildirdi.",
        "Ev hizmetinde çalışırken dışarı çıkmasına izin verilmediğini ifade etti.",
    ),
    "ForcedMarriage": (
        "Ailesine verilen para karşılığında evlendirilmek istendiğini anlattı.",
        "Rızası dışında evlendirilip evden çıkmasının engellendiğini bildirdi.",
    ),
    "ForcedBegging": (
        "Kalabalık caddelerde dilendirildiğini, kazancının elinden alındığını anlattı.",
        "Aynı adreste kalan bir grupla birlikte dilendirildiği görüldü.",
    ),
}
_OTHERWISE = ("Anlatımı sömürü göstergeleri taşıyor; ayrıntı ek görüşmede alınacak.",)
_AFTER = (
    "Tercüman eşliğinde ikinci görüşme planlandı.",
    "Düşünme süresi hakkında bilgilendirildi.",
    "Güvenli yer ihtiyacı öncelikli olarak değerlendiriliyor.",
    "Sağlık kontrolüne ve psikososyal desteğe yönlendirildi.",
    "Adli makamlara bilgi verildi, dosya takip ediliyor.",
)
_HEALTH = (
    "Genel durumu iyi, uyku sorunu bildiriyor.",
    "Kansızlık şüphesiyle tahlil istendi.",
    "Kaygı belirtileri var, psikososyal görüşme önerildi.",
    "Kolunda iyileşmekte olan eski bir kırık var.",
)
_CLOSING = (
    "Destek tamamlandı, dosya kapatıldı.",
    "Kendi isteğiyle ayrıldı, bilgilendirme yapıldı.",
    "Dosya devredildi.",
)


def narrative(lot: Random, exploitation: str, province: str) -> str:
    scene = lot.choice(_SCENES.get(exploitation, _OTHERWISE))
    return f"{SYNTHETIC} {_province(province)} ilinde görüşme yapıldı. {scene} {lot.choice(_AFTER)}"


def health(lot: Random) -> str:
    return f"{SYNTHETIC} {lot.choice(_HEALTH)}"


def closing_note(lot: Random) -> str:
    return f"{SYNTHETIC} {lot.choice(_CLOSING)}"


def guardian(lot: Random, citizenship: str) -> str:
    return f"{SYNTHETIC} {' '.join(name(lot, citizenship, 'Feminine'))} (annesi)"


def _province(code: str) -> str:
    return vocabulary.label("province", code, "tr")

"""Who works in the demonstration, and in which units: data alone.

All names are invented and every address ends in `.invalid`, so that no letter can reach anybody. Passwords are
not here and nowhere in the code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from itm_admin.accounts import usernames
from itm_admin.foundation import vocabulary

MANAGER, FOCAL_POINT, CASEWORKER = "institution_manager", "focal_point", "caseworker"
NATIONAL_AUDITOR, SUPERVISOR = "auditor_national", "presidency_supervisor"


@dataclass(frozen=True)
class Member:
    """One person of one institution in one role, over a unit's subtree or the whole institution."""

    institution: str
    role: str
    first_name: str
    last_name: str
    title: str
    unit: str | None = None
    language: str = "tr"

    @property
    def username(self) -> str:
        return usernames.propose(self.institution, self.first_name, self.last_name)

    @property
    def email(self) -> str:
        return f"{self.username.partition('.')[2]}@{self.institution.lower().replace('_', '-')}.invalid"


def _provincial(pattern: str, *provinces: str) -> dict[str, str]:
    return {pattern.format(vocabulary.label("province", code, "tr")): code for code in provinces}


UNITS: Mapping[str, Mapping[str, str]] = {
    "JGK": _provincial(
        "{} İl Jandarma Komutanlığı", "TR-06", "TR-34", "TR-35", "TR-07", "TR-27", "TR-31", "TR-63", "TR-65"
    ),
    "EGM": _provincial(
        "{} İl Emniyet Müdürlüğü", "TR-06", "TR-34", "TR-35", "TR-07", "TR-01", "TR-16", "TR-33", "TR-61"
    ),
    "ASHB": _provincial(
        "{} Aile ve Sosyal Hizmetler İl Müdürlüğü", "TR-06", "TR-34", "TR-35", "TR-71", "TR-27", "TR-38"
    ),
    "GIB": _provincial("{} İl Göç İdaresi Müdürlüğü", "TR-06", "TR-34", "TR-07", "TR-22", "TR-27", "TR-65", "TR-71"),
}
"""Institution → the units below its root, each with its province."""

BELOW: Mapping[str, Mapping[str, str]] = {
    "JGK": {
        "İslahiye İlçe Jandarma Komutanlığı": "Gaziantep İl Jandarma Komutanlığı",
        "Nizip İlçe Jandarma Komutanlığı": "Gaziantep İl Jandarma Komutanlığı",
    },
}
"""Units of districts → the provincial unit above them."""

ADMINISTRATOR = Member("GIB", "system_administrator", "Sistem", "Yöneticisi", "Sistem yöneticisi")
"""Made by the installation's first day (accounts.bootstrap), under these names."""

TEAM: tuple[Member, ...] = (
    Member("JGK", MANAGER, "Tuncay", "Demirkol", "Daire başkanı"),
    Member("JGK", FOCAL_POINT, "Selin", "Akarsu", "Göçmen kaçakçılığı ve insan ticareti şube müdürü"),
    Member("JGK", FOCAL_POINT, "Mert", "Yaylalı", "İl odak noktası", "Gaziantep İl Jandarma Komutanlığı"),
    Member("JGK", FOCAL_POINT, "Deniz", "Koruköy", "İl odak noktası", "Antalya İl Jandarma Komutanlığı"),
    Member("JGK", CASEWORKER, "Zehra", "Gündoğan", "Dosya görevlisi", "Gaziantep İl Jandarma Komutanlığı"),
    Member("JGK", CASEWORKER, "Onur", "Taşpınar", "Dosya görevlisi", "Ankara İl Jandarma Komutanlığı"),
    Member("JGK", "auditor_institution", "Gülten", "Bozdere", "İç denetçi"),
    Member("EGM", MANAGER, "Levent", "Karaçam", "Daire başkanı"),
    Member("EGM", FOCAL_POINT, "Burcu", "Sarıoğlan", "İnsan ticaretiyle mücadele şube müdürü"),
    Member("EGM", FOCAL_POINT, "Kerem", "Alpsoy", "İl odak noktası", "İstanbul İl Emniyet Müdürlüğü"),
    Member("EGM", CASEWORKER, "Pınar", "Derinsu", "Dosya görevlisi", "İstanbul İl Emniyet Müdürlüğü"),
    Member("ASHB", MANAGER, "Nihal", "Yeşilova", "Daire başkanı"),
    Member("ASHB", FOCAL_POINT, "İpek", "Çağlar", "Sosyal çalışmacı"),
    Member("ASHB", CASEWORKER, "Emre", "Tokgöz", "Psikolog", "Ankara Aile ve Sosyal Hizmetler İl Müdürlüğü"),
    Member("IOM", MANAGER, "Elif", "Rüzgâr", "Program yöneticisi", language="en"),
    Member("IOM", FOCAL_POINT, "Can", "Ormanlı", "Koruma uzmanı", language="en"),
    Member("STK_A", MANAGER, "Şule", "Kırımlı", "Genel sekreter"),
    Member("STK_A", FOCAL_POINT, "Ayça", "Bahçeli", "Program sorumlusu"),
    Member("STK_A", CASEWORKER, "Melis", "Uğurlu", "Sosyal çalışmacı"),
    Member("STK_B", FOCAL_POINT, "Barış", "Ekinci", "Hukuk danışmanı"),
    Member("SAHILGUV", FOCAL_POINT, "Volkan", "Denizer", "Harekât subayı"),
    Member("CSGB", FOCAL_POINT, "Özge", "Işıklar", "İş müfettişi"),
    Member("GIB", MANAGER, "Hakan", "Sonbahar", "Daire başkanı"),
    Member("GIB", SUPERVISOR, "Aslı", "Güneri", "Başkan yardımcısı"),
    Member("GIB", "presidency_operator", "Derya", "Kumsal", "Göç uzmanı"),
    Member("GIB", "presidency_operator", "Tolga", "Yamaç", "Tanımlama uzmanı", "Ankara İl Göç İdaresi Müdürlüğü"),
    Member("TIHEK", MANAGER, "Ferhat", "Çınarlı", "Birim koordinatörü"),
    Member("TIHEK", NATIONAL_AUDITOR, "Leyla", "Esintepe", "Ulusal raportör denetçisi"),
    Member("ICISLERI", FOCAL_POINT, "Serhat", "Boyacıgil", "Daire başkanı"),
    Member("ADALET", FOCAL_POINT, "Gökçe", "Tunalıer", "Tetkik hâkimi"),
    Member("DISISLERI", FOCAL_POINT, "Selma", "Uzunyol", "Konsolosluk şube müdürü"),
    Member("AB_BSK", FOCAL_POINT, "Arda", "Köprülüer", "AB uzmanı"),
    Member("MEB", FOCAL_POINT, "Filiz", "Kalemci", "Şube müdürü"),
    Member("SAGLIK", FOCAL_POINT, "Haluk", "Şifacıer", "Tabip"),
    Member("KTB", FOCAL_POINT, "Nazan", "Gezginli", "Turizm kontrolörü"),
    Member("TICARET", FOCAL_POINT, "Koray", "Gümrükçüer", "Muhafaza müdürü"),
    Member("HMB", FOCAL_POINT, "Sinem", "Defterli", "Uzman"),
    Member("YARGITAY", FOCAL_POINT, "Engin", "Kürsülü", "Tetkik hâkimi"),
    Member("MIT", FOCAL_POINT, "Tarık", "Sessizgil", "İrtibat görevlisi"),
    Member("TIHEK", FOCAL_POINT, "Yonca", "Hakyemezli", "İnsan hakları uzmanı"),
    Member("ISKUR", FOCAL_POINT, "Bülent", "İşverenli", "İstihdam uzmanı"),
    Member("THSSGM", FOCAL_POINT, "Meral", "Limancıer", "Sağlık denetçisi"),
    Member("YYGM", FOCAL_POINT, "Ufuk", "Beldeli", "Mülki idare amiri"),
    Member("ABB", FOCAL_POINT, "Sibel", "Başkentli", "Sosyal hizmetler müdürü"),
    Member("BAROLAR", FOCAL_POINT, "Cihan", "Savunmalı", "Avukat"),
    Member("KIZILAY", FOCAL_POINT, "Dilara", "Hilalci", "Saha koordinatörü"),
    Member("UNHCR", FOCAL_POINT, "Ece", "Sığınaklı", "Koruma görevlisi", language="en"),
    Member("ILO", FOCAL_POINT, "Okan", "Emekli", "Program görevlisi", language="en"),
    Member("ICMPD", FOCAL_POINT, "Defne", "Sınırlı", "Proje yöneticisi", language="en"),
    Member("AKANK", FOCAL_POINT, "Kaan", "Avrupalı", "Program sorumlusu", language="en"),
)
"""In the order in which logins are told; managers come before those whom they appoint."""

WAITING = Member("TIHEK", NATIONAL_AUDITOR, "Kenan", "Aydıngül", "Denetçi")
"""Proposed as a national auditor, approved by one person and not yet by the second: nobody who signs in."""

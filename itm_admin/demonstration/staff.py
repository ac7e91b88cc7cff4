"""The demonstration's people and their units: data alone.

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
class StaffMember:
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

ADMINISTRATOR = StaffMember("GIB", "system_administrator", "Sistem", "Yöneticisi", "Sistem yöneticisi")
"""Made by the installation's first day (accounts.bootstrap), under these names."""

TEAM: tuple[StaffMember, ...] = (
    StaffMember("JGK", MANAGER, "Tuncay", "Demirkol", "Daire başkanı"),
    StaffMember("JGK", FOCAL_POINT, "Selin", "Akarsu", "Göçmen kaçakçılığı ve insan ticareti şube müdürü"),
    StaffMember("JGK", FOCAL_POINT, "Mert", "Yaylalı", "İl odak noktası", "Gaziantep İl Jandarma Komutanlığı"),
    StaffMember("JGK", FOCAL_POINT, "Deniz", "Koruköy", "İl odak noktası", "Antalya İl Jandarma Komutanlığı"),
    StaffMember("JGK", CASEWORKER, "Zehra", "Gündoğan", "Dosya görevlisi", "Gaziantep İl Jandarma Komutanlığı"),
    StaffMember("JGK", CASEWORKER, "Onur", "Taşpınar", "Dosya görevlisi", "Ankara İl Jandarma Komutanlığı"),
    StaffMember("JGK", "auditor_institution", "Gülten", "Bozdere", "İç denetçi"),
    StaffMember("EGM", MANAGER, "Levent", "Karaçam", "Daire başkanı"),
    StaffMember("EGM", FOCAL_POINT, "Burcu", "Sarıoğlan", "İnsan ticaretiyle mücadele şube müdürü"),
    StaffMember("EGM", FOCAL_POINT, "Kerem", "Alpsoy", "İl odak noktası", "İstanbul İl Emniyet Müdürlüğü"),
    StaffMember("EGM", CASEWORKER, "Pınar", "Derinsu", "Dosya görevlisi", "İstanbul İl Emniyet Müdürlüğü"),
    StaffMember("ASHB", MANAGER, "Nihal", "Yeşilova", "Daire başkanı"),
    StaffMember("ASHB", FOCAL_POINT, "İpek", "Çağlar", "Sosyal çalışmacı"),
    StaffMember("ASHB", CASEWORKER, "Emre", "Tokgöz", "Psikolog", "Ankara Aile ve Sosyal Hizmetler İl Müdürlüğü"),
    StaffMember("IOM", MANAGER, "Elif", "Rüzgâr", "Program yöneticisi", language="en"),
    StaffMember("IOM", FOCAL_POINT, "Can", "Ormanlı", "Koruma uzmanı", language="en"),
    StaffMember("STK_A", MANAGER, "Şule", "Kırımlı", "Genel sekreter"),
    StaffMember("STK_A", FOCAL_POINT, "Ayça", "Bahçeli", "Program sorumlusu"),
    StaffMember("STK_A", CASEWORKER, "Melis", "Uğurlu", "Sosyal çalışmacı"),
    StaffMember("STK_B", FOCAL_POINT, "Barış", "Ekinci", "Hukuk danışmanı"),
    StaffMember("SAHILGUV", FOCAL_POINT, "Volkan", "Denizer", "Harekât subayı"),
    StaffMember("CSGB", FOCAL_POINT, "Özge", "Işıklar", "İş müfettişi"),
    StaffMember("GIB", MANAGER, "Hakan", "Sonbahar", "Daire başkanı"),
    StaffMember("GIB", SUPERVISOR, "Aslı", "Güneri", "Başkan yardımcısı"),
    StaffMember("GIB", "presidency_operator", "Derya", "Kumsal", "Göç uzmanı"),
    StaffMember("GIB", "presidency_operator", "Tolga", "Yamaç", "Tanımlama uzmanı", "Ankara İl Göç İdaresi Müdürlüğü"),
    StaffMember("TIHEK", MANAGER, "Ferhat", "Çınarlı", "Birim koordinatörü"),
    StaffMember("TIHEK", NATIONAL_AUDITOR, "Leyla", "Esintepe", "Ulusal raportör denetçisi"),
    StaffMember("ICISLERI", FOCAL_POINT, "Serhat", "Boyacıgil", "Daire başkanı"),
    StaffMember("ADALET", FOCAL_POINT, "Gökçe", "Tunalıer", "Tetkik hâkimi"),
    StaffMember("DISISLERI", FOCAL_POINT, "Selma", "Uzunyol", "Konsolosluk şube müdürü"),
    StaffMember("AB_BSK", FOCAL_POINT, "Arda", "Köprülüer", "AB uzmanı"),
    StaffMember("MEB", FOCAL_POINT, "Filiz", "Kalemci", "Şube müdürü"),
    StaffMember("SAGLIK", FOCAL_POINT, "Haluk", "Şifacıer", "Tabip"),
    StaffMember("KTB", FOCAL_POINT, "Nazan", "Gezginli", "Turizm kontrolörü"),
    StaffMember("TICARET", FOCAL_POINT, "Koray", "Gümrükçüer", "Muhafaza müdürü"),
    StaffMember("HMB", FOCAL_POINT, "Sinem", "Defterli", "Uzman"),
    StaffMember("YARGITAY", FOCAL_POINT, "Engin", "Kürsülü", "Tetkik hâkimi"),
    StaffMember("MIT", FOCAL_POINT, "Tarık", "Sessizgil", "İrtibat görevlisi"),
    StaffMember("TIHEK", FOCAL_POINT, "Yonca", "Hakyemezli", "İnsan hakları uzmanı"),
    StaffMember("ISKUR", FOCAL_POINT, "Bülent", "İşverenli", "İstihdam uzmanı"),
    StaffMember("THSSGM", FOCAL_POINT, "Meral", "Limancıer", "Sağlık denetçisi"),
    StaffMember("YYGM", FOCAL_POINT, "Ufuk", "Beldeli", "Mülki idare amiri"),
    StaffMember("ABB", FOCAL_POINT, "Sibel", "Başkentli", "Sosyal hizmetler müdürü"),
    StaffMember("BAROLAR", FOCAL_POINT, "Cihan", "Savunmalı", "Avukat"),
    StaffMember("KIZILAY", FOCAL_POINT, "Dilara", "Hilalci", "Saha koordinatörü"),
    StaffMember("UNHCR", FOCAL_POINT, "Ece", "Sığınaklı", "Koruma görevlisi", language="en"),
    StaffMember("ILO", FOCAL_POINT, "Okan", "Emekli", "Program görevlisi", language="en"),
    StaffMember("ICMPD", FOCAL_POINT, "Defne", "Sınırlı", "Proje yöneticisi", language="en"),
    StaffMember("AKANK", FOCAL_POINT, "Kaan", "Avrupalı", "Program sorumlusu", language="en"),
)
"""In the order in which logins are printed; managers come before the people they appoint."""

WAITING = StaffMember("TIHEK", NATIONAL_AUDITOR, "Kenan", "Aydıngül", "Denetçi")
"""Proposed as a national auditor, approved by one person and not yet by the second: nobody who signs in."""

"""The consents of the demonstration's victims: several purposes each, some refused, some withdrawn, some by kind.

Made through the service that people use, from a lot of its own, so that the plan of the cases stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from itertools import product
from random import Random
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from itm_admin.cases.models import CasePerson
from itm_admin.consent import texts
from itm_admin.consent.services import CONSENTS
from itm_admin.consent.views import ConsentView
from itm_admin.demonstration.staffing import BEGINS, Office, working
from itm_admin.foundation import vocabulary
from itm_admin.foundation.encryption import Keyring
from itm_admin.foundation.roles import INSTITUTION
from itm_admin.foundation.synthetic import route_at
from itm_admin.institutions.models import Institution
from itm_admin.record.checks import today

_TO: Mapping[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "IDENTIFICATION": (("GIB",), (), ("SUMMARY", "IDENTITY", "NUMBERS", "EXPLOITATION")),
    "SHARING": (("ASHB", "KIZILAY"), (), ("SUMMARY", "IDENTITY", "CONTACT", "NEEDS")),
    "MEDICAL": (("SAGLIK",), (), ("IDENTITY", "HEALTH")),
    "LEGAL": (("BAROLAR",), (), ("IDENTITY", "JUSTICE")),
    "PSYCHOSOCIAL": ((), ("ngo",), ("SUMMARY", "NEEDS")),
    "RETURN": (("IOM",), (), ("SUMMARY", "IDENTITY", "NEEDS")),
}
"""By purpose: institutions, kinds of institutions, scopes."""
_ALONE = ("SUPPORT", "INTERPRETER", "RECORDING", "FOLLOW_UP", "RESEARCH")
_LANGUAGES = ("ar", "ru", "en", "uk", "fa", "tr")


_TEXTS: Mapping[str, Mapping[str, str]] = {
    "tr": {
        "body": "{purpose} için rızanız sorulmaktadır. (Sentetik metin.)\nYalnızca işaretlenen kurumlara, yalnızca"
        " işaretlenen bilgiler verilir.\nRıza vermek zorunda değilsiniz; vermemeniz hiçbir hizmeti engellemez."
        "\nRızanızı istediğiniz zaman, neden belirtmeden geri alabilirsiniz.",
        "yes": "Rıza veriyorum", "no": "Rıza vermiyorum",
    },
    "en": {
        "body": "You are asked for your consent: {purpose}. (Synthetic text.)\nOnly the institutions that are ticked"
        " are told, and only what is ticked.\nYou need not consent, and a refusal closes no service.\nYou can"
        " withdraw your consent at any time, without giving a reason.",
        "yes": "I consent", "no": "I do not consent",
    },
    "ar": {
        "body": "نطلب موافقتك. (نص تجريبي.)\nلا تُعطى المعلومات إلا للمؤسسات المحددة، ولا يُعطى إلا ما تم تحديده."
        "\nلست مضطرًا إلى الموافقة، ورفضك لا يمنع عنك أي خدمة.\nيمكنك سحب موافقتك في أي وقت دون ذكر السبب.",
        "yes": "أوافق", "no": "لا أوافق",
    },
    "ru": {
        "body": "Мы спрашиваем Ваше согласие. (Учебный текст.)\nСведения получат только отмеченные учреждения и только"
        " отмеченные сведения.\nВы не обязаны соглашаться; отказ не лишает Вас никакой помощи.\nВы можете отозвать"
        " согласие в любое время, не называя причины.",
        "yes": "Согласен / согласна", "no": "Не согласен / не согласна",
    },
}  # fmt: skip


def write_texts(sessions: sessionmaker[Session], keyring: Keyring, office: Office) -> None:
    """An operator of the Presidency adds the texts that are not there yet."""
    operator = office.of("GIB", "presidency_operator")[0]
    with sessions() as session, working(session, operator, INSTITUTION, route=route_at(BEGINS)):
        for purpose, (language, text) in product(("SUPPORT", *_TO), _TEXTS.items()):
            if texts.newest(session, purpose, language) is None:
                words = vocabulary.label("consent_purpose", purpose, "tr" if language == "tr" else "en")
                values = {**text, "body": text["body"].format(purpose=words)}
                content = {"purpose": purpose, "language": language, **values}
                texts.TEXTS.add(session, keyring, None, content, texts.COLUMNS)
        session.commit()


def ask(session: Session, keyring: Keyring, link: CasePerson, day: date, seed: str) -> None:
    """Two victims in three were asked, each for some purposes."""
    lot = Random(f"itm demo consent {seed}")  # noqa: S311 (made-up data, no secret)
    if lot.random() < 0.35:
        return
    known = {row.code: row.id for row in session.execute(select(Institution.code, Institution.id))}
    for values in _answers(lot, day, bool(link.is_child)):
        own = link.institution_id
        values["recipients"] = [str(known[code]) for code in values["recipients"] if known.get(code, own) != own]
        if not values["recipients"] and not values["kinds"]:
            values["scopes"] = []
        withdrawn = values.pop("withdrawn")
        made = CONSENTS.add(session, keyring, link.person_id, values, ConsentView.add_columns)
        if withdrawn and values["answer"] == "GIVEN":
            on = {"withdrawal_reason": lot.choice(("PERSON", "FEAR", "NO_REASON")), "withdrawn_on": day.isoformat()}
            CONSENTS.move(session, keyring, made.id, "withdraw", on, made.row_version)


def _answers(lot: Random, day: date, child: bool) -> Iterator[dict[str, Any]]:
    language, paper = lot.choice(_LANGUAGES), f"Sentetik arşiv, klasör {lot.randint(1, 40)}"
    for purpose in (*lot.sample(tuple(_TO), lot.randint(1, 4)), *lot.sample(_ALONE, lot.randint(1, 3))):
        to, kinds, scopes = _TO.get(purpose, ((), (), ()))
        given = lot.random() < 0.85
        guardian = {"form": "GUARDIAN", "guardian_kind": "PARENT"} if child else {}
        end = min(day, today()) + timedelta(days=lot.choice((180, 365, 730)))
        yield {
            "purpose": purpose, "answer": "GIVEN" if given else "REFUSED", "given_on": day.isoformat(),
            "expires_on": end.isoformat() if given and lot.random() < 0.6 else None,
            "recipients": list(to), "kinds": list(kinds), "scopes": list(scopes), "form": "WRITTEN",
            "language": language, "paper": paper, "withdrawn": lot.random() < 0.08, **guardian,
        }  # fmt: skip

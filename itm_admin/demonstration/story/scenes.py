"""The scenes of the story. Each acts through the panel and checks the result; a failure raises `NotAsTold`."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from random import SystemRandom
from zipfile import ZipFile

from itm_admin.demonstration import synthetic_data
from itm_admin.demonstration.staff import FOCAL_POINT, MANAGER, NATIONAL_AUDITOR, SUPERVISOR, TEAM, StaffMember
from itm_admin.demonstration.story.altering import Altering
from itm_admin.demonstration.story.browser import Browser, PageAnswer, ids_in
from itm_admin.foundation import vocabulary
from itm_admin.record.checks import today

BEFORE, AFTER = "TR-27", "TR-55"
"""The province of the story's case: Gaziantep, and Samsun once the row is altered."""
PATIENCE = 180
_PAUSE = 0.3
_WORDS = "Sentetik: nöbetçi savcı gecikmeden bilmek istiyor."

Judge = Callable[[Path], int]
"""The offline verifier's exit code for a file."""
Say = Callable[..., None]
"""Tells a scene: its name, the page to look at, its user, and the words that are filled in."""


class NotAsTold(Exception):
    """A step did not have its stated result."""


def member(institution: str, role: str, province: str = "") -> StaffMember:
    """The first of the demonstration's people there; of a unit whose name begins with the province, if one is named."""
    return next(
        each
        for each in TEAM
        if (each.institution, each.role) == (institution, role) and (each.unit or "").startswith(province)
    )


WORKER = member("JGK", FOCAL_POINT, "Gaziantep")
NOSY = member("JGK", FOCAL_POINT, "Antalya")
JGK_MANAGER = member("JGK", MANAGER)
AUDITOR = member("TIHEK", NATIONAL_AUDITOR)
PRESIDENCY = member("GIB", SUPERVISOR)


def name_of(person: StaffMember) -> str:
    return f"{person.first_name} {person.last_name}"


@dataclass
class Scenes:
    address: str
    passwords: Mapping[str, str]
    altering: Altering
    judge: Judge
    folder: Path
    """The folder for the evidence."""
    say: Say
    case: str = ""
    person: str = ""
    reference: str = ""
    ledger: str = ""
    seq: int = 0
    receipt: bytes = b""
    alerts: list[str] = field(default_factory=list)
    name: tuple[str, str] = ("", "")
    browsers: dict[str, Browser] = field(default_factory=dict)

    def all(self) -> tuple[Callable[[], None], ...]:
        return (
            self.hotline, self.reveal, self.nosy, self.export, self.take_receipt, self.altered, self.alert, self.proof,
            self.undo,
        )  # fmt: skip

    def hotline(self) -> None:
        worker, lot = self._at(WORKER), SystemRandom()
        given, family = synthetic_data.name(lot, "UZ", "Feminine")
        self.name = given, f"{family} Sentetik"
        steps: tuple[dict[str, str], ...] = (
            {"opened_on": f"{today():%d.%m.%Y}", "referral_source": "HOTLINE_157", "province": BEFORE, "shared": "y"},
            {
                "role": "VICTIM", "given_name": self.name[0], "family_name": self.name[1], "gender": "Feminine",
                "birth_date": f"{lot.randint(1, 28):02}.{lot.randint(1, 12):02}.{lot.randint(1985, 2004)}",
                "citizenships": "UZ", "language": "uz",
            },
            {
                "exploitation_types": "ForcedLabour", "industry": "A",
                "narrative": synthetic_data.narrative(lot, "ForcedLabour", BEFORE),
            },
        )  # fmt: skip
        page = "/cases/new"
        for values in steps:
            page = self._led(worker.fill(page, **values), "/cases/new/")
        page = self._led(worker.fill(page, page), "/cases/")
        self.case = page.rpartition("/")[2]
        shown = self._shown(worker.get(page))
        self.person = ids_in(shown, "/persons/")[0]
        self.reference = re.findall(r"ITM-JGK-\d{4}-\d{6}", shown)[0]
        self._require(self.name[1] not in shown, "the case's page shows the name")
        self.say("hotline", page, WORKER, who=name_of(WORKER), reference=self.reference)

    def reveal(self) -> None:
        page = f"/persons/{self.person}/reveal"
        worker, manager = self._at(WORKER), self._at(JGK_MANAGER)
        self._require(worker.fill(page, purpose="").status == 422, "a reveal without a purpose is not refused")
        for browser, purpose, words in ((worker, "CASE_WORK", ""), (manager, "EMERGENCY", _WORDS)):
            shown = self._shown(browser.fill(page, purpose=purpose, words=words))
            self._require(self.name[1] in shown, f"a reveal for {purpose} does not show the name")
        self.say(
            "reveal", f"/history/person/{self.person}", JGK_MANAGER, who=name_of(WORKER), manager=name_of(JGK_MANAGER)
        )

    def nosy(self) -> None:
        nosy = self._at(NOSY)
        tries = [
            nosy.get(f"/cases/{self.case}"),
            nosy.get(f"/persons/{self.person}"),
            nosy.force(f"/persons/{self.person}/reveal", purpose="EMERGENCY", words=_WORDS),
        ]
        for answer in tries:
            refused = answer.status == 404 and self.name[1] not in answer.text
            self._require(refused, f"the nosy colleague is not refused ({answer.status})")
        looks = f"/looks/person/{self.person}"
        who = self._shown(self._at(AUDITOR).get(looks))
        self._require(NOSY.last_name in who, "the auditor's page does not name who was refused")
        self.say("nosy", looks, AUDITOR, nosy=name_of(NOSY), times=len(tries))

    def export(self) -> None:
        answer = self._at(WORKER).fill("/cases/export", purpose="STATISTICS", format="csv")
        rows = answer.text.strip().splitlines()[1:]
        self._require(answer.status == 200 and any(self.reference in row for row in rows), "the export lacks the case")
        self.say("export", f"/history/case/{self.case}", JGK_MANAGER, who=name_of(WORKER), rows=len(rows))

    def take_receipt(self) -> None:
        auditor = self._at(AUDITOR)
        history = self._shown(auditor.get(f"/audit/history/case/{self.case}"))
        self.ledger = ids_in(history, "/ledgers/")[0]
        self.seq = min(int(each.split('"')[0]) for each in history.split(f'"/ledgers/{self.ledger}/')[1:])
        self._wait(lambda: self.altering.signed_size(self.ledger) > self.seq, "a signed checkpoint")
        answer = auditor.get(f"/ledgers/receipts/{self.ledger}")
        self._require(answer.status == 200 and bool(answer.body), "there is no receipt")
        self.receipt = answer.body
        size = int(answer.text.splitlines()[1])
        (self.folder / f"{self.reference}.checkpoint.txt").write_bytes(self.receipt)
        self.say("receipt", "/ledgers/receipts/", AUDITOR, auditor=name_of(AUDITOR), size=size)

    def altered(self) -> None:
        self.altering.alter(self.case, AFTER)
        shown = self._shown(self._at(WORKER).get(f"/cases/{self.case}"))
        self._require(_province(AFTER) in shown, "the panel does not show the altered row")
        self.say("altered", f"/cases/{self.case}", WORKER, before=_province(BEFORE), after=_province(AFTER))

    def alert(self) -> None:
        self._require(self._verdict() == "tampered", "verification does not find the alteration")
        for person in (PRESIDENCY, AUDITOR):
            self.alerts = self._alerts(person)
            self._require(bool(self.alerts), f"{person.username} sees no alert of {self.reference}")
        self.say(
            "alert", "/alerts/", AUDITOR, auditor=name_of(AUDITOR), supervisor=name_of(PRESIDENCY),
            reference=self.reference, before=_province(BEFORE), after=_province(AFTER),
        )  # fmt: skip

    def proof(self) -> None:
        asked = {"purpose": "AUDIT", "target": self.reference}
        answer = self._at(AUDITOR).fill(f"/ledgers/evidence/{self.ledger}", **asked)
        self._require(answer.status == 200, f"there is no evidence ({answer.status})")
        file = self.folder / f"{self.reference}.zip"
        file.write_bytes(answer.body)
        self._require(self.judge(file) == 0, "the offline verifier does not call the evidence intact")
        self._require(self._sealed_province(answer.body) == BEFORE, "the evidence does not tell the province")
        self.say(
            "proof", f"/ledgers/evidence/{self.ledger}/root", AUDITOR, auditor=name_of(AUDITOR), file=file,
            before=_province(BEFORE),
        )  # fmt: skip

    def undo(self) -> None:
        self.altering.undo()
        self._require(self._verdict() == "intact", "the ledger is not intact after the alteration was taken back")
        auditor = self._at(AUDITOR)
        compared = self._shown(auditor.upload("/ledgers/receipts/", "receipt", self.receipt))
        self._require('id="result"' in compared and "tone-good" in compared, "the receipt does not agree")
        for alert in self.alerts:
            self._led(auditor.fill("/alerts/", f"/alerts/{alert}/acknowledge"), "/alerts/")
            still = f"/alerts/{alert}/acknowledge" in self._shown(auditor.get("/alerts/"))
            self._require(not still, "the alert is still open")
        self.say(
            "undo", f"/audit/history/case/{self.case}", AUDITOR, auditor=name_of(AUDITOR), before=_province(BEFORE)
        )

    def _verdict(self) -> str:
        auditor = self._at(AUDITOR)
        asked = self._led(
            auditor.fill("/verification/", "/verification/", level="full", ledger=self.ledger), "/verification/"
        )
        told: dict[str, str] = {}

        def is_done() -> bool:
            told.update(json.loads(auditor.get(f"{asked}/progress").text))
            return told["state"] in ("done", "failed")

        self._wait(is_done, "the verification")
        return told["verdict"]

    def _alerts(self, person: StaffMember) -> list[str]:
        """Open alerts that name the story's case."""
        page = self._shown(self._at(person).get("/alerts/"))
        sections = [each.split("</section>")[0] for each in page.split('<section aria-labelledby="alert-')[1:]]
        # Auditors read what the ledger says of the row; the Presidency reads which record it is
        told = (self.reference, *((_province(BEFORE), _province(AFTER)) if person == AUDITOR else ()))
        return [each.split('"')[0] for each in sections if all(word in each for word in told)]

    def _sealed_province(self, bundle: bytes) -> str | None:
        """The province in the sealed entry of the case's opening."""
        with ZipFile(BytesIO(bundle)) as archive:
            lines = [
                line
                for name in archive.namelist()
                for line in archive.read(name).decode("utf-8", "replace").splitlines()
            ]
        opened = [line for line in lines if self.case in line and "record.create" in line]
        return next((code for code in (BEFORE, AFTER) if any(code in line for line in opened)), None)

    def _at(self, person: StaffMember) -> Browser:
        """The person, signed in."""
        if person.username not in self.browsers:
            browser = Browser(self.address, person.username)
            answer = browser.sign_in(self.passwords[person.username])
            self._require(answer.status == 303, f"{person.username} cannot sign in ({answer.status})")
            self.browsers[person.username] = browser
        return self.browsers[person.username]

    def _led(self, answer: PageAnswer, begins: str) -> str:
        """The redirect of an accepted form."""
        accepted = answer.status == 303 and answer.location.startswith(begins)
        self._require(accepted, f"a form is refused ({answer.status}){answer.reasons}")
        return answer.location

    def _shown(self, answer: PageAnswer) -> str:
        self._require(answer.status == 200, f"a page is not shown ({answer.status})")
        return answer.text

    def _require(self, holds: bool, otherwise: str) -> None:
        if not holds:
            raise NotAsTold(otherwise)

    def _wait(self, is_so: Callable[[], bool], what: str) -> None:
        ends = time.monotonic() + PATIENCE
        while not is_so():
            if time.monotonic() > ends:
                raise NotAsTold(f"waited in vain for {what}: does the scheduler run?")
            time.sleep(_PAUSE)


def _province(code: str) -> str:
    return vocabulary.label("province", code, "tr")

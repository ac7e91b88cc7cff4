"""Findings of a verification in sentences: the record, the field, its value in the ledger and its value now.

Values are shown as disclosure.py allows. Only for readers in the audit scope: the database answers nobody else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import url_for
from flask_babel import gettext as _
from sqlalchemy import Text, bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY

from itm_admin.assurance import disclosure, labels, ledger_queries, naming, showing
from itm_admin.assurance.alert_words import alert_words
from itm_admin.assurance.ledger_queries import AnySession
from itm_admin.foundation import tenancy
from itm_admin.foundation.formats import moment
from itm_admin.foundation.roles import AUDIT
from itm_admin.oversight import board
from itm_admin.record import words
from itm_admin.record.kind import Kind, kinds

MOST = 10
_WITHOUT_MODEL: Mapping[str, str] = {"itm.access_limit": "access_limit", "itm.indexed": "person_index"}
_DIFFERENCES = text("select * from itm.differences(:kind, :id, :shown)").bindparams(
    bindparam("shown", type_=ARRAY(Text))
)
_LAST = text("select seq, ledger_id from audit.entry where target_kind = :kind and target_id = :id and via = 'trigger'"
             " and content like any(:own) order by seq desc limit 1").bindparams(
    own=[f'%"session":"{login}","transaction":%' for login in ledger_queries.OWN_LOGINS]
)  # fmt: skip


@dataclass(frozen=True)
class FindingText:
    """One finding in sentences, with links that help to judge it."""

    sentences: list[str]
    links: list[tuple[str, str]]


def told(session: AnySession, findings: Sequence[Mapping[str, Any]]) -> list[FindingText]:
    """The first findings of a verdict, in sentences."""
    shown = findings[:MOST]
    naming.learn(session, [finding.get("id") for finding in shown])
    return [_told(session, finding) for finding in shown]


def _kind(table: str) -> Kind | None:
    """The kind of the records in this table; None if it holds none that the ledger knows."""
    for kind in kinds().values():
        if kind.model is not None and table == f"{kind.model.__table__.schema or 'public'}.{kind.model.__tablename__}":
            return kind
    return kinds().get(_WITHOUT_MODEL.get(table, ""))


def _told(session: AnySession, finding: Mapping[str, Any]) -> FindingText:
    found, id = _kind(str(finding.get("table"))), str(finding.get("id") or "")
    if finding.get("table") == "public.alert":
        alert, _space, subject = id.partition(" ")
        return FindingText([f"{alert_words(alert, subject, None)}: {labels.finding_words(finding)}"], [])
    if found is None or not str(finding.get("kind")).startswith("record."):
        return FindingText([labels.finding_words(finding)], [])
    kind = found.name
    naming.learn(session, [id])
    name = labels.target_words(kind, naming.name_of(id))
    if tenancy.current().scope != AUDIT:
        return FindingText([f"{name}: {labels.finding_words({'kind': finding['kind']})}"], [])
    lines = _changed(session, kind, id, name) if finding["kind"] == "record.changed" else []
    if not lines:
        lines = [f"{name}: {labels.finding_words({'kind': finding['kind']})}"]
    last, links = _last(session, kind, id), []
    if last is not None:
        lines.append(str(_("Last lawful change: %(when)s, by %(who)s.", when=last[1], who=last[2])))
        links.append((url_for("LedgerView.entry", id=last[0].ledger_id, seq=last[0].seq), _("Its last entry")))
        links.append((url_for("EvidenceView.take", id=last[0].ledger_id), _("Take evidence away")))
    if found.info.history:
        links.insert(0, (url_for("AuditHistoryView.record", kind=kind, id=id), _("Access history")))
    if kind == "case" and session.scalar(select(board.case.c.id).where(board.case.c.id == id)):
        links.insert(0, (url_for("OversightCaseView.show", id=id), _("The record")))
    return FindingText(lines, links)


def _changed(session: AnySession, kind: str, id: str, name: str) -> list[str]:
    """One sentence for each field."""
    shown = disclosure.columns(session, kind, id)
    rows = session.execute(_DIFFERENCES, {"kind": kind, "id": id, "shown": sorted(shown)}).all()
    naming.learn(session, naming.ids_in(*(str(value) for row in rows for value in (row.by_ledger, row.now))))
    lines = []
    for row in rows:
        field = words.column_words(kind, row.field)
        if row.field not in shown:
            lines.append(_("%(name)s: “%(field)s” was changed in the database outside the panel. The value is about a"
                           " person and is not shown here.", name=name, field=field))  # fmt: skip
            continue
        was, now = (words.value_words(kind, row.field, value, naming.named()) for value in (row.by_ledger, row.now))
        lines.append(_("%(name)s: “%(field)s” was changed in the database outside the panel; by the ledger %(was)s,"
                       " now %(now)s.", name=name, field=field, was=was or "–", now=now or "–"))  # fmt: skip
    return [str(line) for line in lines]


def _last(session: AnySession, kind: str, id: str) -> tuple[Any, str, str] | None:
    place = session.execute(_LAST, {"kind": kind, "id": id}).one_or_none()
    if place is None:
        return None
    row = ledger_queries.find_entry(session, place.ledger_id, place.seq)
    showing.learn_names(session, [row])
    return row, moment(row.at, seconds=True), showing.who(row)


def found_changed(session: AnySession, id: str) -> bool:
    """True if the last full verification found this record changed past the panel."""
    return bool(session.scalar(text("select itm.found_changed(:id)"), {"id": id}))

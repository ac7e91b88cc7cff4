"""The auditors' lists: ledgers, verdicts, sinks, decisions, people who looked. Lists of entries: entry_list.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import render_template, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from markupsafe import Markup
from sqlalchemy import case

from itm_admin.assurance import decisions, labels, ledger_queries, tampering
from itm_admin.assurance.entry_list import ledger_choices
from itm_admin.assurance.ledger_queries import AnyRow
from itm_admin.assurance.looks import Looker
from itm_admin.assurance.models import LedgerDecision
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import Message
from itm_admin.foundation.formats import moment, number
from itm_admin.foundation.list_parts import Cell, Column, Filter
from itm_admin.foundation.lists import Listing
from itm_admin.foundation.shown_list import Shown
from itm_admin.foundation.turkish import SortKey, shown_order, turkish_sort_key
from itm_admin.institutions.models import Institution
from itm_admin.institutions.names import name_by_code
from itm_admin.ledger.backlog import ShownSink

STATES: Mapping[str, tuple[Message, str]] = {
    "waiting": (_l("Waits for the second person"), "warn"),
    "approved": (_l("Approved, not carried out yet"), "info"),
    "rejected": (_l("Rejected"), "neutral"),
    "done": (_l("Carried out"), "good"),
    "failed": (_l("Could not be carried out"), "bad"),
}
"""Of a decision about a ledger: words and tone."""


def _ledger(row: AnyRow) -> Cell:
    """The institution, its code, and the generation where there are several."""
    name = labels.institution_name(row)
    more = [row.code if name else ""]
    if row.generation > 1 or row.closed_at:
        more.append(str(_("Generation %(number)s", number=row.generation)))
    if row.closed_at:
        more.append(str(_("closed on %(when)s", when=moment(row.closed_at))))
    return Cell("link", name or row.code, more=" · ".join(filter(None, more)))


def _institution(row: AnyRow) -> Cell:
    name = labels.institution_name(row)
    return Cell("link", name or row.code, more=row.code if name else "")


def _verdict(row: AnyRow) -> Cell:
    if not row.verdict:
        return Cell("badge", _("Not verified yet"))
    broken = row.first_broken
    more = "" if broken is None else _("First broken entry: %(seq)s", seq=broken)
    words = labels.verdict_words(row.verdict, row.assurance)
    return Cell("badge", words, labels.verdict_tone(row.verdict), more=more)


def _verified(row: AnyRow) -> Cell:
    return Cell("moment", row.verified_at, more=str(labels.LEVELS[row.level]) if row.verified_at else "")


def _by_name(row: AnyRow) -> tuple[SortKey, int]:
    return turkish_sort_key(labels.ledger_name(row)), -row.generation


LEDGERS: Listing[AnyRow] = Listing(
    caption=_l("Ledgers"),
    empty_text=_l("There is no ledger that you may see."),
    identify=lambda row: str(row.id),
    link=lambda row: url_for("LedgerView.show", id=row.id),
    default_sort="code",
    columns=(
        Column(
            "code", _l("Ledger"), _ledger, key=lambda row: (turkish_sort_key(labels.ledger_name(row)), -row.generation)
        ),
        Column("entries", _l("Entries"), lambda row: Cell("number", row.size), key=lambda row: row.size),
        Column(
            "last",
            _l("Last entry"),
            lambda row: Cell("moment", row.last_entry, more="" if row.last_entry else _("No entry yet")),
            key=lambda row: row.last_entry,
        ),
        Column("verdict", _l("Last verdict"), _verdict, key=lambda row: labels.VERDICT_ORDER.get(row.verdict, -1)),
        Column("verified", _l("Verified"), _verified, key=lambda row: row.verified_at),
    ),
)


def _findings(row: AnyRow) -> Cell:
    found = tampering.told(db.session, row.findings) if row.findings else ()
    if row.first_broken is None and not found:
        return Cell("markup", "")
    return Cell("markup", Markup(render_template("assurance/_findings.html", row=row, found=found)))  # noqa: S704


_LAST = ledger_queries.verdict.c
_WORST_FIRST = case(labels.VERDICT_ORDER, value=_LAST.verdict, else_=-1)


def _choices(words: Mapping[str, Any], place: int | None = None) -> Callable[[], list[tuple[str, str]]]:
    return lambda: [(code, str(text if place is None else text[place])) for code, text in words.items()]


VERDICTS: Listing[AnyRow] = Listing(
    caption=_l("Last verdicts"),
    empty_text=_l("Nothing was verified yet."),
    identify=lambda row: str(row.id),
    link=lambda row: url_for("LedgerView.show", id=row.ledger_id),
    default_sort="verdict",
    tie=(_LAST.code, _LAST.level, _LAST.id),
    columns=(
        Column("code", _l("Ledger"), _institution, (shown_order(_LAST.name_tr, _LAST.name_en),)),
        Column("level", _l("What was read"), lambda row: _read(row)),
        Column("verdict", _l("Verdict"), lambda row: _plain_verdict(row), (_WORST_FIRST,)),
        Column("findings", _l("Findings"), _findings),
        Column("when", _l("When"), lambda row: Cell("moment", row.recorded_at), (_LAST.recorded_at,)),
        Column("checked", _l("Entries read"), lambda row: Cell("number", row.checked), (_LAST.checked,)),
    ),
    filters=(
        Filter("ledger", _l("Ledger"), "choice", lambda code: _LAST.code == code, ledger_choices),
        Filter("level", _l("What was read"), "choice", lambda level: _LAST.level == level, _choices(labels.LEVELS)),
        Filter(
            "verdict", _l("Verdict"), "choice", lambda verdict: _LAST.verdict == verdict, _choices(labels.VERDICTS, 0)
        ),
    ),
)


def _read(row: AnyRow) -> Cell:
    more = []
    if row.level == "sample" and row.ranges:
        more.append(ngettext("one range", "%(num)s ranges", len(row.ranges)))
    if row.since:
        sentence = _("Entries before %(seq)s were read since %(when)s, by a run that was stopped.",
                     seq=number(row.first_seq), when=moment(row.since))  # fmt: skip
        more.append(sentence)
    return Cell("text", labels.LEVELS[row.level], more=" · ".join(more))


def _plain_verdict(row: AnyRow) -> Cell:
    return Cell("badge", labels.verdict_words(row.verdict, row.assurance), labels.verdict_tone(row.verdict))


def _trouble(sink: ShownSink) -> Cell:
    since = _("since %(when)s", when=moment(sink.failing_since)) if sink.trouble and sink.failing_since else ""
    return Cell("text", sink.trouble, more=since)


SINKS: Listing[ShownSink] = Listing(
    caption=_l("Entries passed on"),
    identify=lambda sink: sink.name,
    columns=(
        Column("name", _l("Passed on to"), lambda sink: Cell("text", sink.name)),
        Column("state", _l("State"), lambda sink: Cell("badge", *labels.SINK_STATES[sink.state])),
        Column("entries", _l("Entries waiting"), lambda sink: Cell("number", sink.entries)),
        Column("oldest", _l("Oldest of them"), lambda sink: Cell("moment", sink.oldest)),
        Column("trouble", _l("Trouble"), _trouble),
    ),
)


def state_of(found: LedgerDecision) -> tuple[Message, str]:
    return STATES[found.outcome or found.decision or "waiting"]


_NAME = shown_order(Institution.name_tr, Institution.name_en)
DECISIONS: Listing[Any] = Listing(
    caption=_l("Decisions about ledgers"),
    empty_text=_l("Nothing was ever proposed."),
    identify=lambda row: str(row[0].id),
    link=lambda row: url_for("DecisionView.show", id=row[0].id),
    default_sort="-proposed",
    tie=(LedgerDecision.id,),
    columns=(
        Column(
            "ledger",
            _l("Ledger"),
            lambda row: Cell("link", name_by_code(row[1])),
            (shown_order(Institution.name_tr, Institution.name_en),),
        ),
        Column("what", _l("What"), lambda row: Cell("text", decisions.KINDS[row[0].kind])),
        Column("why", _l("Why"), lambda row: Cell("text", decisions.REASONS[row[0].reason][1])),
        Column(
            "proposed",
            _l("Proposed on"),
            lambda row: Cell("moment", row[0].proposed_at),
            (LedgerDecision.decision.is_(None), LedgerDecision.proposed_at),
        ),
        Column("state", _l("State"), lambda row: Cell("badge", *state_of(row[0]))),
    ),
)


def _counted(times: Mapping[str, int]) -> Cell:
    return Cell("values", [f"{words}: {number(count)}" for words, count in times.items()])


def lookers(found: Sequence[Looker], endpoint: str, kind: str, chosen: Mapping[str, Any]) -> Shown[Looker]:
    """People who looked. A name leads to what that person did with the same filters, unless the page is about that."""

    def name(each: Looker) -> Cell:
        refused = (ngettext("%(num)s refused", "%(num)s refused", each.refused), "warn") if each.refused else None
        if each.outside:
            return Cell("badge", each.name, "bad", badge=refused)
        own = each.account and kind != "account"
        url = url_for(f"{endpoint}.show", kind="account", id=each.account, **chosen) if own else None
        return Cell("text", each.name, url=url, badge=refused)

    listing: Listing[Looker] = Listing(
        caption=_l("Who looked?"),
        empty_text=_l("Nobody, in this period and with these filters."),
        identify=lambda each: each.account or each.name,
        columns=(
            Column("who", _l("Who"), name),
            Column("times", _l("How often"), lambda each: Cell("number", each.total)),
            Column("what", _l("What"), lambda each: _counted(each.acts)),
            Column("why", _l("Why"), lambda each: _counted(each.reasons)),
            Column("first", _l("First time"), lambda each: Cell("moment", each.first)),
            Column("last", _l("Last time"), lambda each: Cell("moment", each.last)),
        ),
    )
    return listing.all(found)

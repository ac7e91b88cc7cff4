"""Raises alerts: one open row for one trouble, and one entry in the Presidency's ledger when it is new.

Promise: row and entry, or neither; the database writes the entry (itm.tell_alert). Called by the scheduler's process,
and by the web server for troubles that only it can notice. Knows nothing of an alert's display.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import text
from sqlalchemy.engine import Connection

from itm_admin.ledger.job_runs import Scalar

TAMPERED, UNVERIFIED, MISSED, FAILED = "ledger.tampered", "ledger.unverified", "job.missed", "job.failed"
REFUSED, CONTRADICTED, UNSIGNED = "ledger.refused", "ledger.contradicted", "ledger.unsigned"
"""A ledger that is not signed because it is broken; a witness that knows another history; a signer that cannot work."""
WAITING = "ledger.waiting"
"""An entry has waited for its checkpoint for longer than three minutes, for any reason."""
OPENED = "ledger.opened"
"""Two people closed a ledger and opened its next generation."""
RECOVERED = "ledger.recovered"
"""Two people had the lost checkpoint folder or key begun anew."""
UNSTAMPED = "ledger.unstamped"
"""No authority stamps checkpoints although one is configured."""
RETURNED, UNFINISHED = "person.returned", "person.unfinished"
"""An erased person had come back and was erased again; the erasure list and the database disagree."""
OUTSIDE = "record.outside"
"""Records were changed in the database itself, past the panel; the ledger has the change."""
CLOCK = "clock.wrong"
"""The server's clock leapt, or differs from the database's."""
BEHIND = "sink.behind"
LIMIT = "access.limit"
UNCONSENTED = "referral.unconsented"
"""An account reached the hourly limit of reveals or searches (raised by the database)."""
"""Entries are passed on too slowly, or not at all."""
INVITED = "account.invited"
"""A one-time link for a system administrator was made on the machine itself."""
UNUSUAL, TRIES, UNKNOWN = "account.unusual", "account.tries", "account.unknown"
"""An unusual sign-in; many wrong passwords or codes of an account; many unknown names (raised by the database)."""
OF_SIGN_IN = (UNUSUAL, TRIES)
"""About one account: its institution's managers and auditors take care of them."""
UNSENT = "mail.waiting"
"""Mails have waited for a quarter of an hour, for any reason."""
LOST = "sink.lost"
"""Entries that a sink had acknowledged are gone from its folder."""
SEVERITY = {
    INVITED: "critical",
    LOST: "critical",
    RETURNED: "critical",
    UNFINISHED: "warning",
    CLOCK: "critical",
    TAMPERED: "critical",
    OUTSIDE: "critical",
    REFUSED: "critical",
    CONTRADICTED: "critical",
    OPENED: "critical",
    RECOVERED: "critical",
    UNVERIFIED: "warning",
    UNSIGNED: "warning",
    WAITING: "warning",
    UNSTAMPED: "warning",
    MISSED: "warning",
    FAILED: "warning",
    BEHIND: "warning",
    UNSENT: "warning",
    LIMIT: "warning",
    UNCONSENTED: "warning",
    UNUSUAL: "warning",
    TRIES: "warning",
    UNKNOWN: "warning",
}


@dataclass(frozen=True)
class Trouble:
    """A trouble for people to see.

    ``subject``: a ledger's code or a job's name; ``holder``: the institution concerned.
    """

    kind: str
    subject: str
    holder: uuid.UUID | None = None
    first_broken: int | None = None
    detail: Mapping[str, Scalar] = field(default_factory=dict)


_RAISE = text(
    """
    INSERT INTO alert AS a (kind, severity, holder, subject, first_broken, detail)
    VALUES (:kind, :severity, :holder, :subject, :first_broken, cast(:detail AS jsonb))
    ON CONFLICT (kind, coalesce(subject, '')) WHERE acknowledged_at IS NULL DO UPDATE
    SET detail = CASE WHEN :renewed AND a.detail - 'level' IS DISTINCT FROM EXCLUDED.detail - 'level'
                 THEN EXCLUDED.detail ELSE a.detail END,
        first_broken = CASE WHEN :renewed THEN least(a.first_broken, EXCLUDED.first_broken) ELSE a.first_broken END
    RETURNING xmax = 0
    """
)
# Acknowledged damage is permanent. Raise the alert again only for new findings.
_KNOWN = text(
    """
    SELECT EXISTS (SELECT FROM alert WHERE kind = :kind AND subject = :subject AND acknowledged_at IS NOT NULL
                   AND (first_broken <= :first_broken OR cast(:first_broken AS bigint) IS NULL)
                   AND (detail ->> 'findings')::bigint >= :findings
                   AND detail ->> 'named' IS NOT DISTINCT FROM cast(:named AS text))
    """
)
_RESOLVE = text(
    """
    UPDATE alert SET acknowledged_at = now(), detail = detail || '{"resolved": true}'
    WHERE kind = :kind AND subject = :subject AND acknowledged_at IS NULL RETURNING id
    """
)
_UNTOLD = text("SELECT set_config('itm.untold', :untold, true)")
_NOTICE = text(
    """
    INSERT INTO alert (kind, severity, subject, detail) VALUES (:kind, :severity, :subject, cast(:detail AS jsonb))
    ON CONFLICT DO NOTHING
    """
)


def raise_alert(connection: Connection, trouble: Trouble, told: bool = True) -> bool:
    """Raises the alert, as itm_signer. True if it is new; else the open alert's detail is renewed. Both write an entry.

    With ``told=False`` no entry is written: for times when the ledger cannot be written, when people most need the
    alert. An open alert then keeps its detail; so does one of waiting entries, which each further entry would change.
    """
    if (
        trouble.kind in (TAMPERED, REFUSED)
        and connection.execute(
            _KNOWN,
            {
                "kind": trouble.kind,
                "subject": trouble.subject,
                "first_broken": trouble.first_broken,
                "findings": trouble.detail.get("findings"),
                "named": trouble.detail.get("named"),
            },
        ).scalar_one()
    ):
        return False
    connection.execute(_UNTOLD, {"untold": "no" if told else "yes"})
    values = {
        **_columns(trouble),
        "holder": trouble.holder,
        "first_broken": trouble.first_broken,
        "renewed": told and trouble.kind != WAITING,
    }
    new = bool(connection.execute(_RAISE, values).scalar_one())
    connection.execute(_UNTOLD, {"untold": "no"})
    return new


def is_open(connection: Connection, kind: str, subject: str) -> bool:
    """True if nobody has acknowledged this trouble yet. As itm_signer."""
    asked = text(
        "SELECT EXISTS (SELECT FROM alert WHERE kind = :kind AND subject = :subject AND acknowledged_at IS NULL)"
    )
    return bool(connection.execute(asked, {"kind": kind, "subject": subject}).scalar_one())


def resolve(connection: Connection, kind: str, subject: str) -> bool:
    """Closes an alert whose trouble is over by itself, as itm_signer. False if it is not open any more."""
    return connection.execute(_RESOLVE, {"kind": kind, "subject": subject}).scalar_one_or_none() is not None


def notice(connection: Connection, trouble: Trouble) -> bool:
    """Raises an alert as itm_app: of missed runs and waiting entries only. It cannot read the alerts that it raises."""
    return connection.execute(_NOTICE, _columns(trouble)).rowcount == 1


def _columns(trouble: Trouble) -> dict[str, Scalar]:
    return {
        "kind": trouble.kind,
        "severity": SEVERITY[trouble.kind],
        "subject": trouble.subject,
        "detail": json.dumps(dict(trouble.detail)),
    }

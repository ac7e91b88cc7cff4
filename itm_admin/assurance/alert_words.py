"""Words for alerts: one sentence for each, and the steps that help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from itm_admin.foundation.errors import Message
from itm_admin.institutions.names import full_name_by_code
from itm_admin.ledger import alert_raising

_TO_DO: Mapping[str, Sequence[Message]] = {
    alert_raising.UNSENT: (
        _l("Ask the operator whether the mail server that the setting ITM_SMTP_URL names can be reached and takes"
           " mails."),
        _l("The process “itm mail” writes into its log why a mail did not go. It tries again by itself."),
        _l("Until then nobody receives a link or a warning: hand urgent links over in person."),
        _l("The alert ends by itself when the mails have gone. Mails older than a week are not sent any more: make"
           " their links anew."),
    ),
    alert_raising.UNUSUAL: (
        _l("Ask the person, by telephone or face to face, whether it was they who signed in."),
        _l("If it was somebody else, suspend the account, and look what was done with it since."),
    ),
    alert_raising.TRIES: (
        _l("Ask the person whether they mistyped. Somebody who knows the password without a code has to guess the code"
           " too."),
        _l("If it was somebody else, a new one-time link ends the password. Strangers' tries keep nobody out who signs"
           " in from a known browser."),
    ),
    alert_raising.UNKNOWN: (
        _l("Somebody tries names that do not exist, to find accounts. The ledger of the Presidency counts the tries."),
        _l("Ask the operator which network they come from, and have it shut out in front of the panel."),
    ),
}  # fmt: skip


def to_do(kind: str) -> Sequence[Message]:
    """Steps that help against an alert of this kind; empty if the alert says enough."""
    return _TO_DO.get(kind, ())


def alert_words(kind: str, subject: str | None, first_broken: int | None, job_label: str | None = None) -> str:
    """An alert in one sentence."""
    job, code = job_label or subject, full_name_by_code(subject)
    sentences: Mapping[str, Message] = {
        alert_raising.TAMPERED: _l("The ledger of %(code)s was tampered with.", code=code),
        alert_raising.OUTSIDE: _l("Records of %(code)s were changed in the database outside the panel.", code=code),
        alert_raising.UNVERIFIED: _l("The ledger of %(code)s could not be verified.", code=code),
        alert_raising.REFUSED: _l("Nothing is signed over the ledger of %(code)s.", code=code),
        alert_raising.CONTRADICTED: _l("A witness knows another history of the ledger of %(code)s.", code=code),
        alert_raising.OPENED: _l("Two people closed the ledger of %(code)s and opened its next generation.", code=code),
        alert_raising.RECOVERED: _l("What is held outside the database was lost, and begun anew by two people."),
        alert_raising.UNSIGNED: _l("Checkpoints could not be signed."),
        alert_raising.CLOCK: _l(
            "The server's clock was changed, or is not right: entries are not sealed more than a day ahead."
        ),
        alert_raising.WAITING: _l("Entries of the ledger of %(code)s wait too long for their checkpoint.", code=code),
        alert_raising.RETURNED: _l(
            "Persons who had been erased were in the database again, and were erased once more."
        ),
        alert_raising.UNFINISHED: _l("The list of erasures and the database do not agree."),
        alert_raising.UNSTAMPED: _l("The time stamping authority gave no stamp that counts."),
        alert_raising.INVITED: _l(
            "On the server itself a one-time link was made for the system administrator %(user)s.", user=subject
        ),
        alert_raising.BEHIND: _l("Entries are not passed on in time to %(sink)s.", sink=subject),
        alert_raising.UNSENT: _l("E-mails wait to be sent for longer than a quarter of an hour."),
        alert_raising.LOST: _l("Entries that were passed on to %(sink)s are gone from there.", sink=subject),
        alert_raising.LIMIT: _l(
            "The account %(account)s revealed or searched as often as is allowed within an hour.", account=subject
        ),
        alert_raising.UNCONSENTED: _l(
            "%(code)s sent data to another institution without consent, on a legal ground.", code=code
        ),
        alert_raising.UNUSUAL: _l("The account %(account)s signed in in an unusual way.", account=subject),
        alert_raising.TRIES: _l(
            "Many wrong passwords or codes were tried for the account %(account)s.", account=subject
        ),
        alert_raising.UNKNOWN: _l("Many user names that nobody has were tried."),
        alert_raising.MISSED: _l("A scheduled job did not run when it was due: %(job)s.", job=job),
        alert_raising.FAILED: _l("A scheduled job failed: %(job)s.", job=job),
    }
    told = str(sentences.get(kind, f"{kind} {subject or ''}".strip()))
    if kind in (alert_raising.TAMPERED, alert_raising.REFUSED) and first_broken is not None:
        told += " " + _("The first broken entry is number %(seq)s.", seq=first_broken)
    return told

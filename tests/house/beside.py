"""Tables of the database that the ledger does not capture: compared with it, or why nothing of them need be."""

from __future__ import annotations

COMPARED = frozenset(
    {
        "itm.clock", "itm.installation", "public.account_address", "public.alembic_version", "public.alert",
        "public.case_counter", "public.job_run", "public.verification_request",
    }
)  # fmt: skip
"""By itm.beside_the_ledger and ledger/alert_rows.py: a row that somebody altered is a finding."""

NOT_COMPARED = {
    "public.account_session": "opens nothing without the web server's key; an ended one is opened again by its cookie "
    "alone, which the browser threw away, for twelve hours at most, and each act in it is an entry",
    "public.editing": "who has a form open, for a quarter of an hour: a hint to colleagues",
    "public.form_answer": "sealed with keys that the database does not have; kept for an hour",
    "public.login_throttle": "digests of tries, each of which is an entry; fewer rows only mean more tries",
    "public.mail": "words about changes that are captured; a link goes to the account's own address alone, which is",
    "public.saved_view": "a person's own filters, which the page shows",
    "public.submission": "which record a form made: whoever is led there must be allowed to see it",
}
"""An alteration of these misleads nobody about a record, a look or a verdict."""

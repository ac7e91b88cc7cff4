"""Tables of the database that the ledger does not capture: compared with it, or why nothing of them need be."""

from __future__ import annotations

COMPARED = frozenset(
    {
        "itm.clock", "itm.installation", "itm.kept", "itm.protected", "public.account_address",
        "public.alembic_version", "public.alert", "public.case_counter", "public.job_run",
        "public.verification_request",
    }
)  # fmt: skip
"""By itm.beside_the_ledger, itm.registers_otherwise and ledger/alert_rows.py: an altered row is a finding."""

NOT_COMPARED = {
    "itm.act_session": "the session of an act; the act and its actor are captured, with the session or without",
    "itm.command_door": "what a command may for an hour: only the owner's login could write a false row",
    "itm.counted_try": "tries of minutes: a false one is judged by the password that is kept, which is captured",
    "itm.door": "keys of salts and claims: a false one keeps people out, or needs the rights that it would give",
    "itm.due_renewal": "which digest is renewed in this transaction: a false row alone renews none, it takes a claim",
    "itm.key_rotation": "which key is being replaced: a false row makes values unreadable, and shows none; each value "
    "that a replacement writes is captured",
    "itm.own_proof": "proofs of minutes: a false row alone changes no password, it takes a claim and a factor",
    "itm.proposal": "columns that tables are made like; nothing reads a row of it",
    "itm.record": "columns that tables are made like; nothing reads a row of it",
    "itm.side": "columns that tables are made like; nothing reads a row of it",
    "public.account_session": "digests of secrets that only browsers have; an ended one is opened again by its cookie "
    "alone, which the browser threw away, and each act in it is an entry",
    "public.api_key_secret": "digests of secrets; one that was put there opens what its key does, and each use is an "
    "entry in the name of the key and of its person",
    "public.code_tries": "fewer wrong codes only mean more tries, each of which is an entry",
    "public.editing": "who has a form open, for a quarter of an hour: a hint to colleagues",
    "public.form_answer": "sealed with keys that the database does not have; kept for an hour",
    "public.former_password": "digests of passwords that count no more: a lost one may be chosen again",
    "public.known_device": "a browser that strangers' tries do not delay; it opens nothing",
    "public.login_throttle": "digests of tries, which entries tell of or count; fewer rows only mean more tries",
    "public.mail": "words about changes that are captured; a link goes to the account's own address alone, which is",
    "public.passkey_challenge": "random numbers for minutes: a passkey signs the one that the browser was sent",
    "public.provider_message": "digests of what a provider sent once; what is older is refused by its own time",
    "public.provider_session": "which session a provider's sign-out ends; a lost row only leaves it to its own end",
    "public.referral_content": "sealed for the receiver; its digest is in both ledgers, and compared at each look",
    "public.saved_view": "a person's own filters, which the page shows",
    "public.sign_in_tally": "refused tries of a quarter of an hour, the first of which is an entry already",
    "public.submission": "the record that a form made: a person who is led there must be allowed to see it",
}
"""An alteration of these misleads nobody about a record, a look or a verdict."""

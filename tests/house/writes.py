"""The columns that each login may write, each with a reason: a test refuses a grant without one.

Columns of an INSERT or UPDATE, `*` for all of them. A login may write a column only because its rows, policies and
triggers hold something: each reason names it.
"""

from __future__ import annotations

_RECORD = (
    "status opened_on closed_on closure_reason province referral_source exploitation_types industry confidentiality"
    " shared lead_institution_id data_key narrative_enc closure_note_enc hold_reason unit_id deleted_at deletion_reason"
    " lowering_reason"
)
_PERSON = (
    "gender citizenships language age_band is_child birth_precision data_key given_name_enc family_name_enc"
    " birth_date_enc tckn_enc ykn_enc passport_enc phone_enc email_enc address_enc guardian_enc index_terms hold_reason"
    " deleted_at deletion_reason"
)
_PROFILE = (
    "trafficking_status status_decision_maker recruitment_methods control_methods age_when_trafficked"
    " relation_to_trafficker sex_exploitation_enc health_enc needs_enc deleted_at deletion_reason"
)

TABLES: dict[str, dict[tuple[str, str], tuple[str, str]]] = {
    "itm_app": {
        ("itm.indexed", "INSERT"): ("*", "the upkeep, which is nobody's account, keeps its place; captured"),
        ("itm.indexed", "UPDATE"): ("*", "the upkeep, which is nobody's account, keeps its place; captured"),
        ("itm.installation", "INSERT"): ("*", "what the installation is for: one row, which nothing changes"),
        ("access_change", "INSERT"): ("*", "an auditor's end or new password is asked for: change_asked stamps it"),
        ("access_change", "UPDATE"): ("state", "somebody independent decides: change_decided"),
        ("access_note", "INSERT"): (
            "id institution_id account_id kind record purpose words",
            "the own reason for a look at a record in sight",
        ),
        ("account", "INSERT"): ("*", "managers and administrators add people; stamped, without sign-in or epoch"),
        ("account", "UPDATE"): ("*", "the own address and language; others by those who manage them: account_rules"),
        ("account_session", "UPDATE"): ("why", "the own session ends, and stays ended: session_rules"),
        ("alert", "INSERT"): (
            "kind severity subject detail",
            "the web server tells of a missed job or signature alone",
        ),
        ("alert", "UPDATE"): ("acknowledged_at acknowledged_by", "a supervisor or auditor dealt with it: alert_rules"),
        ("case_assignment", "INSERT"): ("*", "assigning is decided by its policy; times are the database's"),
        ("case_assignment", "UPDATE"): ("ended_at", "an assignment ends, once, now"),
        ("case_file", "INSERT"): ("*", "a case of the own units begins alive, with a number of the database's"),
        ("case_file", "UPDATE"): (_RECORD, "case_work, and the rules of holding, lowering, closing and deleting"),
        ("case_person", "INSERT"): ("*", "a person in sight is put into a case in sight: link_rules"),
        ("case_person", "UPDATE"): ("deleted_at deletion_reason", "out of a case by a manager, and nobody is lost"),
        ("credential", "INSERT"): ("*", "the own password, while signing in alone"),
        ("credential", "UPDATE"): ("*", "the own password and failed tries, while signing in alone"),
        ("draft", "INSERT"): ("*", "what the person typed, sealed; captured"),
        ("draft", "UPDATE"): ("*", "what the person typed, sealed; captured"),
        ("draft", "DELETE"): ("", "what the person typed, sealed; captured"),
        ("editing", "INSERT"): ("*", "the person's own hint to colleagues"),
        ("editing", "UPDATE"): ("*", "the person's own hint to colleagues"),
        ("editing", "DELETE"): ("", "the person's own hint to colleagues"),
        ("form_answer", "INSERT"): ("*", "the person's own kept page, sealed, for an hour at most"),
        ("form_answer", "DELETE"): ("", "the person's own kept page"),
        ("grant_approval", "INSERT"): (
            "id institution_id grant_id approver_id approver_institution_id",
            "a person approves under the own name: approver_is_actor",
        ),
        ("institution", "INSERT"): ("*", "a supervisor registers; before there is one, the machine"),
        ("institution", "UPDATE"): ("*", "a supervisor changes the register; code, kind and the last one stay"),
        ("institution_key", "INSERT"): ("*", "one wrapped key for each new institution, never changed"),
        ("invitation", "INSERT"): ("*", "a link by those who manage the account: invitation_rules stamps it"),
        ("invitation", "UPDATE"): ("*", "a link is used with its secret or withdrawn: invitation_rules"),
        ("ledger_decision", "INSERT"): (
            "id institution_id kind reason first_seq last_seq",
            "a supervisor proposes; who and when are the database's",
        ),
        ("ledger_decision", "UPDATE"): ("decision", "a national auditor decides; who and when are the database's"),
        ("known_device", "DELETE"): ("", "the person's own browser is forgotten"),
        ("mail", "INSERT"): (
            "id institution_id account_id kind about invitation_id language",
            "a link that the person has just made goes to its owner: mail_rules writes the address",
        ),
        ("person", "INSERT"): ("*", "a person begins alive, in a case when the transaction ends"),
        ("person", "UPDATE"): (_PERSON, "person_work, and the rules of the circle, holding, deleting and erasing"),
        ("role_grant", "INSERT"): ("*", "roles that one may give, to others: separation_of_roles"),
        ("role_grant", "UPDATE"): ("*", "a grant is approved or ended, never rewritten: separation_of_roles"),
        ("saved_view", "INSERT"): ("*", "the person's own"),
        ("saved_view", "UPDATE"): ("label opens", "the person's own"),
        ("saved_view", "DELETE"): ("", "the person's own"),
        ("submission", "INSERT"): ("*", "the key of what the person sent"),
        ("submission", "UPDATE"): ("record", "the record that came of it, which is shown to those who see it"),
        ("submission", "DELETE"): ("", "the person's own, after a week"),
        ("unit", "INSERT"): ("*", "a manager's; a new institution's root by the one who registers it: unit_tree"),
        ("unit", "UPDATE"): ("parent_id name province", "a manager's: one tree, whose root stays"),
        ("verification_request", "INSERT"): (
            "holder level requested_by",
            "an auditor's own wish, of a ledger in reach",
        ),
        ("victim_profile", "INSERT"): ("*", "of a person in sight; only the Presidency identifies: profile_rules"),
        ("victim_profile", "UPDATE"): (_PROFILE, "of a person in sight; only the Presidency identifies: profile_rules"),
    },
    "itm_signer": {
        ("alert", "INSERT"): ("*", "it finds what is wrong; each is an event"),
        ("alert", "UPDATE"): ("*", "it renews an alert or says that it is over; each is an event"),
        ("draft", "DELETE"): ("", "of more than a week"),
        ("form_answer", "DELETE"): ("", "past their hour"),
        ("job_run", "INSERT"): ("*", "its own runs, compared with their events"),
        ("job_run", "UPDATE"): ("*", "its own runs, compared with their events"),
        ("ledger_decision", "UPDATE"): ("carried_out_at outcome", "it carries out what two people decided"),
        ("mail", "UPDATE"): ("address detail due_at tries sent_at", "it sends, and forgets what it sent: mail_stays"),
        ("verification_request", "INSERT"): ("*", "the scheduler's own rounds"),
        ("verification_request", "UPDATE"): ("*", "how far it came; compared with the ledger's verdicts"),
    },
    "itm_purger": {},
}

FUNCTIONS: dict[str, dict[str, str]] = {
    "itm_app": {
        "audit.append": "events of its own kinds, in the name that the panel says; the login is the database's",
        "audit.hashes": "no content: what proofs are made of, of ledgers in reach",
        "itm.age_days": "of a person whom the caller sees",
        "itm.audits": "a yes or no about an account that the caller names by id",
        "itm.case_turns": "changes of a case's state, to those who see the case",
        "itm.cases_that_tell": "which of the named cases of the own institution hold something, asked by an erasure",
        "itm.differences": "for auditors, of ledgers in reach, and columns that are about no person",
        "itm.enter": "proves the person of the session whose secret the caller has",
        "itm.end_session": "ends the session whose secret the caller has",
        "itm.me": "the person of the session whose secret the caller has",
        "itm.open_session": "the own account's; a session that it replaces is the own and open",
        "itm.session_seen": "moves the last act of the session whose secret the caller has",
        "itm.erase_person": "a manager's, of a person in sight without a hold; the register says what goes",
        "itm.grant_end_keeps_last": "asks whether one of the kind is left; writes nothing",
        "itm.count_try": "a try is counted or has to wait, while signing in alone; digests go in, seconds come out",
        "itm.device_known": "the own account's browser, by its secret",
        "itm.has_old_digests": "a yes or no about all accounts together",
        "itm.note_sign_in": "the own account's browser, while signing in alone",
        "itm.own_passwords": "the own digests, while signing in alone",
        "itm.take_back_try": "a right try is taken back, while signing in alone",
        "itm.tallies_over": "refusals that are counted become entries, while signing in alone",
        "itm.tally_try": "a refusal is counted, while signing in alone",
        "itm.has_password": "a yes or no about an account that the caller names by id",
        "itm.names_inside_for_audit": "auditors: the ids of records that a record's name names, to tell them as seen",
        "itm.hold_on": "yes or no: a hold on a record of the own institution, for the form that may not empty it",
        "itm.holders": "colleagues of the own institution by role, to assign",
        "itm.institution_keys": "the wrapped keys of the institution at work, as its row is read anyway",
        "itm.key_owners": "ids in the institution at work, while the owner's login has a replacement open",
        "itm.is_beginning": "whether the installation has begun",
        "itm.is_independent": "a yes or no about two accounts that the caller names by id",
        "itm.is_no_raiser": "a yes or no about two accounts that the caller names by id",
        "itm.is_ordinary": "a yes or no about an account that the caller names by id",
        "itm.is_proposed": "a yes or no about an account that the caller names by id",
        "itm.is_unstamped": "a yes or no, for the pages' banner",
        "itm.lock_for_erasure": "rows that a manager erases are locked in one order; others lock nothing",
        "itm.link_is_used": "a yes or no about a link that the caller names by id",
        "itm.my_cases": "the caller's own assignments",
        "itm.named": "for auditors, of institutions in reach: references and pseudonyms to ids",
        "itm.names_of_kept_for_audit": "for auditors, of institutions in reach: what records by itm.keep are called",
        "itm.names_for_audit": "for auditors, of institutions in reach: ids to references and pseudonyms",
        "itm.newest_entries": "ids and times in the own ledger; the entries are read again under their policies",
        "itm.open_critical_alerts": "a count, for readiness",
        "itm.open_ledger": "a trigger's: a new institution has its ledger",
        "itm.parts_for_audit": "for auditors, of institutions in reach: ids of a record's parts",
        "itm.renew_values": "what is filled is written anew, while the owner's login has a replacement open",
        "itm.renewed_until": "its own place in a replacement that the owner's login has open",
        "itm.roles_at_stake": "role names of a change that the caller may decide",
        "itm.seconds_to_wait": "the caller's own measure, from the ledger",
        "itm.sealed_values": "what is sealed under one key, while the owner's login has a replacement open",
        "itm.sees_person": "whether the caller sees somebody",
        "itm.switch_key": "once in a replacement that the owner's login has opened",
        "itm.days_changed": "whether this transaction changed a case's day",
        "itm.tell_of_limit": "an alert about the caller, only when the limit is reached",
        "itm.unsigned_entries": "sizes and ages of what is not signed, for readiness",
        "itm.upgrades": "when the schema was changed, and by which version",
        "itm.waits": "a yes or no about an account that the caller names by id",
        "itm.write_age": "the age band of a person whom the caller may change, as the birth date says",
    },
    "itm_signer": {
        "audit.append": "events of its own kinds",
        "audit.hashes": "no content",
        "audit.mark_sink": "its own",
        "audit.move_sink": "only forward",
        "audit.name_sinks": "its own",
        "audit.put_tile": "hashes that are computed from the leaves",
        "audit.record_checkpoints": "what it signed",
        "audit.record_cosignatures": "what witnesses signed",
        "audit.record_timestamp": "what an authority stamped",
        "audit.record_verification": "what it found; a full verification reads it again",
        "audit.row_states": "digests of rows, never their values",
        "audit.state_key": "which key signs, as an event",
        "audit.tell_of_sink": "its own",
        "itm.alive_again": "those on the list outside who live again",
        "itm.beside_the_ledger": "rows that say otherwise than the ledger",
        "itm.confirm_clock": "a clock that a person confirmed",
        "itm.erase_again": "only destroys, whom the list outside names",
        "itm.erased_persons": "ids, for the list outside",
        "itm.mail_token": "the digest of a link that it sends, once",
        "itm.open_generation": "as two people decided",
        "itm.registers_otherwise": "where a register and the triggers disagree: names, no values",
        "itm.tell_version": "the schema's version, as an event",
        "itm.unsigned_entries": "sizes and ages of what is not signed",
        "itm.upgrades": "when the schema was changed, and by which version",
    },
    "itm_purger": {
        "itm.purge": "as two people decided, past the retention time",
        "itm.purgeable": "how far the retention time is over",
        "itm.purges": "what two people decided",
    },
}
"""Functions that run as their owner and that a login may call."""

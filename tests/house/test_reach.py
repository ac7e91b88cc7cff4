"""The policies and functions that half a session and the own scope (`login`) reach: each has a reason here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from sqlalchemy import Connection

from tests.conftest import Database
from tests.house import reach

HALF_POLICIES = {
    "access_change.lost_at_second_step": "the page says that lost factors were ended",
    "account_session.session_at_second_step": "its own row",
    "account_session.session_is_left": "its own row: left, for no other reason",
    "passkey_challenge.challenge_at_second_step": "the question that a passkey answers",
    "recovery_codes.codes_at_second_step": "how many are left",
    "recovery_codes.first_codes": "with the first factor: own_factor_is_fresh refuses it to who has one",
    "recovery_codes.first_codes_anew": "the same, after lost factors",
    "second_factor.factor_at_second_step": "the factors that may be shown",
    "second_factor.first_factor": "the first one is set up: own_factor_is_fresh refuses it to who has one",
    "second_factor.first_factor_anew": "one that was begun gives way: own_factor_is_fresh, as above",
}
LOGIN_POLICIES = {
    "access_change.change_own": "what was changed about the own access",
    "account.account_edit": "the own address after the own password, title and language: account_rules",
    "account.account_own": "the own account",
    "account_session.session_own": "the own sessions, which are left",
    "api_key.key_end": "a key for which one is responsible is ended",
    "api_key.key_read": "a key for which one is responsible",
    "consent_text.consent_text_read": "the texts of consent, which hold nothing about anybody",
    "external_identity.identity_own": "the own identities at providers",
    "external_identity.identity_unlink": "an own identity is unlinked: identity_changes",
    "form_answer.form_answer_own": "the own kept pages, sealed",
    "identity_provider.provider_known": "the providers that there are",
    "institution.register_read": "the register of institutions",
    "institution_pair.pair_read": "public halves of institutions' keys, to seal for them",
    "invitation.invitation_own": "the own link's times, never its secret",
    "known_device.device_forget": "an own browser is forgotten",
    "known_device.device_own": "the own browsers",
    "passkey_challenge.challenge_own": "the own questions for a passkey",
    "provider_binding.binding_known": "which institutions a provider vouches for",
    "provider_session.provider_session_own": "the own sessions of providers",
    "recovery_codes.codes_own": "the own recovery codes: anew after a fresh factor",
    "role_grant.grant_own": "the own roles",
    "saved_view.view_own": "the own filters",
    "second_factor.factor_own": "the own factors: changed after a fresh one",
    "submission.submission_own": "keys of forms that were sent",
    "unit.unit_read": "the names of the own institution's units",
}
NOBODYS_POLICIES = {
    "alert.alert_notice": "a missed job, of which nobody may be at work to tell: notice_rules",
    'audit."timestamp".app_reads': "of ledgers in sight, of which there are none",
    "audit.checkpoint.app_reads": "of ledgers in sight, of which there are none",
    "audit.cosignature.app_reads": "of ledgers in sight, of which there are none",
    "audit.key.app_reads": "public keys",
    "audit.tile.app_reads": "of ledgers in sight, of which there are none",
    "audit.verification.app_reads": "of ledgers in sight, of which there are none",
    "itm.installation.everybody": "real data or a demonstration",
    "job_run.job_read": "runs of the scheduler",
}
HALF_FUNCTIONS = {
    "itm.change_own_password": "nothing: it asks for the scope login, which it is not in",
    "itm.code_wait": "seconds until another code",
    "itm.code_was_wrong": "a wrong code counts",
    "itm.factor_shown": "a right code or passkey, with a claim of the web server",
    "itm.institution_keys": "the wrapped key under which apps' secrets are sealed",
    "itm.keep_anew": "today's parameters, with a claim, in the transaction that judged the password",
    "itm.name_provider_session": "the provider's session of the one that has just begun",
    "itm.open_session": "this session becomes whole, with a claim of the web server",
    "itm.revealed_here": "nothing: it asks for the account at work, which there is none",
    "itm.take_key": "nothing: it asks for the account at work, which there is none",
    "itm.count_own": "nothing: it asks for the account at work, which there is none",
    "itm.confirm": "nothing: it asks for the account at work, which there is none",
    "itm.provider_link": "nothing: it asks for the scope login, which it is not in",
    "itm.answer_key": "nothing: it asks for the account at work, which there is none",
    "itm.use_recovery_code": "a recovery code, which proves itself",
    "itm.write_counted": "refused tries of this person that were counted become entries",
}
LOGIN_FUNCTIONS = {
    "itm.answer_key": "yes or no of who is to be responsible for a key, after a fresh factor",
    "itm.change_own_password": "after a fresh factor, the present password, and with a claim of the web server",
    "itm.code_wait": "the own seconds",
    "itm.code_was_wrong": "the own wrong code",
    "itm.confirm": "yes or no about the own password, after a counted try",
    "itm.count_own": "a try of the own password is counted",
    "itm.count_wrong_key": "a wrong key is counted for anybody",
    "itm.device_known": "the own browser",
    "itm.factor_shown": "the own factor, with a claim of the web server",
    "itm.is_beginning": "yes or no",
    "itm.keep_anew": "the own digest, with a claim, in the transaction that judged it",
    "itm.name_provider_session": "the provider's session of the one that has just begun",
    "itm.note_sign_in": "the own browser is known from now on",
    "itm.open_session": "the own session goes on, with a claim of the web server",
    "itm.own_salts": "the own salts",
    "itm.provider_link": "an own identity, with a claim of the web server and a factor",
    "itm.refuse_provider": "a refusal at a provider, with a claim of the web server",
    "itm.renewed_until": "nothing: it asks for a replacement of keys, which no account has open",
    "itm.revealed_here": "the own reveals of this session",
    "itm.seconds_to_wait": "the own limit of reveals",
    "itm.take_key": "the digest of a secret of an own key, after a fresh factor",
    "itm.use_recovery_code": "an own recovery code",
    "itm.write_counted": "refused tries of this person that were counted become entries",
}
ELSEWHERE = r"itm\.(institution|manages|approves|national|everywhere|units)\(|'(institution|audit|oversight|accounts)'"


@pytest.fixture(scope="module")
def superuser(shared_database: Database) -> Iterator[Connection]:
    with shared_database.engine("superuser").connect() as connection:
        yield connection


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (reach.NOBODY, NOBODYS_POLICIES),
        (reach.HALF, {**NOBODYS_POLICIES, **HALF_POLICIES}),
        (reach.LOGIN, {**NOBODYS_POLICIES, **LOGIN_POLICIES}),
    ],
    ids=["nobody", "half a session", "the own scope"],
)
def test_the_policies_that_open_something_have_a_reason(
    superuser: Connection, facts: Mapping[str, str], expected: Mapping[str, str]
) -> None:
    assert reach.policies(superuser, facts) == set(expected)


@pytest.mark.parametrize(
    ("names", "elsewhere", "expected"),
    [
        (r"itm\.at_second_step\(\)|itm\.session\(\)", "(?!)", HALF_FUNCTIONS),
        (r"'login'|itm\.account\(\)|itm\.session\(\)", ELSEWHERE, LOGIN_FUNCTIONS),
    ],
    ids=["half a session", "the own scope"],
)
def test_the_functions_that_know_who_is_there_have_a_reason(
    superuser: Connection, names: str, elsewhere: str, expected: Mapping[str, str]
) -> None:
    assert reach.functions(superuser, names, elsewhere) == set(expected)

"""The values of a change that auditors see: those that are not about a person, column by column.

Auditors see of every entry that something changed, by whom, and in which columns. Each covered column is in one of the
lists below; an unlisted one is hidden. Inside an institution the record's own row-level security decides instead.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import select

from itm_admin.assurance.ledger_queries import AnyRow, AnySession
from itm_admin.foundation import tenancy
from itm_admin.foundation.roles import AUDIT, OVERSIGHT
from itm_admin.oversight import board

_PLACE = frozenset({"id", "institution_id", "deleted_at", "deletion_reason"})
_HOLD = frozenset({"held_at", "hold_reason"})

SHOWN: Mapping[str, frozenset[str]] = {
    "case": _PLACE | _HOLD | {"reference", "shared", "lead_institution_id"},
    "person": _PLACE | _HOLD | {"pseudonym", "erased_at", "erasure_ground"},
    "case_person": _PLACE | {"case_id", "person_id"},
    "victim_profile": _PLACE | {"case_person_id"},
    "consent": _PLACE | {"person_id", "state", "given_on", "withdrawn_on"},
    "referral_draft": _PLACE | {"person_id", "case_id", "state", "sent_at"},
    "referral": _PLACE
    | {
        "common", "party", "other_institution_id", "act", "shared", "state", "sent_at", "due_at", "answered_at",
        "ended_at", "ground", "sealed_sha256", "told", "draft_id", "person_id", "case_id", "consents",
    },
    "consent_text": _PLACE | {"purpose", "language", "number", "body", "yes", "no", "unit_id", "sensitivity"},
    "case_assignment": frozenset({"id", "institution_id", "case_id", "account_id", "assigned_at", "ended_at"}),
    "account": frozenset({"id", "institution_id", "unit_id", "username", "title", "language", "active", "epoch"}),
    "credential": frozenset({"account_id", "institution_id", "locked_until"}),
    "second_factor": frozenset({"id", "institution_id", "account_id", "kind", "confirmed_at", "ended_at"}),
    "recovery_codes": frozenset({"account_id", "institution_id", "made_at"}),
    "identity_provider": frozenset(
        {"id", "institution_id", "kind", "issuer", "code", "name_tr", "name_en", "client", "acr", "amr", "ended_at"}
    ),
    "provider_binding": frozenset(
        {"id", "institution_id", "provider_id", "trusts_factor", "arrivals", "password", "ended_at"}
    ),
    "external_identity": frozenset(
        {"id", "institution_id", "account_id", "provider_id", "how", "linked_at", "ended_at"}
    ),
    "invitation": frozenset({"id", "institution_id", "account_id", "created_by", "expires_at", "used_at"}),
    "role_grant": frozenset({"id", "institution_id", "account_id", "role", "unit_id", "state"}),
    "grant_approval": frozenset(
        {"id", "institution_id", "grant_id", "approver_id", "approver_institution_id", "approved_at"}
    ),
    "access_change": frozenset(
        {
            "id", "institution_id", "account_id", "kind", "state", "invitation_id", "grant_id", "created_by",
            "decided_at", "decided_by", "reason",
        }
    ),
    "api_key": frozenset(
        {
            "id", "institution_id", "account_id", "name", "scopes", "networks", "expires_at", "secret_at",
            "overlap_until", "ended_at", "ended_by", "why", "wanted_scopes", "wanted_networks", "wanted_until",
            "wanted_at", "wanted_by",
        }
    ),
    "access_note": frozenset({"id", "institution_id", "account_id", "kind", "record", "purpose"}),
    "institution": frozenset(
        {"id", "code", "name_tr", "name_en", "kind", "member_from", "member_to", "votes", "status", "k_threshold"}
    ),
    "institution_key": frozenset({"institution_id"}),
    "institution_pair": frozenset({"id", "institution_id"}),
    "unit": frozenset({"id", "institution_id", "parent_id", "name", "province"}),
    "ledger_decision": frozenset(
        {
            "id", "institution_id", "kind", "reason", "first_seq", "last_seq", "proposed_at", "proposed_by",
            "proposer_institution_id", "decided_at", "decided_by", "decider_institution_id", "decision",
            "carried_out_at", "outcome",
        }
    ),
    "access_limit": frozenset({"action", "per_hour"}),
    "person_index": frozenset({"institution_id", "form", "up_to"}),
    "draft": frozenset({"id", "institution_id", "account_id", "form"}),
}  # fmt: skip
"""Values that auditors see of every record."""

OF_SHARED: Mapping[str, frozenset[str]] = {
    "case": frozenset(
        {
            "status", "opened_on", "closed_on", "closure_reason", "province", "referral_source", "exploitation_types",
            "industry", "confidentiality", "unit_id",
        }
    ),
}  # fmt: skip
"""Values that auditors see while the institution shares the case: those of its page (oversight_case)."""

ABOUT_A_PERSON: Mapping[str, frozenset[str]] = {
    "case": frozenset({"sensitivity", "data_key", "narrative_enc", "closure_note_enc", "lowering_reason"}),
    "person": frozenset(
        {
            "gender", "citizenships", "language", "age_band", "is_child", "birth_precision", "data_key",
            "given_name_enc", "family_name_enc", "birth_date_enc", "tckn_enc", "ykn_enc", "passport_enc", "phone_enc",
            "email_enc", "address_enc", "guardian_enc", "index_terms", "sensitivity", "unit_id",
        }
    ),
    "case_person": frozenset({"role", "sensitivity", "unit_id", "age_band", "is_child"}),
    "victim_profile": frozenset(
        {
            "trafficking_status", "status_decision_maker", "recruitment_methods", "control_methods",
            "age_when_trafficked", "relation_to_trafficker", "sex_exploitation_enc", "health_enc", "needs_enc",
            "sensitivity", "unit_id",
        }
    ),
    "consent": frozenset(
        {
            "purpose", "answer", "expires_on", "ends_of_age", "recipients", "kinds", "institutions", "scopes", "form",
            "language", "text_version", "guardian_kind", "guardian_suspected", "interpreter_enc", "guardian_enc",
            "paper_enc", "withdrawal_reason", "sensitivity", "unit_id",
        }
    ),
    "referral_draft": frozenset(
        {"receiver_id", "services", "urgency", "scopes", "ground", "words_enc", "sensitivity", "unit_id"}
    ),
    "referral": frozenset(
        {
            "service", "urgency", "reject_reason", "withdrawal_reason", "end_reason", "outcome", "scopes", "fields",
            "consent_ends", "sensitivity", "unit_id",
        }
    ),
    "account": frozenset({"first_name", "last_name", "email"}),
    "credential": frozenset({"password_hash"}),
    "external_identity": frozenset({"subject", "shown_name"}),
    "second_factor": frozenset({"name", "data_key", "sealed", "credential", "public_key"}),
    "recovery_codes": frozenset({"digests"}),
    "invitation": frozenset({"token_digest"}),
    "access_note": frozenset({"words"}),
    "institution_key": frozenset({"wrapped"}),
    "institution_pair": frozenset({"public_sealed", "data_key", "private_sealed"}),
}  # fmt: skip
"""Values that no auditor sees. The fact that they changed is shown."""

WITHHELD = {"withheld": True}
"""Replaces the values of a column that the reader may not see."""


def limited() -> bool:
    """True if the reader sees changes without values about a person."""
    return tenancy.current().scope in (AUDIT, OVERSIGHT)


def shared_among(session: AnySession, rows: Sequence[AnyRow]) -> frozenset[str]:
    """Cases among these entries' targets that are shared now; queried only if it matters."""
    cases = {row.target_id for row in rows if row.target_kind == "case" and row.via != "append" and row.target_id}
    if not cases or not limited():
        return frozenset()
    found = session.scalars(select(board.case.c.id).where(board.case.c.id.in_(cases)))
    return frozenset(map(str, found))


def columns(session: AnySession, kind: str, id: str) -> frozenset[str]:
    """The columns of this record whose values auditors see."""
    seen = SHOWN.get(kind, frozenset())
    if kind in OF_SHARED and session.scalar(select(board.case.c.id).where(board.case.c.id == id)) is not None:
        seen |= OF_SHARED[kind]
    return seen


def shown_content(content: Mapping[str, Any], kind: str | None, id: str | None, shared: Collection[str]) -> Any:
    """The content without the values that this reader may not see."""
    changes = content.get("changes")
    if not limited() or not isinstance(changes, Mapping):
        return content
    seen = SHOWN.get(kind or "", frozenset())
    if id in shared:
        seen |= OF_SHARED.get(kind or "", frozenset())
    told = {
        name: change if name in seen or (isinstance(change, Mapping) and change.get("private")) else WITHHELD
        for name, change in changes.items()
    }
    return {**content, "changes": told}

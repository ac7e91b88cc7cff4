"""The verifier names each alteration of a bundle, and its place."""

from __future__ import annotations

import pytest

from tests.audit.archive_attacks import BROKEN
from tests.audit.bundle_attacks import SIZES, Case, cases, once, ordered
from tests.audit.evidence import bundle, report, summary


@pytest.mark.parametrize("case", list(once(SIZES)))
def test_an_attack_is_told_for_what_it_is_and_where(case: Case) -> None:
    verdict, assurance, place, kinds = summary(report(case.forged()))
    expected = case.expected()
    assert (verdict, assurance, place) == expected[:3]
    assert expected[3] is None or ordered(kinds) == expected[3]


@pytest.mark.parametrize("broken", BROKEN)
def test_what_is_no_bundle_tells_nothing(broken: str) -> None:
    forge, why = BROKEN[broken]
    found = report(forge(bundle(20)))
    assert (found.verdict, found.assurance, found.first_broken) == ("cannot tell", "unsigned", None)
    assert [each.kind for each in found.findings] == ["unread"]
    assert why in found.findings[0].detail


@pytest.mark.parametrize(
    ("attack", "detail"),
    [
        ("file-policy-removed", "policy.txt is not there"),
        ("file-more", "timestamps/more.tsr is not in the manifest"),
        ("file-order", "the files are in another order than the manifest's"),
        ("file-policy-not-as-said", "policy.txt is not what the manifest says"),
    ],
)
def test_a_file_that_is_not_as_the_manifest_has_it_is_named(attack: str, detail: str) -> None:
    forged = next(case for case in cases((9,)) if case.attack.name == attack).forged()
    assert [finding.detail for finding in report(forged).findings] == [detail]

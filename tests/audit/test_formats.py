"""The formats are final: these values were worked out once, by hand, and never change."""

from __future__ import annotations

import hashlib

import pytest

from audit import event, leaf


def test_a_frame_is_six_lines_and_nothing_else() -> None:
    framed = leaf.frame("itm-x/ledger/JGK/1", 7, "2026-01-02T03:04:05.000006Z", bytes(32), b"\xff" * 32)
    assert framed == (
        b"itm-ledger-entry/v1\nitm-x/ledger/JGK/1\n7\n2026-01-02T03:04:05.000006Z\n"
        b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n//////////////////////////////////////////8=\n"
    )


def test_the_leaf_hash_is_the_rfc_6962_hash_of_the_frame() -> None:
    parts = ("itm-x/ledger/JGK/1", 0, "2026-01-02T03:04:05.000006Z", leaf.EMPTY, b"\x01" * 32)
    assert leaf.leaf_hash(*parts) == hashlib.sha256(b"\x00" + leaf.frame(*parts)).digest()
    assert leaf.leaf_hash(*parts).hex() == "90e9f3f63f723c17e92be4f30d17e7a3b17eb0e8be6a5df2ad58570fb709a87c"


def test_the_commitment_covers_the_salt_and_the_exact_characters() -> None:
    assert event.commitment(b"s" * 32, '{"ğ":1}') == hashlib.sha256(b"s" * 32 + '{"ğ":1}'.encode()).digest()
    assert event.commitment(b"s" * 32, '{"ğ":1}') != event.commitment(b"s" * 32, '{"ğ": 1}')


@pytest.mark.parametrize("content", ["", "[]", "{}", "null", '{"actor": 1}', "[" * 100_000])
def test_content_that_is_no_event_says_so(content: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        event.derived(content)

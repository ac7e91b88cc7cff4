"""RFC 5424 messages and RFC 6587 frames, by value."""

from __future__ import annotations

import pytest

from audit import syslog


def test_a_message_is_as_rfc_5424_has_it() -> None:
    made = syslog.message(5, "2026-11-24T09:00:00.123456Z", "host.example", "itm", "record.read", '{"a":1}')
    assert made == b'<109>1 2026-11-24T09:00:00.123456Z host.example itm - record.read - {"a":1}'


def test_a_frame_counts_octets() -> None:
    assert syslog.counted(b"<109>1 x") == b"8 <109>1 x"


def test_words_of_the_header_stay_within_their_bounds() -> None:
    made = syslog.message(6, "-", "ho st\n", "", "ü" * 40, "x").decode()
    assert made == f"<110>1 - ho?st? - - {'?' * 32} - x"


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "a\0b", "ü"])
def test_a_text_that_a_receiver_could_take_for_two_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="one line"):
        syslog.message(6, "-", "h", "a", "m", text)

"""Numbers have one limit for both verifiers, in every spelling."""

from __future__ import annotations

from base64 import b64encode

import pytest

from audit import canonical_json
from audit.canonical_json import LineError
from audit.checkpoint import Checkpoint, CheckpointFormatError
from audit.key import Algorithm, SigningKey
from audit.note import cosign
from audit.numerals import MAX_LITERAL, MAX_NUMBER, MAX_TIME, decoder, whole


@pytest.mark.parametrize(("literal", "value"), [("0.0", 0), ("1e3", 1000), ("7", 7), (str(MAX_NUMBER), MAX_NUMBER)])
def test_a_whole_number_is_one_however_it_is_written(literal: str, value: int) -> None:
    assert whole(decoder().decode(literal)) == value


@pytest.mark.parametrize(
    "literal", ["-0", "-0.0", "-1", "0.5", str(MAX_NUMBER + 1), "1e400", "true", '"1"', "null", "1" * MAX_LITERAL]
)
def test_anything_else_is_none(literal: str) -> None:
    with pytest.raises((ValueError, OverflowError)):
        whole(decoder().decode(literal))


@pytest.mark.parametrize("literal", ["9" * (MAX_LITERAL + 1), "0." + "1" * MAX_LITERAL, "9" * 5_000])
def test_a_literal_that_is_too_long_is_no_json(literal: str) -> None:
    with pytest.raises(LineError):
        canonical_json.loaded(f'{{"a": {literal}}}')
    assert canonical_json.loaded(f'"{literal}"') == literal, "text may be as long as it likes"


def test_a_size_beyond_what_every_language_keeps_is_no_checkpoint() -> None:
    root = b64encode(bytes(32)).decode()
    assert Checkpoint.parse(f"a\n{MAX_NUMBER}\n{root}\n").size == MAX_NUMBER
    for size in (MAX_NUMBER + 1, 2**60, 2**63 - 1):
        with pytest.raises(CheckpointFormatError):
            Checkpoint.parse(f"a\n{size}\n{root}\n")


def test_a_cosignature_of_a_time_after_the_year_9999_is_none() -> None:
    key = SigningKey.generate("witness.example", Algorithm.COSIGNATURE)
    text = "a\n1\nx\n"
    assert key.verifier.verify(text, cosign(text, key, MAX_TIME).value) == MAX_TIME
    for time in (MAX_TIME + 1, 2**63, 2**64 - 1):
        with pytest.raises(ValueError, match="after the year 9999"):
            key.verifier.verify(text, cosign(text, key, time).value)

"""Encryption: a value opens at its own place under its own key, and nothing about it leaks."""

from __future__ import annotations

import base64
import pickle
import re
import uuid
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from itm_admin.foundation.config import Settings
from itm_admin.foundation.encryption import Key, Keyring, Place, bucket
from itm_admin.foundation.errors import CannotDecrypt, NotFound
from itm_admin.foundation.tenancy import Context, acting, current

HERE = uuid.UUID(int=1)
THERE = uuid.UUID(int=2)
PLACE = Place(HERE, "person", uuid.UUID(int=3), "tckn_enc")


def test_a_value_opens_where_it_was_sealed() -> None:
    key = Key(b"k" * 32)
    assert key.open_text(PLACE, key.seal_text(PLACE, "Şahin 𝒳 محمد")) == "Şahin 𝒳 محمد"


def test_the_format_is_a_version_a_nonce_the_padded_value_and_a_tag() -> None:
    stored = Key(b"k" * 32).seal(PLACE, b"abc")
    assert stored[0] == 2
    assert len(stored) == 1 + 12 + 128 + 16


def test_the_length_tells_no_name() -> None:
    """Every name, number, date and telephone has one length; longer texts have few."""
    key = Key(b"k" * 32)
    names = ["İ", "Ay", "Işıl Şimşek", "Muhammed Abdülkerim", "Ğ" * 63, "12345678901", "a@b.example", "x" * 127]
    assert {len(key.seal_text(PLACE, name)) for name in names} == {1 + 12 + 128 + 16}
    assert len({bucket(size) for size in range(20_000)}) < 12


@given(st.binary(max_size=5000))
def test_a_padded_value_opens_as_it_was_whatever_it_ends_with(value: bytes) -> None:
    key = Key(b"k" * 32)
    assert key.open(PLACE, key.seal(PLACE, value)) == value


def test_a_value_of_an_earlier_release_is_opened_and_its_version_cannot_be_exchanged() -> None:
    nonce = b"n" * 12
    earlier = b"\x01" + nonce + AESGCM(b"k" * 32).encrypt(nonce, "Şahin".encode(), PLACE.bound())
    key = Key(b"k" * 32)
    assert key.open_text(PLACE, earlier) == "Şahin"
    for stored, version in ((earlier, b"\x02"), (key.seal_text(PLACE, "Şahin"), b"\x01")):
        with pytest.raises(CannotDecrypt):
            key.open(PLACE, version + stored[1:])


def test_the_same_value_never_looks_the_same_twice() -> None:
    key = Key(b"k" * 32)
    assert key.seal(PLACE, b"abc") != key.seal(PLACE, b"abc")


@pytest.mark.parametrize(
    "elsewhere",
    [
        Place(THERE, PLACE.table, PLACE.row, PLACE.column),
        Place(HERE, "case_file", PLACE.row, PLACE.column),
        Place(HERE, PLACE.table, THERE, PLACE.column),
        Place(HERE, PLACE.table, PLACE.row, "ykn_enc"),
    ],
)
def test_a_ciphertext_moved_to_another_place_does_not_open(elsewhere: Place) -> None:
    key = Key(b"k" * 32)
    with pytest.raises(CannotDecrypt):
        key.open(elsewhere, key.seal(PLACE, b"12345678901"))


def test_another_key_opens_nothing() -> None:
    with pytest.raises(CannotDecrypt):
        Key(b"x" * 32).open(PLACE, Key(b"k" * 32).seal(PLACE, b"abc"))


@given(st.integers(min_value=0, max_value=31), st.integers(min_value=1, max_value=255))
def test_one_changed_byte_anywhere_is_noticed(position: int, flip: int) -> None:
    key = Key(b"k" * 32)
    stored = bytearray(key.seal(PLACE, b"abc"))
    stored[position % len(stored)] ^= flip
    with pytest.raises(CannotDecrypt):
        key.open(PLACE, bytes(stored))


@given(st.binary(max_size=64))
def test_rubbish_never_opens_and_never_fails_otherwise(rubbish: bytes) -> None:
    with pytest.raises(CannotDecrypt):
        Key(b"k" * 32).open(PLACE, rubbish)


@given(st.lists(st.text(max_size=6), min_size=2, max_size=2), st.lists(st.text(max_size=6), min_size=2, max_size=2))
def test_no_two_places_share_their_associated_data(one: list[str], other: list[str]) -> None:
    left = Place(HERE, one[0], HERE, one[1]).bound()
    right = Place(HERE, other[0], HERE, other[1]).bound()
    assert (left == right) == (one == other)


def test_bytes_that_are_no_text_are_refused_as_well() -> None:
    key = Key(b"k" * 32)
    with pytest.raises(CannotDecrypt):
        key.open_text(PLACE, key.seal(PLACE, b"\xff\xfe"))


def test_a_failure_names_the_place_and_no_value() -> None:
    with pytest.raises(CannotDecrypt) as failure:
        Key(b"k" * 32).open(PLACE, b"\x01" + b"SECRETSECRETSECRETSECRETSECRETSECRET")
    assert failure.value.place == str(PLACE)
    assert "SECRET" not in repr(failure.value) + str(failure.value)
    assert failure.value.__cause__ is None


def test_keys_show_nothing_of_themselves_and_cannot_be_pickled() -> None:
    ring = Keyring(b"m" * 32)
    keys = ring.unwrap(HERE, ring.new_institution_key(HERE))
    for holder in (ring, keys, Key(b"k" * 32)):
        assert not re.search("mmm|kkk|b'", repr(holder))
        with pytest.raises(TypeError):
            pickle.dumps(holder)


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Key(b"short")


def test_an_institutions_key_is_bound_to_the_institution_and_the_master_key() -> None:
    ring = Keyring(b"m" * 32)
    wrapped = ring.new_institution_key(HERE)
    with pytest.raises(CannotDecrypt):
        ring.unwrap(THERE, wrapped)
    with pytest.raises(CannotDecrypt):
        Keyring(b"n" * 32).unwrap(HERE, wrapped)


def test_a_records_key_is_bound_to_its_record() -> None:
    ring = Keyring(b"m" * 32)
    keys = ring.unwrap(HERE, ring.new_institution_key(HERE))
    wrapped, key = keys.new_record_key("person", PLACE.row)
    assert keys.record_key("person", PLACE.row, wrapped).open(PLACE, key.seal(PLACE, b"abc")) == b"abc"
    for table, row in (("person", THERE), ("case_file", PLACE.row)):
        with pytest.raises(CannotDecrypt):
            keys.record_key(table, row, wrapped)


def test_a_destroyed_record_key_opens_nothing() -> None:
    ring = Keyring(b"m" * 32)
    keys = ring.unwrap(HERE, ring.new_institution_key(HERE))
    with pytest.raises(CannotDecrypt):
        keys.record_key("person", PLACE.row, None)


def test_each_use_has_a_key_of_its_own_and_each_institution_too() -> None:
    ring = Keyring(b"m" * 32)
    wrapped = ring.new_institution_key(HERE)
    keys, again, other = (
        ring.unwrap(HERE, wrapped),
        ring.unwrap(HERE, wrapped),
        ring.unwrap(THERE, ring.new_institution_key(THERE)),
    )
    assert keys.derive("a") == again.derive("a")
    assert len({keys.derive("a"), keys.derive("b"), other.derive("a")}) == 3


class _Keys:
    """Stands for the table of wrapped keys, and counts how often it was asked."""

    def __init__(self, ring: Keyring) -> None:
        self.no_autoflush = nullcontext()
        self.held: dict[uuid.UUID, bytes] = {one: ring.new_institution_key(one) for one in (HERE, THERE)}

    def execute(self, _statement: object) -> SimpleNamespace:
        wrapped = self.held.get(current().institution or uuid.UUID(int=0))
        return SimpleNamespace(one_or_none=lambda: wrapped and (wrapped, None, 1, 1, False))


def test_the_keyring_gives_only_the_keys_of_the_institution_at_work() -> None:
    ring = Keyring(b"m" * 32)
    table = _Keys(ring)
    with acting(Context(scope="institution", institution=HERE)):
        assert ring.of_institution(table).institution == HERE  # type: ignore[arg-type]
    for context in (
        Context(),
        Context(scope="oversight", institution=HERE),
        Context(scope="audit", institution=HERE),
        Context(scope="institution", institution=uuid.UUID(int=9)),
    ):
        with acting(context), pytest.raises(NotFound):
            ring.of_institution(table)  # type: ignore[arg-type]


def test_an_institutions_keys_are_unwrapped_once_and_the_memory_is_bounded() -> None:
    ring = Keyring(b"m" * 32, capacity=1)
    table, seen = _Keys(ring), []
    for institution in (HERE, HERE, THERE, HERE):
        with acting(Context(scope="institution", institution=institution)):
            seen.append(ring.of_institution(table))  # type: ignore[arg-type]
    assert [seen[0] is seen[1], seen[0] is seen[3]] == [True, False]


def test_the_keyring_is_made_from_the_settings_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(base64.b64encode(b"m" * 32))
    (tmp_path / "key").chmod(0o600)
    ring = Keyring.from_settings(Settings(master_key_file=tmp_path / "key"))
    assert ring.unwrap(HERE, Keyring(b"m" * 32).new_institution_key(HERE)).institution == HERE

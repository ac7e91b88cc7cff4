"""Notes and keys are read in one spelling or not at all, and written back unchanged."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from audit import keyfile, note
from audit.key import Algorithm, KeyFormatError, SigningKey, VerifierKey
from audit.keyfile import KeyRefused
from audit.note import Note, NoteFormatError, Signature, SignatureError
from tests.audit.go.questions import LOG, NEXT, STRANGER, TIME, WITNESS, cosigned_checkpoint

WHOLE = bytes(cosigned_checkpoint())
NAMES = st.text(min_size=1, max_size=12).filter(
    lambda name: not any(c.isspace() or c in "+" or c < " " or "\ud800" <= c <= "\udfff" for c in name)
)


def key_id(number: int) -> bytes:
    return number.to_bytes(4, "big")


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good note with a few bytes changed, removed, repeated or put in."""
    data = bytearray(WHOLE)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        until = draw(st.integers(at, min(len(data), at + 4)))
        data[at:until] = draw(st.binary(max_size=4) | st.sampled_from([b"\n", b"\n\n", "— ".encode(), b"=", b" "]))
    return bytes(data)


@settings(max_examples=1500, deadline=None)
@given(mutated() | st.binary(max_size=200) | st.text(alphabet="— \nA=+/a", max_size=60).map(str.encode))
@example(WHOLE)
def test_what_is_read_as_a_note_is_written_back_the_same_and_the_rest_is_refused(data: bytes) -> None:
    try:
        read = note.parse(data)
    except NoteFormatError:
        return
    assert bytes(read) == data
    try:
        found = note.verified(read, [LOG.verifier, WITNESS.verifier])
    except SignatureError:
        return
    assert read.text == cosigned_checkpoint().text
    assert {each.signature for each in found} <= set(cosigned_checkpoint().signatures)


@given(st.text(max_size=40), NAMES)
def test_any_text_that_a_note_can_hold_is_opened_again(text: str, name: str) -> None:
    key = SigningKey(name, b"\x09" * 32)
    try:
        signed = note.sign(text + "\n", key)
    except ValueError:
        assert any((c < " " and c != "\n") or "\ud800" <= c <= "\udfff" for c in text)
        return
    read = note.parse(bytes(signed))
    assert read == signed
    assert note.verified(read, [key.verifier])[0].key == key.verifier


@pytest.mark.parametrize("text", ["", "x", "x\ny", "a\tb\n", "\x00\n", "x\r\n", "\ud800\n"])
def test_text_that_no_note_can_hold_is_not_signed(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        note.sign(text, LOG)


def test_a_note_of_the_largest_size_is_read_and_a_byte_more_is_not() -> None:
    room = note.MAX_BYTES - len(bytes(note.sign("\n", LOG)))
    assert note.parse(bytes(note.sign("x" * room + "\n", LOG)))
    with pytest.raises(NoteFormatError, match="bytes"):
        note.sign("x" * (room + 1) + "\n", LOG)


def test_a_hundred_signatures_are_read_and_one_more_is_not() -> None:
    lines = [str(Signature("a", key_id(number), b"s")) for number in range(101)]
    assert len(note.signature_lines("".join(lines[:100]))) == 100
    with pytest.raises(NoteFormatError, match="signatures"):
        note.signature_lines("".join(lines))


def test_a_signature_of_a_key_id_alone_is_none() -> None:
    with pytest.raises(NoteFormatError, match="content"):
        note.signature_lines("— a AAAAAA==\n")


def test_a_later_signature_takes_the_place_of_an_earlier_one_by_the_same_key() -> None:
    whole = cosigned_checkpoint()
    later = note.cosign(whole.text, WITNESS, TIME + 60)
    renewed = whole.with_signatures([later])
    assert renewed.signatures == (whole.signatures[0], later)
    assert {each.time for each in note.verified(renewed, [LOG.verifier, WITNESS.verifier])} == {None, TIME + 60}


@pytest.mark.parametrize("number", range(len(WHOLE.split(b"\n")[0]) * 8))
def test_no_bit_of_the_origin_can_change(number: int) -> None:
    data = bytearray(WHOLE)
    data[number // 8] ^= 1 << number % 8
    with pytest.raises(ValueError, match=r"."):
        note.verified(note.parse(bytes(data)), [LOG.verifier])


def test_signatures_of_one_kind_do_not_pass_for_the_other() -> None:
    seed, text = b"\x05" * 32, cosigned_checkpoint().text
    log, witness = SigningKey("one", seed), SigningKey("one", seed, Algorithm.COSIGNATURE)
    assert log.verifier.id != witness.verifier.id
    # A note whose text is what a witness signs is not its cosignature under the log's key, and the reverse.
    with pytest.raises(ValueError, match="length"):
        log.verifier.verify(text, witness.cosign(text, 1))
    with pytest.raises(ValueError, match="not a signature"):
        witness.verifier.verify(text, bytes(8) + log.sign(text))
    with pytest.raises(ValueError, match="signs no notes"):
        witness.sign(text)
    with pytest.raises(ValueError, match="only a witness"):
        log.cosign(text, 1)


def test_two_known_keys_of_one_name_and_id_are_refused() -> None:
    class Twin(VerifierKey):
        @property
        def id(self) -> bytes:
            return LOG.verifier.id

    with pytest.raises(SignatureError, match="two keys"):
        note.verified(cosigned_checkpoint(), [LOG.verifier, Twin(LOG.name, bytes(32))])


@pytest.mark.parametrize("key", [LOG, NEXT, WITNESS, STRANGER, SigningKey("güneş", bytes(32))])
def test_keys_come_back_from_their_text(key: SigningKey) -> None:
    assert VerifierKey.parse(str(key.verifier)) == key.verifier
    assert SigningKey.parse(key.secret_text) == key
    assert key.seed.hex() not in repr(key)
    assert repr(key.seed) not in repr(key)


def test_a_keys_id_is_worked_out_as_c2sp_says() -> None:
    """The example of Go's package documentation."""
    peter = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    assert VerifierKey.parse(peter).id.hex() == "c74f20a3"
    said = (
        "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
        "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    )
    assert note.verified(note.parse(said.encode()), [VerifierKey.parse(peter)])


KEY = str(LOG.verifier)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        "++",
        KEY[:-1],
        KEY + "\n",
        KEY.upper(),
        KEY.replace("+", " "),
        "x" + KEY,
        KEY.replace("AY", "AZ"),
        "a+" + KEY,
        "a" * 1024 + KEY,
        f"itm\n{KEY}",
        "n+00000000+AA==",
        "n+00000000+====",
        "n+0000000g+AYqI",
        LOG.secret_text,
    ],
)
def test_no_other_text_is_a_verifier_key(text: str) -> None:
    with pytest.raises(KeyFormatError):
        VerifierKey.parse(text)


@given(st.text(alphabet=st.sampled_from(KEY + "\n =—"), max_size=80) | st.text(max_size=80))
def test_reading_garbage_as_a_key_raises_a_format_error(text: str) -> None:
    for parse in (VerifierKey.parse, SigningKey.parse):
        with pytest.raises(KeyFormatError):
            parse(text)


@pytest.mark.parametrize("name", ["", " ", "a b", "a+b", "a\u00a0b", "a\u2003", "a\n", "a\x00", "\ud800"])
def test_a_name_that_would_not_be_one_word_is_refused(name: str) -> None:
    with pytest.raises(KeyFormatError):
        SigningKey(name, bytes(32))


def test_a_key_file_is_made_for_its_owner_alone_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "signer"
    key = SigningKey.generate("itm-x")
    keyfile.create(path, key)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert keyfile.load(path) == key
    assert [each.name for each in path.parent.iterdir()] == ["signer"]


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    keyfile.create(tmp_path / "signer", LOG)
    with pytest.raises(FileExistsError):
        keyfile.create(tmp_path / "signer", NEXT)
    assert keyfile.load(tmp_path / "signer") == LOG
    assert [each.name for each in tmp_path.iterdir()] == ["signer"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o644, 0o777, 0o610])
def test_a_key_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "signer"
    keyfile.create(path, LOG)
    path.chmod(mode)
    with pytest.raises(KeyRefused, match="others may read it"):
        keyfile.load(path)


def _text(content: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(content)


@pytest.mark.parametrize(
    "make",
    [
        _text(""),
        _text(LOG.secret_text),
        _text(LOG.secret_text + "\n\n"),
        _text(str(LOG.verifier) + "\n"),
        _text(LOG.secret_text.replace("itm-0", "itm-1") + "\n"),
        _text("x" * 5000),
        lambda path: path.write_bytes(b"\xff\n"),
        lambda path: path.symlink_to("elsewhere"),
        lambda path: path.mkdir(),
    ],
)
def test_what_is_no_key_file_is_refused_and_its_content_is_not_told(
    tmp_path: Path, make: Callable[[Path], object]
) -> None:
    make(tmp_path / "signer")
    if not (tmp_path / "signer").is_symlink():
        (tmp_path / "signer").chmod(0o600)
    with pytest.raises(KeyRefused) as refused:
        keyfile.load(tmp_path / "signer")
    assert LOG.secret_text.split("+")[-1] not in str(refused.value)


def test_a_missing_key_file_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        keyfile.load(tmp_path / "signer")


def test_a_note_shows_its_text_then_a_blank_line_then_its_signatures() -> None:
    made = Note("a\nb\n", (Signature("n", key_id(1), b"s"),))
    assert bytes(made) == "a\nb\n\n— n AAAAAXM=\n".encode()

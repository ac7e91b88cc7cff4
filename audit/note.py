"""Signed notes: text, a blank line, and a line for each signature.

Promise: a note is read in one spelling or not at all, and is written back byte for byte. Text counts only after
`verified` has found a known key's signature. Source: C2SP signed-note. Knows no checkpoints.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from audit.key import SigningKey, VerifierKey, canonical, valid_name

MAX_BYTES = 1 << 17
MAX_SIGNATURES = 100
_DASH = "— "
_KEY_ID = 4


class NoteFormatError(ValueError):
    """The bytes are not a signed note."""


class SignatureError(ValueError):
    """A known key's signature is bad, or no known key signed."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line, not verified yet."""

    name: str
    key_id: bytes
    value: bytes

    def __str__(self) -> str:
        return f"{_DASH}{self.name} {b64encode(self.key_id + self.value).decode()}\n"

    def is_by(self, key: VerifierKey) -> bool:
        """True if its name and key id are this key's."""
        return (self.name, self.key_id) == (key.name, key.id)


@dataclass(frozen=True, slots=True)
class Note:
    """Text that ends in a newline, and its signatures, at most one by each key."""

    text: str
    signatures: tuple[Signature, ...]

    def __bytes__(self) -> bytes:
        return (self.text + "\n" + "".join(map(str, self.signatures))).encode()

    def with_signatures(self, more: Iterable[Signature]) -> Note:
        """The note with these signatures; each replaces an earlier one by the same key."""
        by_key = {(each.name, each.key_id): each for each in (*self.signatures, *more)}
        return Note(self.text, tuple(by_key.values()))


@dataclass(frozen=True, slots=True)
class Verified:
    """A valid signature; ``time`` in seconds since 1970 if it is a witness's."""

    key: VerifierKey
    signature: Signature
    time: int | None


def parse(data: bytes) -> Note:
    """Reads a note. Raises NoteFormatError unless it is a signed note in its only spelling."""
    if len(data) > MAX_BYTES:
        raise NoteFormatError(f"more than {MAX_BYTES} bytes")
    try:
        said = data.decode()
    except UnicodeDecodeError:
        raise NoteFormatError("not UTF-8") from None
    if any(character < " " and character != "\n" for character in said):
        raise NoteFormatError("a control character")
    text, blank, lines = said.rpartition("\n\n")
    if not blank:
        raise NoteFormatError("no blank line before the signatures")
    return Note(text + "\n", signature_lines(lines))


def signature_lines(lines: str) -> tuple[Signature, ...]:
    """Reads one or more signature lines. Raises NoteFormatError, also for two by one key."""
    *whole, rest = lines.split("\n")
    if rest or not whole:
        raise NoteFormatError("the last line does not end")
    if len(whole) > MAX_SIGNATURES:
        raise NoteFormatError(f"more than {MAX_SIGNATURES} signatures")
    signatures = tuple(map(_signature, whole))
    if len({(each.name, each.key_id) for each in signatures}) < len(signatures):
        raise NoteFormatError("two signatures by one key")
    return signatures


def sign(text: str, *keys: SigningKey) -> Note:
    """A note of this text, signed by each of these keys. Raises NoteFormatError if no note can hold the text."""
    signatures = [Signature(key.name, key.verifier.id, key.sign(text)) for key in keys]
    signed = Note(text, tuple(signatures))
    if parse(bytes(signed)) != signed:
        raise NoteFormatError("text that does not end in a newline")
    return signed


def cosign(text: str, key: SigningKey, time: int) -> Signature:
    """A witness's signature of a checkpoint's text."""
    return Signature(key.name, key.verifier.id, key.cosign(text, time))


def verified(note: Note, keys: Sequence[VerifierKey]) -> list[Verified]:
    """The signatures by known keys. Signatures by other keys are ignored, as C2SP asks.

    Raises SignatureError if one of them is bad, or there is none.
    """
    known = {(key.name, key.id): key for key in keys}
    if len(known) < len(set(keys)):
        raise SignatureError("two keys with one name and id")
    found = []
    for signature in note.signatures:
        key = known.get((signature.name, signature.key_id))
        if key is None:
            continue
        try:
            found.append(Verified(key, signature, key.verify(note.text, signature.value)))
        except ValueError as error:
            raise SignatureError(str(error)) from None
    if not found:
        raise SignatureError("no signature by a known key")
    return found


def _signature(line: str) -> Signature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not (line.startswith(_DASH) and space and valid_name(name)):
        raise NoteFormatError("not a signature line")
    try:
        decoded = canonical(encoded)
    except ValueError as error:
        raise NoteFormatError(str(error)) from None
    if len(decoded) <= _KEY_ID:
        raise NoteFormatError("a signature without content")
    return Signature(name, decoded[:_KEY_ID], decoded[_KEY_ID:])

"""Archives that are no bundles: broken, hiding something, or harmful to unpack; each with the reason of its refusal.

One table for every verifier.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO

from audit.bundle import MANIFEST
from audit.canonical_zip import Archive, ZipMember
from tests.audit.evidence import Parts, packed

CENTRAL, LOCAL, END = b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"


def _patched(find: bytes, offset: int, value: bytes, last: bool = False) -> Callable[[bytes], bytes]:
    """Overwrites bytes of a header."""

    def change(data: bytes) -> bytes:
        at = (data.rindex(find) if last else data.index(find)) + offset
        return data[:at] + value + data[at + len(value) :]

    return change


def _named(name: bytes) -> Callable[[bytes], bytes]:
    """The same archive with another name of the same length, in both headers."""
    return lambda data: data.replace(b"timestamps/presidency.tsr", name)


def _twice(data: bytes) -> bytes:
    """The list names one file two times."""
    start, end = data.index(CENTRAL), data.rindex(END)
    listed = data[start:end]
    first = listed[: 46 + struct.unpack_from("<H", listed, 28)[0]]
    return data[:start] + _end(listed + first, start, listed.count(CENTRAL) + 1)


def _repeated(data: bytes) -> bytes:
    """Two files have one name, each with headers that are in order."""
    return packed([*Parts.of(data).files.items(), (MANIFEST, b"another")])


def _gap(data: bytes) -> bytes:
    """Something lies between the files and their list, which says where it is itself."""
    start, end = data.index(CENTRAL), data.rindex(END)
    listed = data[start:end]
    return data[:start] + b"hidden" + _end(listed, start + 6, listed.count(CENTRAL))


def _longer_list(data: bytes) -> bytes:
    start, end = data.index(CENTRAL), data.rindex(END)
    listed = data[start:end]
    return data[:start] + listed + b"hidden" + _end(b"", 0, 0)[:8] + _counts(data, len(listed) + 6, start)


def _counts(data: bytes, size: int, start: int) -> bytes:
    count = data.count(CENTRAL)
    return struct.pack("<2H2LH", count, count, size, start, 0)


def _rebuilt(data: bytes, name: str, method: int, content: bytes, size: int, crc: int) -> bytes:
    """The archive with other packed bytes for one file, and headers that agree with each other."""
    body, central, members = b"", b"", Archive(BytesIO(data)).members.values()
    for member in members:
        start = member.offset + len(member.local())
        raw = data[start : start + member.packed]
        made = replace(member, offset=len(body))
        if member.name == name:
            raw, made = content, ZipMember(name, method, crc, len(content), size, len(body))
        body, central = body + made.local() + raw, central + made.central()
    return body + _end(central, len(body), len(members))


def _policy(method: int, pack: Callable[[bytes], bytes], size: int = 0, sum: int = 0) -> Callable[[bytes], bytes]:
    """The bundle's policy, packed in another way; its size and sum are off by so much."""

    def forge(data: bytes) -> bytes:
        content = Parts.of(data).files["policy.txt"]
        return _rebuilt(data, "policy.txt", method, pack(content), len(content) + size, zlib.crc32(content) ^ sum)

    return forge


def _deflated(content: bytes, end: int = zlib.Z_FINISH) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush(end)


def _end(central: bytes, start: int, count: int) -> bytes:
    return central + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(central), start, 0)


def _large(size: int, pack: Callable[[bytes], bytes], method: int, says: int | None = None) -> Callable[[bytes], bytes]:
    """A bundle whose policy unpacks to so many zeroes, and says so, or says less."""

    def forge(data: bytes) -> bytes:
        said = size if says is None else says
        return _rebuilt(data, "policy.txt", method, pack(bytes(size)), said, zlib.crc32(bytes(said)))

    return forge


BROKEN: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda data: b"", "not an archive"),
    "not-an-archive": (lambda data: b"%PDF-1.7" + bytes(100), "not an archive"),
    "cut-off-at-the-end": (lambda data: data[:-1], "cut off"),
    "cut-off-in-the-middle": (lambda data: data[: len(data) // 2], "cut off"),
    "something-before-it": (lambda data: b"#!/bin/sh\n" + data, "not where it says"),
    "something-after-it": (lambda data: data + b"\n", "not an archive"),
    "something-between": (lambda data: data[: data.rindex(END)] + b"x" + data[data.rindex(END) :], "not where it says"),
    "something-before-the-list": (_gap, "holds more than"),
    "something-in-the-list": (_longer_list, "holds more than"),
    "a-comment": (lambda data: data[:-2] + b"\x01\x00x", "not an archive"),
    "a-comment-that-is-not-there": (lambda data: data[:-2] + b"\x01\x00", "not an archive"),
    "more-disks": (_patched(END, 4, b"\x01\x00"), "not an archive"),
    "fewer-files-here-than-in-all": (_patched(END, 8, b"\x01\x00"), "not an archive"),
    "more-files-than-listed": (_patched(END, 8, b"\xff\xff\xff\xff"), "list of files is"),
    "a-list-elsewhere": (_patched(END, 16, b"\x00\x00\x00\x00"), "not where it says"),
    "encrypted": (_patched(CENTRAL, 8, b"\x01\x00"), "not written as a bundle is"),
    "encrypted-in-its-own-header": (_patched(LOCAL, 6, b"\x01\x00"), "two headers"),
    "a-link": (_patched(CENTRAL, 38, struct.pack("<L", 0o120777 << 16)), "not written as a bundle is"),
    "another-packing": (_policy(12, _deflated), "not written as a bundle is"),
    "a-name-upwards": (_named(b"../../../../../etc/passwd"), "a name that no bundle has"),
    "an-absolute-name": (_named(b"/etc/cron.d/presidency.ts"), "a name that no bundle has"),
    "a-windows-name": (_named(b"C:\\windows\\presidency.tsr"), "a name that no bundle has"),
    "a-name-with-a-zero": (_named(b"timestamps/presidency\x00tsr"), "a name that no bundle has"),
    "a-name-in-capitals": (_named(b"TIMESTAMPS/PRESIDENCY.TSR"), "a name that no bundle has"),
    "two-names-that-differ": (_patched(b"timestamps/presidency.tsr", 0, b"timestamps/presidencz.tsr"), "two headers"),
    "one-file-listed-twice": (_twice, "not written as a bundle is"),
    "one-name-twice": (_repeated, "a name that comes twice"),
    "another-sum": (_patched(CENTRAL, 16, b"\x00\x00\x00\x00"), "two headers"),
    "another-sum-in-both-headers": (_policy(8, _deflated, sum=1), "policy.txt: damaged"),
    "a-larger-size": (_patched(CENTRAL, 24, struct.pack("<L", 1 << 31)), "unpacks to more"),
    "another-offset": (_patched(CENTRAL, 42, b"\x01\x00\x00\x00"), "not written as a bundle is"),
    "packing-that-does-not-end": (_policy(8, lambda said: _deflated(said, zlib.Z_SYNC_FLUSH)), "policy.txt: damaged"),
    "packing-with-more-after-it": (_policy(8, lambda said: _deflated(said) + b"x"), "policy.txt: damaged"),
    "packing-that-is-none": (_policy(8, lambda said: b"\xff" * 20), "policy.txt: damaged"),
    "a-stored-file-of-another-size": (_policy(0, lambda said: said, size=1), "of another size"),
    "a-packed-file-that-says-more": (_policy(8, _deflated, size=1), "of another size"),
    "a-bomb": (_large(15 << 20, _deflated, 8), "unpacks to more"),
    "a-bomb-that-hides": (_large(15 << 20, _deflated, 8, says=100), ""),
    "a-file-that-is-too-large": (_large(17 << 20, lambda said: said, 0), "unpacks to more"),
}
"""Files that are no bundle at all, with the reason. A verifier says of each: cannot tell."""

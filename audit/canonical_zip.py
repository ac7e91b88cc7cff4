"""Zip archives of evidence bundles: one way to write an archive, and only that way is read.

Promise: an archive reads the same in every verifier, or not at all: members stand one after the other without gaps,
both headers agree, no name leaves the archive, nothing is encrypted, linked or read twice, and no member unpacks to
more than its header says, nor to more than 16 MiB. Knows bytes, not their meaning.
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

MAX_MEMBER = 16 << 20
MAX_RATIO = 100
"""Bytes that a packed byte may unpack to, beyond a member's first 64 KiB. What packs better is stored."""
_FREE = 1 << 16
MAX_MEMBERS = 0xFFFF
MAX_SIZE = 0xFFFFFFFF - (32 << 20)
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}(/[a-z0-9][a-z0-9-]{0,39})?\.[a-z]{1,8}", re.ASCII)

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_VERSION, _MADE_BY, _DAY, _PLAIN_FILE = 20, 0x0314, 0x21, 0o100644 << 16
STORED, DEFLATED = 0, 8


class ArchiveError(ValueError):
    """The bytes are not an archive in its only spelling."""


class ByteSink(Protocol):
    """A target for an archive's bytes; it need not support seeking."""

    def write(self, data: bytes, /) -> object: ...


@dataclass(frozen=True, slots=True)
class ZipMember:
    """A file's entry in the archive's directory. ``offset`` is the start of the file's own header."""

    name: str
    method: int
    crc: int
    packed: int
    size: int
    offset: int

    def local(self) -> bytes:
        fields = (_VERSION, 0, self.method, 0, _DAY, self.crc, self.packed, self.size, len(self.name), 0)
        return _LOCAL.pack(b"PK\x03\x04", *fields) + self.name.encode("ascii")

    def central(self) -> bytes:
        fields = (_MADE_BY, _VERSION, 0, self.method, 0, _DAY, self.crc, self.packed, self.size, len(self.name))
        end = (0, 0, 0, 0, _PLAIN_FILE, self.offset)
        return _CENTRAL.pack(b"PK\x01\x02", *fields, *end) + self.name.encode("ascii")


class Writer:
    """Writes an archive in a stream; memory holds one member and the list of names. `close` ends it."""

    def __init__(self, sink: ByteSink) -> None:
        self._sink, self._members, self._at = sink, list[ZipMember](), 0

    def add(self, name: str, content: bytes) -> None:
        """Adds a member. Raises ArchiveError if a reader would refuse it."""
        if not NAME.fullmatch(name) or len(content) > MAX_MEMBER or len(self._members) >= MAX_MEMBERS:
            raise ArchiveError(f"{name}: an archive cannot hold this")
        packer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
        packed, method = packer.compress(content) + packer.flush(), DEFLATED
        if len(packed) >= len(content) or not _plausible(len(packed), len(content)):
            packed, method = content, STORED
        if self._at + len(packed) > MAX_SIZE:
            raise ArchiveError("an archive holds at most 4 GiB: take a shorter range")
        member = ZipMember(name, method, zlib.crc32(content), len(packed), len(content), self._at)
        self._write(member.local())
        self._write(packed)
        self._members.append(member)

    def close(self) -> None:
        begin = self._at
        for member in self._members:
            self._write(member.central())
        count = len(self._members)
        self._write(_END.pack(b"PK\x05\x06", 0, 0, count, count, self._at - begin, begin, 0))

    def _write(self, data: bytes) -> None:
        self._sink.write(data)
        self._at += len(data)


class Archive:
    """Reads an archive member by member. Raises ArchiveError, and OSError of the file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.members = {member.name: member for member in _members(file)}

    def read(self, name: str) -> bytes:
        """A member's content, at most 16 MiB. Raises KeyError if no member has this name."""
        member = self.members[name]
        self._file.seek(member.offset)
        header = member.local()
        if self._file.read(len(header)) != header:
            raise ArchiveError(f"{name}: its two headers do not agree")
        content = _unpacked(member, self._file.read(member.packed))
        if zlib.crc32(content) != member.crc:
            raise ArchiveError(f"{name}: damaged")
        return content


def opened(path: Path) -> tuple[BinaryIO, Archive]:
    """Opens the archive at this path; the caller closes the file."""
    file = path.open("rb")
    try:
        return file, Archive(file)
    except BaseException:
        file.close()
        raise


def _members(file: BinaryIO) -> list[ZipMember]:
    length = file.seek(0, 2)
    if length < _END.size:
        raise ArchiveError("not an archive")
    file.seek(length - _END.size)
    mark, disk, first_disk, here, count, size, begin, comment = _END.unpack(file.read(_END.size))
    if mark != b"PK\x05\x06" or (disk, first_disk, comment) != (0, 0, 0) or here != count:
        raise ArchiveError("not an archive, or cut off")
    if begin + size + _END.size != length or size > count * (_CENTRAL.size + 96):
        raise ArchiveError("the archive's list of files is not where it says")
    file.seek(begin)
    listed, at, offset, found = file.read(size), 0, 0, list[ZipMember]()
    for _ in range(count):
        if offset > begin:  # no header can express such an offset
            raise ArchiveError("the archive's files do not fit into it")
        member = _member(listed, at, offset)
        found.append(member)
        at += len(member.central())
        offset += len(member.local()) + member.packed
    if at != len(listed) or offset != begin:
        raise ArchiveError("the archive holds more than its list of files says")
    if len({member.name for member in found}) < count:
        raise ArchiveError("a name that comes twice")
    return found


def _member(listed: bytes, at: int, offset: int) -> ZipMember:
    """Parses a header. Anything that this writer does not write is refused: links, encryption, extra fields."""
    if len(listed) < at + _CENTRAL.size:
        raise ArchiveError("the archive's list of files is cut off")
    fields = _CENTRAL.unpack_from(listed, at)
    name = listed[at + _CENTRAL.size : at + _CENTRAL.size + fields[10]].decode("latin-1")
    if not NAME.fullmatch(name):
        raise ArchiveError("a name that no bundle has")
    member = ZipMember(name, fields[4], fields[7], fields[8], fields[9], offset)
    written = member.central()
    if listed[at : at + len(written)] != written or member.method not in (STORED, DEFLATED):
        raise ArchiveError(f"{name}: not written as a bundle is")
    if member.size > MAX_MEMBER or not _plausible(member.packed, member.size):
        raise ArchiveError(f"{name}: unpacks to more than a bundle's file does")
    return member


def _plausible(packed: int, size: int) -> bool:
    return size <= _FREE + packed * MAX_RATIO


def _unpacked(member: ZipMember, packed: bytes) -> bytes:
    if member.method == STORED:
        content = packed
    else:
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            content = unpacker.decompress(packed, member.size + 1)
        except zlib.error:
            raise ArchiveError(f"{member.name}: damaged") from None
        if not unpacker.eof or unpacker.unused_data:
            raise ArchiveError(f"{member.name}: damaged")
    if len(content) != member.size:
        raise ArchiveError(f"{member.name}: of another size than it says")
    return content

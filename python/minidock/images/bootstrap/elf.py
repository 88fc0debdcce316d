"""What an ELF program needs before it can run: its loader and its shared libraries (elf(5)).

A dynamic program names two things in itself, and this module reads both without running anything (``ldd`` would *run*
the program's loader)::

    ELF header ──▶ program headers
                     PT_INTERP   "/lib64/ld-linux-x86-64.so.2"       the loader: the kernel starts it first
                     PT_LOAD     file offset ↔ address               to turn addresses into file offsets
                     PT_DYNAMIC  DT_NEEDED → "libc.so.6"             names, as offsets into a string table
                                 DT_RPATH, DT_RUNPATH → folders      where to look first
                                 DT_STRTAB, DT_STRSZ                 the string table

A static program has no PT_INTERP: the kernel jumps right into it, and it runs in an otherwise empty root.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable

import msgspec

from minidock.errors import InvalidArgument

_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NULL, _DT_NEEDED, _DT_STRTAB, _DT_STRSZ, _DT_RPATH, _DT_RUNPATH = 0, 1, 5, 10, 15, 29
#: The largest table of names or of dynamic entries that is read, in bytes: the biggest real ones have a few MiB.
_LIMIT = 64 << 20


class Elf(msgspec.Struct, frozen=True):
    """What a program or library says about itself; ``machine`` is the number of its processor (``EM_``…)."""

    bits: int
    machine: int
    interpreter: str | None = None
    needed: tuple[str, ...] = ()
    rpath: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()

    @property
    def static(self) -> bool:
        """It needs no other file."""
        return self.interpreter is None and not self.needed


class _Segment(msgspec.Struct, frozen=True):
    type: int
    offset: int
    address: int
    size: int


def read_elf(path: str) -> Elf:
    """Read the ELF file at *path*.

    :raises InvalidArgument: it is no ELF file, or a broken one.
    :raises OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        try:
            return _Reader(file.fileno()).read()
        except (struct.error, _BrokenElf) as broken:
            raise InvalidArgument(f"{path}: not a usable ELF file: {broken}") from broken


class _BrokenElf(Exception):
    """Something in the file contradicts the format."""


class _Reader:
    """Reads the few structures that matter; every offset comes from the file and is checked by what is read there."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        ident = os.pread(fd, 16, 0)
        if ident[:4] != b"\x7fELF" or len(ident) < 16 or ident[4] not in (1, 2) or ident[5] not in (1, 2):
            raise _BrokenElf("no ELF header")
        self.bits = 32 * ident[4]
        self.order = "<" if ident[5] == 1 else ">"

    def read(self) -> Elf:
        word = "I" if self.bits == 32 else "Q"
        _, machine, _, _, phoff, _, _, _, phentsize, phnum = self._unpack(f"HHI{word}{word}{word}IHHH", 16)
        segments = [self._segment(phoff + number * phentsize) for number in range(phnum)]
        interpreter = None
        for segment in segments:
            if segment.type == _PT_INTERP:
                interpreter = os.fsdecode(self._bytes(segment.offset, segment.size).rstrip(b"\0"))
        dynamic = [segment for segment in segments if segment.type == _PT_DYNAMIC]
        if not dynamic:
            return Elf(self.bits, machine, interpreter)
        entries = self._dynamic(dynamic[0])
        names = self._names(entries, segments)
        return Elf(
            self.bits,
            machine,
            interpreter,
            tuple(names(value) for tag, value in entries if tag == _DT_NEEDED),
            _folders(names(value) for tag, value in entries if tag == _DT_RPATH),
            _folders(names(value) for tag, value in entries if tag == _DT_RUNPATH),
        )

    def _segment(self, at: int) -> _Segment:
        if self.bits == 32:
            kind, offset, address, _, size = self._unpack("IIIII", at)
        else:
            kind, _, offset, address, _, size = self._unpack("IIQQQQ", at)
        return _Segment(kind, offset, address, size)

    def _dynamic(self, segment: _Segment) -> list[tuple[int, int]]:
        data = self._bytes(segment.offset, segment.size)
        pair = struct.Struct(self.order + ("iI" if self.bits == 32 else "qQ"))
        entries = []
        for tag, value in pair.iter_unpack(data[: len(data) - len(data) % pair.size]):
            if tag == _DT_NULL:
                break
            entries.append((tag, value))
        return entries

    def _names(self, entries: list[tuple[int, int]], segments: list[_Segment]) -> _Names:
        by_tag = dict(entries)
        address, size = by_tag.get(_DT_STRTAB), by_tag.get(_DT_STRSZ, 0)
        if address is None:
            return _Names(b"")
        for segment in segments:
            if segment.type == _PT_LOAD and segment.address <= address < segment.address + segment.size:
                return _Names(self._bytes(segment.offset + address - segment.address, size))
        raise _BrokenElf("its string table lies in no segment")

    def _unpack(self, layout: str, at: int) -> tuple[int, ...]:
        shape = struct.Struct(self.order + layout)
        return shape.unpack(self._bytes(at, shape.size))

    def _bytes(self, at: int, size: int) -> bytes:
        if size > _LIMIT or at >= 1 << 62:
            raise _BrokenElf("a table larger than any real one")
        data = os.pread(self.fd, size, at)
        if len(data) != size:
            raise _BrokenElf("it ends too early")
        return data


class _Names:
    """The string table: names that end with a zero byte, by their offset."""

    def __init__(self, table: bytes) -> None:
        self.table = table

    def __call__(self, offset: int) -> str:
        end = self.table.find(b"\0", offset)
        if end < 0:
            raise _BrokenElf("a name outside its string table")
        return os.fsdecode(self.table[offset:end])


def _folders(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(folder for path in paths for folder in path.split(":") if folder)

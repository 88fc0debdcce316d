"""One header block of a tar: where its fields are, and which dialect it speaks.

::

      0 name 100 | 100 mode 8 | 108 uid 8 | 116 gid 8 | 124 size 12 | 136 mtime 12 | 148 checksum 8 | 156 type
    157 link 100 | 257 magic 8 | 265 user 32 | 297 group 32 | 329 major 8 | 337 minor 8 | 345 prefix 155
    GNU:  386 four spans of 24 | 482 more spans follow | 483 real size 12

Source: POSIX ``pax``; tar(5); the GNU tar manual, "Tar Internals".
"""

from __future__ import annotations

from minidock.errors import InvalidArchive

MAX_I64 = (1 << 63) - 1
MAX_U64 = (1 << 64) - 1


def number(field: bytes) -> int | None:
    """Read a header's number: octal text, or GNU's base-256 for what is too large for that; blank means 0."""
    if field[:1] >= b"\x80":  # the top bit marks the form, the rest is a two's complement number
        bits = 8 * len(field) - 1
        value = int.from_bytes(field, "big") & ((1 << bits) - 1)
        value -= (value >> (bits - 1)) << bits
        return value if -MAX_I64 - 1 <= value <= MAX_I64 else None
    text = field.lstrip(b" ")
    digits = text.rstrip(b" \0")
    if digits.strip(b"01234567"):
        return None
    return int(digits or b"0", 8)


def decimal(text: bytes) -> int | None:
    """Read decimal digits and nothing else, at most 64 bits."""
    if not text or len(text) > 20 or text.strip(b"0123456789"):
        return None
    value = int(text)
    return value if value <= MAX_U64 else None


def time(text: bytes) -> tuple[int, int] | None:
    """Read seconds such as ``-12.5`` into whole seconds, rounded down, and nanoseconds."""
    negative = text.startswith(b"-")
    whole, _, fraction = text.removeprefix(b"-").partition(b".")
    seconds = decimal(whole)
    if seconds is None or seconds > MAX_I64 or fraction.strip(b"0123456789"):
        return None
    nanoseconds = int((fraction + b"0" * 9)[:9])
    total = seconds * 10**9 + nanoseconds
    return divmod(-total if negative else total, 10**9)


class Header:
    """A header block whose checksum is right.

    :raises InvalidArchive: it is not, or the magic is unknown.
    """

    def __init__(self, block: bytes) -> None:
        self.block = block
        unsigned = sum(block) - sum(block[148:156]) + 8 * 32
        high = sum(byte >= 0x80 for byte in block[:148]) + sum(byte >= 0x80 for byte in block[156:])
        if number(block[148:156]) not in (unsigned, unsigned - 256 * high):  # some old tars added signed bytes
            raise InvalidArchive("a header's checksum is wrong")
        magic = block[257:265]
        if magic == b"ustar  \0":
            self.dialect = "gnu"
        elif magic == b"ustar\x0000":
            self.dialect = "star" if block[508:] == b"tar\0" else "posix"
        elif magic.startswith(b"ustar"):
            raise InvalidArchive("a header has an unknown version")
        else:
            self.dialect = "v7"

    def natural(self, what: str, start: int, length: int) -> int:
        """Return a number that cannot be negative."""
        value = number(self.block[start : start + length])
        if value is None or value < 0:
            raise InvalidArchive(f"a header's {what} is no number")
        return value

    @property
    def flag(self) -> bytes:
        return self.block[156:157]

    @property
    def mode(self) -> int:
        return self.natural("mode", 100, 8) & 0o7777

    @property
    def uid(self) -> int:
        return self.natural("uid", 108, 8)

    @property
    def gid(self) -> int:
        return self.natural("gid", 116, 8)

    @property
    def size(self) -> int:
        return self.natural("size", 124, 12)

    @property
    def mtime(self) -> int:
        value = number(self.block[136:148])
        if value is None:
            raise InvalidArchive("a header's mtime is no number")
        return value

    @property
    def device(self) -> tuple[int, int]:
        return self.natural("major", 329, 8), self.natural("minor", 337, 8)

    @property
    def name(self) -> bytes:
        name = text(self.block[:100])
        end = {"posix": 500, "star": 476}.get(self.dialect, 345)
        prefix = text(self.block[345:end])
        return prefix + b"/" + name if prefix else name

    @property
    def link(self) -> bytes:
        return text(self.block[157:257])


def text(field: bytes) -> bytes:
    """Return the bytes up to the first NUL."""
    return field.partition(b"\0")[0]

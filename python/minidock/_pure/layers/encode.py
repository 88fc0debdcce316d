"""Header blocks for a new archive: ustar, and PAX records only for what does not fit."""

from __future__ import annotations

from minidock._pure.layers.pax import XATTR
from minidock._pure.layers.reader import MAX_OCTAL
from minidock._pure.layers.stream import BLOCK

MAX_ID = 0o7777777
FLAGS = {"file": b"0", "hardlink": b"1", "symlink": b"2", "char": b"3", "block": b"4", "dir": b"5", "fifo": b"6"}


def blocks(
    name: bytes,
    flag: bytes = b"0",
    mode: int = 0,
    uid: int = 0,
    gid: int = 0,
    size: int = 0,
    mtime: int = 0,
    link: bytes = b"",
    device: tuple[int, int] | None = None,
    xattrs: list[tuple[bytes, bytes]] | None = None,
) -> bytes:
    """Return the blocks that stand before an entry's data; *mtime* is in nanoseconds."""
    seconds, nanoseconds = divmod(mtime, 10**9)
    records = {
        b"path": name if len(name) > 100 else b"",
        b"linkpath": link if len(link) > 100 else b"",
        b"size": b"%d" % size if size > MAX_OCTAL else b"",
        b"uid": b"%d" % uid if uid > MAX_ID else b"",
        b"gid": b"%d" % gid if gid > MAX_ID else b"",
        b"mtime": _time(mtime) if nanoseconds or not 0 <= seconds <= MAX_OCTAL else b"",
    }
    pairs = [pair for pair in records.items() if pair[1]] + [(XATTR + key, value) for key, value in xattrs or ()]
    extra = b"".join(_record(key, value) for key, value in sorted(pairs))
    before = b""
    if extra:
        before = blocks(b"PaxHeader", b"x", 0o644, size=len(extra)) + extra + bytes(-len(extra) % BLOCK)
    fields = (
        name[:100].ljust(100, b"\0")
        + b"%07o\0%07o\0%07o\0" % (mode, uid if uid <= MAX_ID else 0, gid if gid <= MAX_ID else 0)
        + b"%011o\0%011o\0" % (size if size <= MAX_OCTAL else 0, seconds if 0 <= seconds <= MAX_OCTAL else 0)
        + b" " * 8
        + flag
        + link[:100].ljust(100, b"\0")
        + b"ustar\x0000"
        + bytes(64)
        + (b"%07o\0%07o\0" % device if device else b"")
    ).ljust(BLOCK, b"\0")
    return before + fields[:148] + b"%06o\0 " % sum(fields) + fields[156:]


def _time(mtime: int) -> bytes:
    """Return seconds with as many digits behind the point as are needed."""
    seconds, nanoseconds = divmod(abs(mtime), 10**9)
    return b"%s%s" % (b"-" if mtime < 0 else b"", (b"%d.%09d" % (seconds, nanoseconds)).rstrip(b"0").rstrip(b"."))


def _record(key: bytes, value: bytes) -> bytes:
    """Return one PAX record; its length counts its own digits."""
    rest = len(key) + len(value) + 3  # space, equals sign, newline
    length = rest + 1
    while length != rest + len(str(length)):
        length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)

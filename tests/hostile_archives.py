"""One table of hostile archives, for every door that an archive can come in by: layers, load, import, copies.

Each :class:`Hostile` builds one or more layers that are applied in their order to one folder. They are aimed at a
:class:`Lab`: a folder with the root to unpack into, a *victim* beside it, and a sibling whose name begins like the
root's. Whatever the outcome, nothing outside the root may change, down to inodes and times; and the outcome is the
stated one:

``invalid``
    InvalidArchive: the archive's bytes alone are enough to refuse it; a listing refuses it too.
``failed``
    StepFailed: the kernel, or the tree, has no such thing (a link to nothing, a loop).
``ok``
    accepted: what it wrote is inside the root, and ``inside`` says where.

``escapes`` marks those that a naive extractor falls for: the positive control is :mod:`tests.support.naive`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.tarlab import (
    BLOCK,
    BLOCKDEV,
    CHAR,
    FIFO,
    FILE,
    FOLDER,
    HARDLINK,
    SYMLINK,
    Fact,
    archive,
    entry,
    facts,
    gnu_long,
    gz,
    header,
    padded,
    pax,
    record,
)

FAST = "/dev/shm" if os.path.isdir("/dev/shm") else None


@dataclass(frozen=True)
class Lab:
    """Where an attack happens: ``top/root`` is unpacked into, all the rest of ``top`` must stay as it is."""

    top: Path

    @property
    def root(self) -> Path:
        return self.top / "s" / "root"

    @property
    def victim(self) -> Path:
        return self.top / "victim"

    def outside(self) -> dict[bytes, Fact]:
        """All that must not change."""
        seen = facts(self.top, inodes=True)
        return {path: fact for path, fact in seen.items() if path != b"s" and not path.startswith(b"s/root")} | {
            path: fact for path, fact in seen.items() if path.startswith(b"s/root-evil")
        }


@contextmanager
def lab() -> Iterator[Lab]:
    """Build a lab, on a memory file system where there is one; it is removed in the end."""
    top = Path(tempfile.mkdtemp(prefix="hostile-", dir=FAST))
    try:
        made = Lab(top)
        made.root.mkdir(parents=True)
        for folder in (made.victim, made.victim / "sub", top / "s" / "root-evil"):
            folder.mkdir()
            (folder / "hello").write_text("as it was\n")
            os.chmod(folder / "hello", 0o640)
            os.symlink("hello", folder / "link")
            os.setxattr(folder / "hello", "user.canary", b"sings")
        yield made
    finally:
        shutil.rmtree(top)


@dataclass(frozen=True)
class Hostile:
    """One attack; ``number`` is its number in the list of attacks, ``layers`` builds the blobs."""

    name: str
    number: int
    layers: Callable[[Lab], list[bytes]]
    outcome: str
    escapes: bool = False
    inside: Mapping[str, bytes] = field(default_factory=dict)
    absent: tuple[str, ...] = ()


def _one(*parts: bytes) -> Callable[[Lab], list[bytes]]:
    return lambda _: [archive(*parts)]


def _at(build: Callable[[str], list[bytes]]) -> Callable[[Lab], list[bytes]]:
    """Build one layer from the victim's absolute path."""
    return lambda lab: [archive(*build(str(lab.victim)))]


X = b"overwritten\n"


def _paths() -> Iterator[Hostile]:
    for name in ("../../victim/x", "/../../../victim/x", "a/../../../victim/x", "../root-evil/hello"):
        yield Hostile(
            f"goes up by {name}",
            1 + ("evil" in name),
            _one(entry("a", FOLDER), entry(name, data=X)),
            "invalid",
            name[:3] != "/..",
        )
    for name in ("..", "a/.."):
        yield Hostile(f"is {name}", 1, _one(entry(name, data=X)), "invalid")
    yield Hostile("a folder that goes up", 1, _one(entry("../../victim/sub", FOLDER, mode=0)), "invalid", True)
    yield Hostile("goes up in a PAX path", 1, _one(entry("x", data=X, pax={"path": "../../victim/x"})), "invalid", True)
    yield Hostile("goes up in a GNU name", 1, _one(gnu_long(b"../../victim/x"), entry("x", data=X)), "invalid", True)
    yield Hostile("an absolute name", 1, _at(lambda v: [entry(f"{v}/x", data=X)]), "ok", True)
    yield Hostile(
        "the root's own name", 1, _one(entry("/", FOLDER, mode=0o700), entry("x", data=X)), "ok", inside={"x": X}
    )


def _links() -> Iterator[Hostile]:
    up = "../../victim"

    def both(name: str, outcome: str, *after: bytes, number: int = 3, escapes: bool = True) -> Iterator[Hostile]:
        yield Hostile(
            f"{name}, absolute", number, _at(lambda v: [entry("d", SYMLINK, link=v), *after]), outcome, escapes
        )
        yield Hostile(f"{name}, relative", number, _one(entry("d", SYMLINK, link=up), *after), outcome, escapes)

    yield from both("a file through a link", "ok", entry("d/x", data=X))
    yield from both("a file over one behind a link", "ok", entry("d/hello", data=X))
    yield from both("a folder through a link", "ok", entry("d/new", FOLDER), entry("d/new/x", data=X))
    yield from both("a link through a link", "ok", entry("d/l", SYMLINK, link="hello"))
    yield from both("a fifo through a link", "ok", entry("d/p", FIFO))
    yield from both("a whiteout through a link", "ok", entry("d/.wh.hello"), number=6)
    yield from both("an opaque mark through a link", "ok", entry("d/.wh..wh..opq"), number=6)
    yield from both("a folder over a link", "ok", entry("d", FOLDER, mode=0), escapes=True)
    yield from both("a hard link through a link", "failed", entry("h", HARDLINK, link="d/hello"), number=5)
    yield Hostile(
        "through a chain of links",
        3,
        _one(
            entry("a", SYMLINK, link="b/c"),
            entry("b", SYMLINK, link="."),
            entry("c", SYMLINK, link=up),
            entry("a/x", data=X),
        ),
        "ok",
        True,
    )
    yield Hostile(
        "links that climb",
        3,
        _one(entry("u", SYMLINK, link=".."), entry("u2", SYMLINK, link="u/.."), entry("u2/victim/x", data=X)),
        "ok",
        True,
        inside={"victim/x": X},
    )
    yield Hostile(
        "a file over a link to a file",
        3,
        _one(entry("f", SYMLINK, link=f"{up}/hello"), entry("f", data=X)),
        "ok",
        True,
        inside={"f": X},
    )
    yield Hostile("a link that leads to itself", 3, _one(entry("l", SYMLINK, link="l"), entry("l/x", data=X)), "failed")
    yield Hostile(
        "a folder replaced by a link",
        4,
        _one(entry("d", FOLDER), entry("d/a", data=b"a"), entry("d", SYMLINK, link=up), entry("d/x", data=X)),
        "ok",
        True,
    )
    yield Hostile(
        "a folder replaced by a link in the next layer",
        4,
        lambda _: [
            archive(entry("d", FOLDER), entry("d/a", data=b"a")),
            archive(entry("d", SYMLINK, link=up)),
            archive(entry("d/x", data=X)),
        ],
        "ok",
        True,
    )
    yield Hostile(
        "a whiteout of a link",
        6,
        lambda _: [archive(entry("l", SYMLINK, link=up)), archive(entry(".wh.l"))],
        "ok",
        True,
        absent=("l",),
    )


def _hard_links() -> Iterator[Hostile]:
    up = "../../victim/hello"
    yield Hostile("a hard link up", 5, _one(entry("h", HARDLINK, link=up)), "invalid", True)
    yield Hostile(
        "a hard link up, then written", 5, _one(entry("h", HARDLINK, link=up), entry("h", data=X)), "invalid", True
    )
    yield Hostile("an absolute hard link", 5, _at(lambda v: [entry("h", HARDLINK, link=f"{v}/hello")]), "failed", True)
    yield Hostile(
        "a hard link to a link, then written",
        5,
        _one(entry("s", SYMLINK, link=up), entry("h", HARDLINK, link="s"), entry("h", data=X)),
        "ok",
        True,
        inside={"h": X},
    )
    yield Hostile(
        "a hard link to a link, with another mode",
        5,
        _one(entry("s", SYMLINK, link=up), entry("h", HARDLINK, link="s", mode=0o7777)),
        "ok",
        True,
    )
    yield Hostile(
        "a second name written",
        5,
        _one(entry("a", data=b"first"), entry("b", HARDLINK, link="a"), entry("b", data=X)),
        "ok",
        inside={"a": b"first", "b": X},
    )
    yield Hostile("a hard link to itself", 5, _one(entry("a", data=X), entry("a", HARDLINK, link="./a")), "invalid")
    yield Hostile("a hard link to the root", 5, _one(entry("a", HARDLINK, link="/")), "invalid")
    yield Hostile("a hard link to nothing", 5, _one(entry("a", HARDLINK, link="b")), "failed")
    yield Hostile("a hard link to a whiteout", 5, _one(entry("a", HARDLINK, link=".wh.b")), "invalid")


def _whiteouts() -> Iterator[Hostile]:
    for name in (".wh.", ".wh..", ".wh...", "a/.wh..", "a/.wh...", ".wh..wh.aufs", ".wh..wh.plnk/x", ".wh.a/x"):
        yield Hostile(f"the whiteout {name}", 6, _one(entry("a", FOLDER), entry(name)), "invalid", name == ".wh...")
    yield Hostile("a whiteout with data", 6, _one(entry(".wh.a", data=X)), "invalid")
    yield Hostile("a whiteout that is a folder", 6, _one(entry(".wh.a", FOLDER)), "invalid")
    yield Hostile("a whiteout that is a link", 6, _one(entry(".wh.a", SYMLINK, link="b")), "invalid")
    yield Hostile(
        "a whiteout of the same layer's file", 6, _one(entry("a", data=X), entry(".wh.a")), "ok", inside={"a": X}
    )


def _attributes() -> Iterator[Hostile]:
    marks = {
        f"SCHILY.xattr.{space}.overlay.{key}": value
        for space in ("trusted", "user")
        for key, value in (("redirect", "/../victim"), ("opaque", "y"), ("metacopy", ""), ("whiteout", "y"))
    }
    yield Hostile(
        "overlay's own attributes",
        7,
        _one(entry("d", FOLDER, pax=marks), entry("f", data=X, pax=marks)),
        "ok",
        inside={"f": X},
    )
    yield Hostile("an attribute of 100 kB", 7, _one(entry("f", pax={"SCHILY.xattr.user.x": "v" * 100_000})), "invalid")
    yield Hostile("an attribute without a name", 7, _one(entry("f", pax={"SCHILY.xattr.": "v"})), "invalid")


def _devices() -> Iterator[Hostile]:
    yield Hostile(
        "the device of all memory", 8, _one(entry("m", CHAR, device=(1, 1)), entry("m", data=X)), "ok", inside={"m": X}
    )
    yield Hostile("a disk", 8, _one(entry("b", BLOCKDEV, device=(8, 0))), "ok")
    yield Hostile("overlay's whiteout device", 8, _one(entry("w", CHAR, device=(0, 0))), "invalid")
    yield Hostile("a minor of 21 bits", 8, _one(entry("m", CHAR, device=(1, 0o7777777))), "invalid")
    yield Hostile(
        "a file over a fifo", 8, _one(entry("p", FIFO), entry("p", data=X), entry("q", FIFO)), "ok", inside={"p": X}
    )


def _headers() -> Iterator[Hostile]:
    nested = archive(entry("nested", data=X))
    size = {"size": str(len(nested))}
    plain = entry("f", data=nested)
    yield Hostile("a PAX size over a header of 0", 9, _one(pax(size), header(b"f") + padded(nested)), "invalid")
    yield Hostile("a PAX size of 0 over a nested tar", 9, _one(pax({"size": "0"}), plain), "invalid")
    yield Hostile("a negative PAX size", 9, _one(pax({"size": "-1"}), plain), "invalid")
    yield Hostile("a PAX size twice", 9, _one(pax(record(b"size", b"0") * 2), plain), "invalid")
    yield Hostile("a PAX size for all", 9, _one(pax(size, "g"), header(b"f") + padded(nested)), "invalid")
    yield Hostile("a PAX path for all", 9, _one(pax({"path": "x"}, "g"), plain), "invalid")
    yield Hostile("a PAX record that is too long", 9, _one(pax(b"99 path=x\n"), plain), "invalid")
    yield Hostile("a PAX record without a newline", 9, _one(pax(b"9 path=xy"), plain), "invalid")
    yield Hostile("a PAX record of length 0", 9, _one(pax(b"0 path=x\n"), plain), "invalid")
    yield Hostile("two PAX headers", 9, _one(pax({"path": "a"}), pax({"path": "b"}), plain), "invalid")
    yield Hostile("a PAX and a GNU name", 9, _one(gnu_long(b"a"), entry("x", pax={"path": "b"})), "invalid")
    yield Hostile("a PAX header and no entry", 9, _one(pax({"path": "a"})), "invalid")
    yield Hostile("PAX records of 2 MiB", 9, _one(pax({"comment": "c" * (2 << 20)}), plain), "invalid")
    yield Hostile("a GNU name of 10 MiB", 9, _one(gnu_long(b"a" * (10 << 20)), plain), "invalid")
    yield Hostile("a GNU name with a NUL inside", 9, _one(gnu_long(b"a\0b"), plain), "invalid")
    yield Hostile(
        "a link with data", 9, _one(header(b"l", SYMLINK, len(nested), link=b"x") + padded(nested)), "invalid"
    )
    yield Hostile("a folder with data", 9, _one(header(b"d", FOLDER, len(nested)) + padded(nested)), "invalid")
    yield Hostile("a negative size", 9, _one(header(b"f", FILE, b"\xff" * 12)), "invalid")
    yield Hostile("a size of 8 EiB", 9, _one(header(b"f", FILE, b"\x80" + bytes(3) + b"\x7f" + b"\xff" * 7)), "invalid")
    yield Hostile("a size that is no number", 9, _one(header(b"f", FILE, b"12x4567890\0")), "invalid")
    yield Hostile("a wrong checksum", 9, _one(header(b"f", checksum=1)), "invalid")
    yield Hostile("an unknown type", 9, _one(header(b"f", "Z")), "invalid")
    yield Hostile("a file named like a folder", 9, _one(entry("f/", data=b"")), "invalid")
    yield Hostile("an unknown version of ustar", 9, _one(header(b"f", magic=b"ustar\x0099")), "invalid")
    yield Hostile(
        "a header after a zero block", 9, lambda _: [entry("a") + bytes(BLOCK) + archive(entry("b"))], "invalid"
    )
    yield Hostile("cut inside a file", 9, lambda _: [entry("a", data=bytes(5000))[:2000]], "invalid")
    yield Hostile("cut inside a header", 9, lambda _: [entry("a")[:300]], "invalid")
    yield Hostile("cut gzip", 9, lambda _: [gz(archive(entry("a", data=os.urandom(5000))))[:-2000]], "invalid")
    yield Hostile("broken gzip", 9, lambda _: [gz(archive(entry("a")))[:-8] + bytes(8)], "invalid")


def _sparse() -> Iterator[Hostile]:
    def v1(map: bytes, size: int, data: bytes = b"") -> bytes:
        records = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(size)}
        return entry("f", data=padded(map) + data, pax=records)

    def v0(spans: str, size: int, data: bytes) -> bytes:
        return entry("f", data=data, pax={"GNU.sparse.map": spans, "GNU.sparse.size": str(size)})

    def old(spans: bytes, size: int, data: bytes = b"", more: bytes = b"") -> bytes:
        block = bytearray(header(b"f", "S", len(data), magic=b"ustar  \0"))
        block[386 : 386 + len(spans)] = spans
        block[482] = bool(more)
        block[483:495] = b"\x80" + size.to_bytes(11, "big")
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
        return bytes(block) + more + padded(data)

    many = b"1000000\n" + b"".join(b"%d\n1\n" % (2 * n) for n in range(1_000_000))
    span = b"%011o\0%011o\0"
    full = b"".join(span % (n, 0) for n in range(21)) + b"\1" + bytes(7)
    cases = {
        "a map of a million": v1(many, 2_000_000, b"x"),
        "a map of a million in records": v0(",".join("0,0" for _ in range(200_000)), 9, b""),
        "a map without an end": old(span % (0, 0), 9, more=full * 4000),
        "8 EiB": v1(b"1\n0\n1\n", (1 << 63) - 1, b"x"),
        "8 EiB in the old form": old(span % (0, 1), 1 << 62, b"x"),
        "spans that overlap": v0("0,2,1,2", 9, b"abcd"),
        "spans beyond the end": v0("8,2", 9, b"ab"),
        "spans that add up to more": v0("0,2", 9, b"abcd"),
        "spans that wrap around": v0("18446744073709551615,2", 9, b"ab"),
        "an odd map": v0("0,1,2", 9, b"a"),
        "a map that is no number": v1(b"1\nx\n1\n", 9, b"a"),
        "a map that never ends": v1(b"9" * 600, 9, b"a"),
        "an unknown version": entry("f", pax={"GNU.sparse.major": "2", "GNU.sparse.minor": "0"}),
    }
    for name, data in cases.items():
        yield Hostile(f"sparse: {name}", 10, _one(data), "invalid")


def _sizes() -> Iterator[Hostile]:
    member, tail = gz(bytes(64 << 20)), gz(b"")
    big = gz(header(b"f", FILE, b"\x80" + (10 << 30).to_bytes(11, "big")))
    yield Hostile("10 GiB in 10 MiB of gzip", 12, lambda _: [big + member * 160], "invalid")
    yield Hostile(
        "a hundred thousand members",
        12,
        lambda _: [gz(archive(entry("f", data=X))) + tail * 100_000],
        "ok",
        inside={"f": X},
    )
    frame = b"\x28\xb5\x2f\xfd\x00" + bytes([21 << 3]) + b"\x01\x00\x00"  # a window of 2^31 bytes, an empty last block
    yield Hostile("a zstd window of 2 GiB", 12, lambda _: [frame], "invalid")
    yield Hostile("garbage after gzip", 12, lambda _: [gz(archive(entry("f"))) + b"garbage"], "invalid")
    yield Hostile(
        "64 MiB of zeros behind the end",
        11,
        lambda _: [archive(entry("f", data=X)) + bytes(64 << 20)],
        "ok",
        inside={"f": X},
    )


def _names() -> Iterator[Hostile]:
    yield Hostile("a name of 5,000 bytes", 13, _one(entry("/".join(["a" * 99] * 50))), "invalid")
    yield Hostile("a part of 256 bytes", 13, _one(entry("a" * 256)), "invalid")
    yield Hostile("4,096 levels", 13, _one(entry("/".join("a" * 2047))), "invalid")
    yield Hostile("a NUL in a PAX path", 13, _one(entry("x", pax={"path": b"a\0b"})), "invalid")
    yield Hostile("an empty name", 13, _one(entry("")), "invalid")
    yield Hostile("a file in place of the root", 13, _one(entry(".")), "invalid")
    yield Hostile("an empty link", 13, _one(entry("l", SYMLINK)), "invalid")
    odd = [b"new\nline", b"\xff\xfe", b"\xc3\xa9", b"e\xcc\x81", b"case", b"CASE", b"-rf", b" ", b"\\", b'"']
    yield Hostile(
        "odd names",
        13,
        _one(*(entry(name, data=name) for name in odd)),
        "ok",
        inside={os.fsdecode(name): name for name in odd},
    )
    yield Hostile("a file as a folder", 13, _one(entry("f", data=X), entry("f/x", data=X)), "failed", inside={"f": X})


def hostile_archives() -> list[Hostile]:
    """Return the table, in the order of the attacks."""
    groups = (_paths, _links, _hard_links, _whiteouts, _attributes, _devices, _headers, _sparse, _sizes, _names)
    return sorted((case for group in groups for case in group()), key=lambda case: case.number)

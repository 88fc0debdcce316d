"""Archives byte by byte: each field of each header can be right, wrong or hostile."""

from __future__ import annotations

import gzip
import io
import json
import os
import stat
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

BLOCK = 512
FILE, HARDLINK, SYMLINK, CHAR, BLOCKDEV, FOLDER, FIFO = "0123456"


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)


def record(key: bytes, value: bytes) -> bytes:
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def header(
    name: bytes,
    kind: str = FILE,
    size: int | bytes = 0,
    mode: int = 0o644,
    uid: int = 0,
    gid: int = 0,
    mtime: int = 1_600_000_000,
    link: bytes = b"",
    device: tuple[int, int] = (0, 0),
    magic: bytes = b"ustar\x0000",
    prefix: bytes = b"",
    checksum: int | None = None,
) -> bytes:
    """One header block; ``size`` may be the field's raw bytes."""
    length = size if isinstance(size, bytes) else b"%011o\0" % size
    block = bytearray(
        name[:100].ljust(100, b"\0")
        + b"%07o\0%07o\0%07o\0" % (mode, uid, gid)
        + length.ljust(12, b"\0")
        + b"%011o\0" % mtime
        + b" " * 8
        + kind.encode("latin-1")
        + link[:100].ljust(100, b"\0")
        + magic
        + bytes(64)
        + b"%07o\0%07o\0" % device
        + prefix.ljust(155, b"\0")
        + bytes(12)
    )
    block[148:156] = b"%06o\0 " % (sum(block) if checksum is None else checksum)
    return bytes(block)


def pax(records: Mapping[str, bytes | str] | bytes, kind: str = "x") -> bytes:
    """An extra header; raw bytes are taken as they are."""
    if not isinstance(records, bytes):
        pairs = ((k.encode(), v.encode() if isinstance(v, str) else v) for k, v in records.items())
        records = b"".join(record(key, value) for key, value in pairs)
    return header(b"PaxHeader", kind, len(records)) + padded(records)


def gnu_long(text: bytes, kind: str = "L") -> bytes:
    return header(b"././@LongLink", kind, len(text) + 1, magic=b"ustar  \0") + padded(text + b"\0")


def entry(name: bytes | str, kind: str = FILE, data: bytes = b"", **fields: Any) -> bytes:
    """A whole entry; what the header cannot hold goes into PAX records. ``link`` may be text."""
    raw = name.encode() if isinstance(name, str) else name
    link = fields.pop("link", b"")
    link = link.encode() if isinstance(link, str) else link
    records = dict(fields.pop("pax", {}))
    if len(raw) > 100:
        records["path"] = raw
    if len(link) > 100:
        records["linkpath"] = link
    if kind == FOLDER:
        fields.setdefault("mode", 0o755)
    fields.setdefault("size", len(data))
    before = pax(records) if records else b""
    return before + header(raw, kind, link=link, **fields) + padded(data)


def archive(*parts: bytes) -> bytes:
    return b"".join(parts) + bytes(2 * BLOCK)


def gz(data: bytes) -> bytes:
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as stream:
        stream.write(data)
    return out.getvalue()


Fact = tuple[object, ...]


def facts(top: str | Path, inodes: bool = False, times: bool = True) -> dict[bytes, Fact]:
    """All about a tree: kind, mode, owner, times, device, link, attributes, content, which names are one file."""
    root = os.fsencode(str(top))
    found: dict[bytes, Fact] = {}
    first: dict[int, bytes] = {}
    for folder, folders, files in os.walk(root):
        folders.sort()
        for name in [b"", *sorted(files), *[f for f in folders if os.path.islink(os.path.join(folder, f))]]:
            path = os.path.join(folder, name) if name else folder
            found[os.path.relpath(path, root)] = _fact(path, root, first, inodes, times)
    return found


def _fact(path: bytes, root: bytes, first: dict[int, bytes], inodes: bool, times: bool) -> Fact:
    info = os.lstat(path)
    kind = stat.S_IFMT(info.st_mode)
    is_mark = kind == stat.S_IFCHR and info.st_rdev == 0
    xattrs = {k: os.getxattr(path, k, follow_symlinks=False) for k in os.listxattr(path, follow_symlinks=False)}
    content = sha256(Path(os.fsdecode(path)).read_bytes()).hexdigest() if kind == stat.S_IFREG else ""
    link = os.readlink(path) if kind == stat.S_IFLNK else b""
    same = first.setdefault(info.st_ino, path) if kind != stat.S_IFDIR else path
    return (
        kind,
        stat.S_IMODE(info.st_mode),
        (info.st_uid, info.st_gid),
        info.st_mtime_ns if times and not is_mark else 0,
        info.st_rdev,
        link,
        json.dumps({k: v.hex() for k, v in sorted(xattrs.items())}),
        content,
        os.path.relpath(same, root),
        (info.st_ino, info.st_nlink, info.st_ctime_ns) if inodes else (),
    )


def differences(one: dict[bytes, Fact], two: dict[bytes, Fact], ignore: Iterable[bytes] = ()) -> list[str]:
    """What two trees do not have in common, for a message."""
    names = sorted((one.keys() | two.keys()) - set(ignore))
    return [f"{name!r}: {one.get(name)} != {two.get(name)}" for name in names if one.get(name) != two.get(name)]

"""``--user name[:group]`` → numbers, by the image's own ``/etc/passwd`` and ``/etc/group``.

The files come from strangers: they are read inside the image's tree without following links out of it, only if they
are regular files of at most 10 MiB, and a line that is no entry is skipped. Numbers are taken as they are, if they fit
into 32 bits: "4294967296" must not become root, and neither must "1" because the image has a user of that *name*
(CVE-2026-30892; Docker would look for the name first). Source: passwd(5), group(5); Docker's ``--user``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from minidock.errors import InvalidArgument

#: The most bytes of a passwd or group file that are read.
LIMIT = 10 << 20
_LARGEST_ID = 2**31 - 1

#: Reads a file of the image: path → its bytes, or ``None`` if there is no such regular file.
ReadImageFile = Callable[[str], bytes | None]


class ResolvedUser(msgspec.Struct, frozen=True):
    """Who the first process is."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


class _Passwd(msgspec.Struct, frozen=True):
    name: str
    uid: int
    gid: int
    home: str


class _Group(msgspec.Struct, frozen=True):
    name: str
    gid: int
    members: tuple[str, ...]


def resolve_user(text: str, group_add: tuple[str, ...], read: ReadImageFile) -> ResolvedUser:
    """Resolve ``[user][:group]`` and the additional groups.

    :raises InvalidArgument: with runc's words: an unknown name, or a number out of range.
    """
    user_text, colon, group_text = text.partition(":")
    passwd = list(_passwd_entries(read("/etc/passwd") or b""))
    group = list(_group_entries(read("/etc/group") or b""))
    entry = _find_user(user_text or "0", passwd)
    if colon and group_text:
        gid = _find_group(group_text, group)
        groups: tuple[int, ...] = ()
    else:
        gid = entry.gid
        groups = tuple(g.gid for g in group if entry.name and entry.name in g.members)
    added = tuple(_find_group(name, group) for name in group_add)
    return ResolvedUser(entry.uid, gid, tuple(dict.fromkeys((*groups, *added))), _safe_home(entry.home))


def _find_user(text: str, entries: list[_Passwd]) -> _Passwd:
    number = _number(text)
    for entry in entries:
        if entry.name == text if number is None else entry.uid == number:
            return entry
    if number is None:
        raise InvalidArgument(f"unable to find user {text}: no matching entries in passwd file")
    return _Passwd("", number, 0, "/")


def _find_group(text: str, entries: list[_Group]) -> int:
    number = _number(text)
    if number is not None:
        return number
    for entry in entries:
        if entry.name == text:
            return entry.gid
    raise InvalidArgument(f"unable to find group {text}: no matching entries in group file")


def _number(text: str) -> int | None:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        return None
    value = int(text)
    if not 0 <= value <= _LARGEST_ID:
        raise InvalidArgument(f"{text}: uids and gids must be in range 0-{_LARGEST_ID}")
    return value


def _safe_home(home: str) -> str:
    """A home folder becomes an environment variable: one with a line break is not believed."""
    return home if home and not any(ord(c) < 32 for c in home) else "/"


def _passwd_entries(data: bytes) -> Iterator[_Passwd]:
    for fields in _lines(data, 7):
        if (uid := _plain(fields[2])) is not None and (gid := _plain(fields[3])) is not None:
            yield _Passwd(fields[0], uid, gid, fields[5])


def _group_entries(data: bytes) -> Iterator[_Group]:
    for fields in _lines(data, 4):
        if (gid := _plain(fields[2])) is not None:
            yield _Group(fields[0], gid, tuple(m for m in fields[3].split(",") if m))


def _lines(data: bytes, count: int) -> Iterator[list[str]]:
    for line in data.decode("utf-8", "surrogateescape").split("\n"):
        fields = line.strip().split(":")
        if len(fields) >= count and fields[0] and not fields[0].startswith("#"):
            yield fields


def _plain(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and int(text) <= _LARGEST_ID else None

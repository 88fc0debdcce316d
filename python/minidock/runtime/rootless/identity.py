"""Which identities an ordinary user can map into a namespace of its own.

::

    inside      outside
    0       ◀─▶ 1000               the user: what root makes inside belongs to the user outside
    1…65536 ◀─▶ 100000…165535      the user's subordinate range, from /etc/subuid (subuid(5))

The range is written by the set-user-id programs newuidmap and newgidmap, which check the two files. Without range or
programs a process may still map its own identity alone: then a container has root and nobody else. Deciding is pure.
"""

from __future__ import annotations

import msgspec

#: One line of a map: first id inside, first id outside, how many.
Line = tuple[int, int, int]


class Identities(msgspec.Struct, frozen=True):
    """The maps for users and groups. ``why_single`` says why there is no range; empty if there is one."""

    uids: tuple[Line, ...]
    gids: tuple[Line, ...]
    why_single: str = ""


def choose(
    user: str, uid: int, gid: int, subuid: str, subgid: str, missing: tuple[str, ...], single: bool = False
) -> Identities:
    """Return the maps.

    :param subuid: the text of ``/etc/subuid``, and *subgid* of ``/etc/subgid``.
    :param missing: those of newuidmap and newgidmap that are not installed.
    :param single: the user wants no range.
    """
    own = Identities(((0, uid, 1),), ((0, gid, 1),))
    if single:
        return msgspec.structs.replace(own, why_single="MINIDOCK_SINGLE_ID asks for it")
    if missing:
        return msgspec.structs.replace(own, why_single=f"{' and '.join(missing)} is not installed (package uidmap)")
    found = {"uid": ranges(subuid, user, uid), "gid": ranges(subgid, user, uid)}
    for kind, lines in found.items():
        if not lines:
            fix = f"sudo usermod --add-sub{kind}s 100000-165535 {user}"
            return msgspec.structs.replace(own, why_single=f"/etc/sub{kind} has no range for {user} ({fix})")
    return Identities((*own.uids, *_behind(found["uid"])), (*own.gids, *_behind(found["gid"])))


def ranges(text: str, user: str, uid: int) -> tuple[tuple[int, int], ...]:
    """Return (first, count) of each range that the file gives to the user, by name or by number."""
    found = []
    for line in text.splitlines():
        fields = line.strip().split(":")
        if len(fields) == 3 and fields[0] in (user, str(uid)) and fields[1].isdigit() and fields[2].isdigit():
            first, count = int(fields[1]), int(fields[2])
            if count:
                found.append((first, count))
    return tuple(found)


def _behind(found: tuple[tuple[int, int], ...]) -> tuple[Line, ...]:
    """Put the ranges one behind the other, after root."""
    lines, inside = [], 1
    for first, count in found:
        lines.append((inside, first, count))
        inside += count
    return tuple(lines)

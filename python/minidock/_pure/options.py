"""Mount options in the words of mount(8) and runc, sorted by who understands them.

``nosuid`` and its kind are attributes of one mount (mount_setattr(2)); with an ``r`` in front they reach all mounts
below. ``rslave`` and its kind say how mounts spread (mount_namespaces(7)). What is left, such as ``size=64m``, belongs
to the file system (fsconfig(2)).
"""

from __future__ import annotations

import errno
from collections.abc import Iterable

from minidock._pure import syscalls
from minidock._pure.syscalls import MS_PRIVATE, MS_SHARED, MS_SLAVE, MS_UNBINDABLE

_ATIME = 0x70
#: word: attributes to set, attributes to clear (``MOUNT_ATTR_``…)
ATTRIBUTES = {
    "ro": (0x01, 0), "rw": (0, 0x01), "nosuid": (0x02, 0), "suid": (0, 0x02), "nodev": (0x04, 0), "dev": (0, 0x04),
    "noexec": (0x08, 0), "exec": (0, 0x08), "nodiratime": (0x80, 0), "diratime": (0, 0x80), "relatime": (0, _ATIME),
    "norelatime": (0, _ATIME), "noatime": (0x10, _ATIME), "atime": (0, _ATIME), "strictatime": (0x20, _ATIME),
    "nosymfollow": (0x200000, 0), "symfollow": (0, 0x200000),
}  # fmt: skip
PROPAGATION = {"private": MS_PRIVATE, "slave": MS_SLAVE, "shared": MS_SHARED, "unbindable": MS_UNBINDABLE}
_NO_CHANGE = ("bind", "rbind", "remount", "defaults", "loud", "silent", "nostrictatime")


class Options:
    """A list of options, sorted: ``own`` and ``below`` are (set, clear); the last word counts."""

    def __init__(self, words: Iterable[str]) -> None:
        self.own, self.below = (0, 0), (0, 0)
        self.propagation: tuple[int, bool] | None = None
        self.data: list[tuple[str, str | int | None]] = []
        for word in words:
            bare = word[1:] if word.startswith("r") else ""
            if word in ATTRIBUTES:
                self.own = _then(self.own, ATTRIBUTES[word])
            elif bare in ATTRIBUTES:
                self.below = _then(self.below, ATTRIBUTES[bare])
            elif word in PROPAGATION or bare in PROPAGATION:
                self.propagation = spread(word)
            elif word not in _NO_CHANGE:
                name, given, value = word.partition("=")
                self.data.append((name, value if given else None))

    def change(self, mount: int) -> None:
        """Give the mount its attributes and its propagation."""
        for (on, off), recursive in ((self.own, False), (self.below, True)):
            if on or off:
                syscalls.mount_setattr(mount, set=on, clear=off, recursive=recursive)
        if self.propagation:
            syscalls.mount_setattr(mount, propagation=self.propagation[0], recursive=self.propagation[1])


def spread(word: str) -> tuple[int, bool]:
    """Read a word such as ``rslave``: the kernel's flag, and whether it holds for all mounts below."""
    bare = word.removeprefix("r")
    if bare not in PROPAGATION:
        raise OSError(errno.EINVAL, "no such propagation", word)
    return PROPAGATION[bare], word.startswith("r")


def _then(now: tuple[int, int], more: tuple[int, int]) -> tuple[int, int]:
    on, off = more
    return (now[0] & ~off) | on, (now[1] & ~on) | off

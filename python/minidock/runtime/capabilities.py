"""Capabilities: root's power in 41 pieces (capabilities(7)), and which of them a container gets.

A container's root keeps Docker's fourteen, enough for a package manager and a server on port 80. ``--cap-add`` and
``--cap-drop`` change that; ``ALL`` may stand in either. What the *host* lacks (its bounding set) no container can get:
asking for it by name is an error, and ``ALL`` means all that the host has.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from minidock.errors import InvalidArgument
from minidock.oci.capability import NAMES

#: Every capability that the kernel knows, in the order of their numbers.
ALL_CAPABILITIES = NAMES

#: Docker's default set, in Docker's order.
DEFAULT_CAPABILITIES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
)

_ALL = "ALL"


def parse(words: Iterable[str], flag: str, host: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return capability names as the user may write them (``net_admin``, ``CAP_NET_ADMIN``) in full; ``ALL`` stays.

    :param flag: ``CapAdd`` or ``CapDrop``, for the message.
    :param host: the capabilities of this host, or ``None``: every name is accepted.
    :raises InvalidArgument: an unknown name, or one that this host does not have.
    """
    found: list[str] = []
    for word in words:
        name = word.upper()
        if name != _ALL and not name.startswith("CAP_"):
            name = f"CAP_{name}"
        if name != _ALL and name not in NAMES:
            raise InvalidArgument(f'invalid {flag}: unknown capability: "{name}"')
        if name != _ALL and host is not None and name not in host:
            why = "capability not supported by your kernel or not available in the current environment"
            raise InvalidArgument(f'invalid {flag}: {why}: "{name}"')
        found.append(name)
    return tuple(dict.fromkeys(found))


def adjust(
    base: Sequence[str], add: Iterable[str], drop: Iterable[str], host: Sequence[str] | None = None
) -> tuple[str, ...]:
    """Return *base* with ``--cap-add`` and ``--cap-drop`` applied, by Docker's rules.

    ``ALL`` among the additions wins: everything but the drops. ``ALL`` among the drops leaves the additions alone.
    Otherwise the drops go first, so that a capability in both lists stays.

    :raises InvalidArgument: as :func:`parse`.
    """
    adds = parse(add, "CapAdd", host)
    drops = parse(drop, "CapDrop")
    if _ALL in adds:
        return tuple(name for name in (NAMES if host is None else host) if name not in drops)
    if _ALL in drops:
        return adds
    return tuple(dict.fromkeys([*(name for name in base if name not in drops), *adds]))


def host_capabilities(status: str = "/proc/self/status") -> tuple[str, ...]:
    """Return the bounding set of this process: all that anything it starts can ever have (proc(5), ``CapBnd``).

    :raises OSError: there is no proc file system.
    """
    with open(status) as file:
        line = next(line for line in file if line.startswith("CapBnd:"))
    return names_of(int(line.split()[1], 16))


def names_of(bits: int) -> tuple[str, ...]:
    """Return the names of a capability set as the kernel prints it; bits that have no name yet are left out."""
    return tuple(name for number, name in enumerate(NAMES) if bits >> number & 1)

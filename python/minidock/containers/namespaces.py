"""Which namespaces a container gets: new ones, the host's, or another container's. Pure.

``--network --ipc --pid --uts --cgroupns --userns`` name them; "private" is a new one.
"""

from __future__ import annotations

from collections.abc import Callable

from minidock.api import HostConfig
from minidock.errors import InvalidArgument, Unsupported
from minidock.oci.runtime import Namespace

#: (container name or id, namespace type) → the path of that container's namespace, ``/proc/PID/ns/…``.
FindNamespace = Callable[[str, str], str]


def namespaces_of(host: HostConfig, netns: str | None, find: FindNamespace) -> tuple[Namespace, ...]:
    """Return the namespaces of the spec; one that is not in it is shared with the host.

    :param netns: the path of the pinned network namespace, ``None`` for the host's network.
    :raises InvalidArgument: an unknown mode, in Docker's words.
    """
    namespaces = [Namespace("mount")]
    if netns is not None:
        namespaces.append(Namespace("network", netns))
    for kind, mode, words in (
        ("uts", host.uts_mode, ("", "private")),
        ("pid", host.pid_mode, ("", "private")),
        ("ipc", host.ipc_mode, ("", "private", "shareable", "none")),
        ("cgroup", host.cgroupns_mode, ("", "private")),
    ):
        namespace = _namespace(kind, mode, words, find)
        if namespace:
            namespaces.append(namespace)
    if host.userns_mode not in ("", "host"):
        raise Unsupported(
            f"--userns={host.userns_mode} is not supported: containers share the engine's user namespace",
            "run minidock as an ordinary user (rootless) to map root inside to your user outside",
        )
    return tuple(namespaces)


def owns_ipc(host: HostConfig) -> bool:
    """Say whether the container has shared memory of its own."""
    return host.ipc_mode != "host" and not host.ipc_mode.startswith("container:") and host.ipc_mode != "none"


def _namespace(kind: str, mode: str, private: tuple[str, ...], find: FindNamespace) -> Namespace | None:
    if mode == "host":
        return None
    if mode in private:
        return Namespace(kind)
    if mode.startswith("container:") and kind in ("pid", "ipc"):
        name = mode.partition(":")[2]
        if not name:
            raise InvalidArgument(f"--{kind}: invalid {kind.upper()} mode")
        return Namespace(kind, find(name, kind))
    label = {"cgroup": "cgroupns"}.get(kind, kind)
    raise InvalidArgument(f"--{label}: invalid {kind.upper()} mode")
